"""How far a pass stays from the kinks of its network.

At the kink of a ReLU or at a tie in a max-pool the gradient jumps: there no two correct programs agree,
however accurate. The parity scripts therefore draw the input from several candidates and keep the one
whose pass stays farthest from every kink.
"""

import torch
from torch import nn


def activations(model, images):
    """The logits and the inputs of every ReLU and max-pool, in f64; statistics stay as they are."""
    seen, hooks, momenta = [], [], {}

    def keep(module, inputs):
        seen.append((module, inputs[0].detach().double().clone()))

    for module in model.modules():
        if isinstance(module, (nn.ReLU, nn.ReLU6, nn.MaxPool2d)):
            hooks.append(module.register_forward_pre_hook(keep))
        if isinstance(module, nn.BatchNorm2d):
            momenta[module] = module.momentum
            module.momentum = 0.0
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    for module, momentum in momenta.items():
        module.momentum = momentum
    return seen


def distances(module, value):
    """Distance of every unit of a layer's input from the layer's nearest kink."""
    if isinstance(module, nn.ReLU6):
        return torch.minimum(value.abs(), (value - 6).abs())
    if isinstance(module, nn.ReLU):
        return value.abs()
    size, stride, padding = module.kernel_size, module.stride, module.padding
    if padding:
        value = nn.functional.pad(value, (padding,) * 4, value=-1e30)
    windows = value.unfold(2, size, stride).unfold(3, size, stride).flatten(-2)
    best = windows.topk(2, dim=-1).values
    # A window of zeros alone (all its units are off) passes no gradient, whichever unit wins.
    return (best[..., 0] - best[..., 1])[best[..., 0] > 0]


def margin(double, single, images):
    """The least distance from a kink, in units of the layer's root mean square error of an f32 pass."""
    least = float("inf")
    pairs = zip(activations(double, images.double()), activations(single, images.float()))
    for (module, exact), (_, rounded) in pairs:
        error = (exact - rounded).square().mean().sqrt()
        found = distances(module, exact)
        if found.numel() and error > 0:
            least = min(least, float(found.min() / error))
    return least


def farthest_input(double, single, candidates, enough):
    """Name and margin of the first candidate with `enough` margin, else of the best."""
    best = (None, -1.0)
    for name, images in candidates:
        found = margin(double, single, images)
        if found > best[1]:
            best = (name, found)
        if found >= enough:
            break
    return best

"""The deterministic formula that fills weights and inputs in parity tests, the same in both languages.

For a tensor of some name and a flat row-major index i, all in 64-bit integers and exact in f64:

    bits(i) = mix(hash64(name) ^ mix(i))
    u(i)    = (bits(i) >> 40) / 2^24        in [0, 1)
    s(i)    = 2 u(i) - 1                    in [-1, 1)

`hash64` and `mix` are those of `counter_random` and of the crate `tl-random`. Values are computed in f64
and rounded once to f32:

    two or more dimensions   s * sqrt(3 * gain / fan_in), fan_in = product of shape[1:]
    ...running_var           1 + 0.5 s
    ...running_mean          0.1 s
    other vector ...weight, ...gamma   scale * (1 + 0.2 s)   (a norm's; scale 1 unless its suffix is listed)
    other vector ...bias, ...bias_*    bias_offset + 0.1 s
    the input                2 s
"""

import math

import numpy

from counter_random import hash64, mix


def mix_all(values):
    """`counter_random.mix` of every number of a uint64 array (products wrap, as they should)."""
    z = values + numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def signed(name, length):
    """s(0), s(1), ... s(length - 1) of a name, in f64."""
    seed = numpy.uint64(hash64(name))
    result = numpy.empty(length)
    chunk = 1 << 20  # 8 MiB of 64-bit numbers at a time: large enough to be fast, small enough for memory
    for start in range(0, length, chunk):
        index = numpy.arange(start, min(start + chunk, length), dtype=numpy.uint64)
        bits = mix_all(seed ^ mix_all(index))
        result[start : start + len(index)] = (bits >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1.0
    return result


def fill(name, shape, gain, scales=(), bias_offset=0.0):
    """The f32 values of the tensor `name`; `scales` lists (suffix, scale) for vectors of norms."""
    s = signed(name, math.prod(shape))
    if len(shape) > 1:
        values = s * math.sqrt(3.0 * gain / math.prod(shape[1:]))
    elif name.endswith("running_var"):
        values = 1.0 + 0.5 * s
    elif name.endswith("running_mean"):
        values = 0.1 * s
    elif name.endswith(("weight", "gamma")):
        scale = next((scale for suffix, scale in scales if name.endswith(suffix)), 1.0)
        values = scale * (1.0 + 0.2 * s)
    elif name.split(".")[-1].startswith("bias"):
        values = bias_offset + 0.1 * s
    else:
        raise ValueError(f"{name}: no rule for this tensor")
    return values.astype(numpy.float32).reshape(shape)


def input_images(name, shape):
    return (2.0 * signed(name, math.prod(shape))).astype(numpy.float32).reshape(shape)


def projections(values, count):
    """Dot products of the flat values with s of the names projection.0, projection.1, ...

    An error e in the values moves a projection by about |e| / sqrt(3), so that
    sqrt(3 * mean of squared differences) / norm estimates the relative error of the whole tensor.
    """
    flat = numpy.asarray(values, dtype=numpy.float64).ravel()
    return [float(flat @ signed(f"projection.{k}", flat.size)) for k in range(count)]


def check_known_answers():
    """The vectorised mix is the plain one, and s takes the values that Rust's tests name."""
    values = numpy.array([0, 1, 12345, 2**64 - 1], dtype=numpy.uint64)
    assert [int(value) for value in mix_all(values)] == [mix(int(value)) for value in values]
    seed = hash64("input")
    plain = [(mix(seed ^ mix(i)) >> 40) / 2**24 * 2 - 1 for i in range(3)]
    assert signed("input", 3).tolist() == plain


check_known_answers()

if __name__ == "__main__":
    print("input", signed("input", 3).tolist(), "features.0.0.weight", signed("features.0.0.weight", 3).tolist())

"""Records what a published VGG16 makes of the photos in `assets/photos`, by onnxruntime on the file itself.

    python xtask/parity/record_vgg.py vgg16-tumour.onnx --out crates/tl-models/tests/fixtures/vgg16_onnx.json

`cargo xtask assets vgg16-tumour.onnx` fetches the file. Its convolutions are VGG16's, its fully connected layers another
network's. Photos are resized and cut as in `record_photos.py`, with values from 0 to 1. Recorded of the map behind the fifth
pooling, `[512, 7, 7]`: its norm, eight projections (see `formula.projections`), the five channels that are largest in the
mean over the map with that mean, and the first weights of the first convolution as they stand in the file's bytes.
"""

import argparse
import json
from pathlib import Path

import numpy
import onnx
import onnxruntime
from PIL import Image
from torchvision.transforms import v2

from formula import projections

POOLED = "functional_1/block5_pool_1/MaxPool2d:0"
FIRST = "functional_1/block1_conv1_1/convolution/ReadVariableOp:0"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--assets", type=Path, default=Path("assets"))
    parser.add_argument("--out", type=Path, default=Path("crates/tl-models/tests/fixtures/vgg16_onnx.json"))
    arguments = parser.parse_args()
    model = onnx.load(arguments.weights)
    first = next(onnx.numpy_helper.to_array(it) for it in model.graph.initializer if it.name == FIRST)
    model.graph.output.append(onnx.helper.make_tensor_value_info(POOLED, onnx.TensorProto.FLOAT, None))
    # The fully connected layers were made for images of 240 pixels.
    part = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [POOLED])
    for dimension in part.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = 224
    session = onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    prepare = v2.Compose([v2.Resize(256, v2.InterpolationMode.BILINEAR), v2.CenterCrop(224)])
    photos = {}
    for name in ["chelsea.png", "coffee.png", "camera.png"]:
        image = prepare(Image.open(arguments.assets / "photos" / name).convert("RGB"))
        pixels = numpy.asarray(image, numpy.float32)[None] / 255
        found = session.run([POOLED], {model.graph.input[0].name: pixels})[0][0].astype(numpy.float64)
        means = found.mean((1, 2))
        best = numpy.argsort(-means)[:5]
        photos[name] = {
            "norm": float(f"{numpy.linalg.norm(found):.8g}"),
            "projections": [float(f"{value:.8g}") for value in projections(found, 8)],
            "channels": best.tolist(),
            "means": [float(f"{value:.7g}") for value in means[best]],
        }
        print(name, found.shape, photos[name])
    versions = f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}"
    fixture = {"recorded_with": versions, "first": first.ravel()[:3].astype(float).tolist(), "photos": photos}
    arguments.out.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()

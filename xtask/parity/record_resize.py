"""Records what Pillow and torchvision make of small images, for the tests of tl-data.

    python xtask/parity/record_resize.py

Needs Pillow and torchvision. Writes crates/tl-data/tests/fixtures/resize.json. The images are filled by
a formula that the test repeats, so that only results are stored:

    value(row, column, channel) = (row * row * 31 + column * 17 + row * column * 7 + channel * 101) % 256
"""

import base64
import json
import pathlib

import numpy
import PIL
from PIL import Image
import torchvision
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional

FILTERS = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "lanczos": InterpolationMode.LANCZOS,
}
# (width, height) of the image and of the result: smaller, larger, one side kept, mixed, a single pixel.
SIZES = [
    ((37, 23), (11, 7)),
    ((13, 9), (29, 21)),
    ((31, 17), (31, 8)),
    ((16, 27), (7, 27)),
    ((9, 40), (17, 13)),
    ((1, 1), (5, 3)),
    ((50, 3), (4, 6)),
    ((64, 64), (14, 14)),
]
# (width, height), resize, crop: both even and odd remainders, a crop larger than the image.
CROPS = [
    ((40, 30), 16, 11),
    ((30, 41), 15, 12),
    ((23, 57), 12, 9),
    ((19, 18), 10, 15),
    ((33, 20), 8, 13),
]
# (width, height), resize: odd sides, strips, single rows, columns and pixels, made smaller and larger.
DIRECT = [
    ((57, 41), 19),
    ((37, 53), 23),
    ((101, 67), 31),
    ((23, 17), 37),
    ((13, 19), 29),
    ((401, 3), 1),
    ((3, 301), 2),
    ((91, 2), 5),
    ((2, 75), 7),
    ((1, 63), 3),
    ((127, 1), 2),
    ((1, 1), 9),
    ((1, 1), 1),
    ((47, 47), 1),
    ((64, 48), 17),
]


def image(width, height):
    row, column, channel = numpy.ogrid[:height, :width, :3]
    values = row * row * 31 + column * 17 + row * column * 7 + channel * 101
    return Image.fromarray((values % 256).astype(numpy.uint8))


def resize(picture, width, height, mode):
    """Columns first, then rows: what every Pillow before 13 does. Pillow 13 takes the rows first where
    that is cheaper, which moves some values by one or two; in two steps all versions agree."""
    if mode != Image.Resampling.NEAREST:
        picture = picture.resize((width, picture.height), mode)
    return picture.resize((width, height), mode)


def direct():
    """What `torchvision.transforms.functional.resize` makes of a picture: Pillow as it is, in one step."""
    for name in ["bilinear", "bicubic"]:
        for source, shorter in DIRECT:
            result = functional.resize(image(*source), shorter, FILTERS[name])
            case = {"filter": name, "from": source, "resize": shorter, "to": result.size}
            yield case | {"bytes": text(result)}


def text(result):
    return base64.b64encode(numpy.asarray(result).tobytes()).decode()


def main():
    resized, cropped = [], []
    for name, mode in FILTERS.items():
        pillow_mode = getattr(Image.Resampling, name.upper())
        for source, target in SIZES:
            result = resize(image(*source), *target, pillow_mode)
            resized.append({"filter": name, "from": source, "to": target, "bytes": text(result)})
        for source, shorter, crop in CROPS:
            # The size by torchvision, the pixels in two steps.
            size = functional.resize(image(*source), shorter, mode).size
            result = functional.center_crop(resize(image(*source), *size, pillow_mode), crop)
            case = {"filter": name, "from": source, "resize": shorter, "crop": crop}
            cropped.append(case | {"bytes": text(result)})
    recorded = {
        "pillow": PIL.__version__,
        "torchvision": torchvision.__version__,
        "resized": resized,
        "cropped": cropped,
        "direct": list(direct()),
    }
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "crates/tl-data/tests/fixtures/resize.json"
    path.write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

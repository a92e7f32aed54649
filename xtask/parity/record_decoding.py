"""Records what Pillow makes of small image files of rare kinds, for the tests of tl-data.

    python xtask/parity/record_decoding.py

Needs Pillow and numpy. Writes crates/tl-data/tests/fixtures/decoding.json: the bytes of each file and those of
`Image.open(file).convert("RGB")`, both in base64.
"""

import base64
import io
import json
import pathlib

import numpy
import PIL
from PIL import Image

WIDTH, HEIGHT = 16, 12


def smooth():
    row, column = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    return numpy.stack([row * 18 + 20, column * 13 + 30, 230 - row * 8 - column * 5], -1).astype("uint8")


def files():
    colour = Image.fromarray(smooth())
    row, column = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    alpha = Image.fromarray(((row * 31 + column * 17) % 256).astype("uint8"))
    palette = colour.quantize(16)
    see_through = Image.merge("RGBA", [*colour.split(), alpha])
    yield "cmyk.jpg", colour.convert("CMYK"), {"format": "JPEG", "quality": 95}
    yield "grey.jpg", colour.convert("L"), {"format": "JPEG", "quality": 95}
    yield "progressive.jpg", colour, {"format": "JPEG", "quality": 95, "progressive": True, "subsampling": 0}
    yield "palette.png", palette, {"format": "PNG"}
    yield "transparent palette.png", palette, {"format": "PNG", "transparency": bytes(range(0, 160, 10))}
    yield "one bit.png", colour.convert("1"), {"format": "PNG"}
    yield "alpha.png", see_through, {"format": "PNG"}
    yield "grey alpha.png", see_through.convert("LA"), {"format": "PNG"}
    yield "alpha.webp", see_through, {"format": "WEBP", "lossless": True, "exact": True}
    yield "palette.gif", palette, {"format": "GIF"}


def main():
    lines = []
    for name, image, options in files():
        file = io.BytesIO()
        image.save(file, **options)
        pixels = Image.open(io.BytesIO(file.getvalue())).convert("RGB").tobytes()
        case = {"name": name, "file": file.getvalue(), "pixels": pixels}
        case = {key: base64.b64encode(it).decode() if isinstance(it, bytes) else it for key, it in case.items()}
        lines.append("  " + json.dumps(case))
    head = f'"recorded_with": "Pillow {PIL.__version__}", "width": {WIDTH}, "height": {HEIGHT}'
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "crates/tl-data/tests/fixtures/decoding.json"
    path.write_text("{\n " + head + ',\n "cases": [\n' + ",\n".join(lines) + "\n ]\n}\n")
    print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Records what scikit-image and numpy make of images in the style of others, for the tests of tl-data.

    python xtask/parity/record_styles.py

Needs numpy and scikit-image. Writes crates/tl-data/tests/fixtures/styles.json. The images are filled by the
formula of record_resize.py; of the example each value v becomes 40 + v // 2 and the order of all bytes is
reversed, so that its colours differ. Results are rounded and cut to 0..255.
"""

import base64
import json
import pathlib

import numpy
import skimage
from skimage.exposure import match_histograms

# (width, height): square, odd, even, tall, wide.
SIZES = [(16, 16), (21, 17), (12, 25), (40, 9)]
REACHES = [0.0, 0.07, 0.2, 0.5]


def image(width, height):
    row, column, channel = numpy.ogrid[:height, :width, :3]
    values = row * row * 31 + column * 17 + row * column * 7 + channel * 101
    return (values % 256).astype(numpy.uint8)


def example(width, height):
    other = 40 + image(width, height) // 2
    return other.reshape(-1)[::-1].reshape(height, width, 3)


def fourier(source, target, reach):
    """Yang and Soatto 2020, equation 3, by whole transforms."""
    own, other = (numpy.fft.fft2(picture.astype(float), axes=(0, 1)) for picture in (source, target))
    height, width = source.shape[:2]
    band = int(numpy.floor(min(height, width) * reach))
    low = numpy.outer(*(numpy.abs(numpy.fft.fftfreq(n) * n) <= band for n in (height, width)))
    amplitude = numpy.where(low[..., None], numpy.abs(other), numpy.abs(own))
    return numpy.fft.ifft2(amplitude * numpy.exp(1j * numpy.angle(own)), axes=(0, 1)).real


def text(result):
    rounded = numpy.floor(numpy.clip(result, 0, 255) + 0.5)
    return base64.b64encode(rounded.astype(numpy.uint8).tobytes()).decode()


def main():
    cases = []
    for size in SIZES:
        source, target = image(*size), example(*size)
        # As floats: of bytes scikit-image cuts the fraction off.
        matched = match_histograms(source.astype(float), target.astype(float), channel_axis=-1)
        cases.append({"size": size, "reach": None, "bytes": text(matched)})
        for reach in REACHES:
            cases.append({"size": size, "reach": reach, "bytes": text(fourier(source, target, reach))})
    recorded = {"numpy": numpy.__version__, "scikit-image": skimage.__version__, "styled": cases}
    root = pathlib.Path(__file__).resolve().parents[2]
    path = root / "crates/tl-data/tests/fixtures/styles.json"
    path.write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

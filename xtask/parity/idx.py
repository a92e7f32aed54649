"""Reading and writing gzipped IDX files, the format of MNIST and its kin."""

import gzip
import struct

import numpy


def read_idx(path):
    """The array of unsigned bytes in a gzipped IDX file."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    zero, kind, rank = struct.unpack(">HBB", data[:4])
    if zero != 0 or kind != 8:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def write_idx(path, array):
    """Writes an array of unsigned bytes as a gzipped IDX file, the same bytes at every run."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(header + array.astype(numpy.uint8).tobytes())

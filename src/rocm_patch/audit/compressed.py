"""Decompression of a package's payload as a stream, told apart by its first bytes.

Knows gzip, bzip2, xz, lzma, zstd and plain data; nothing of what is inside.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import IO, cast

import zstandard

from rocm_patch.audit.blob import ViewStream

#: What the readers raise on damaged data.
DECOMPRESS_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError)


def reader(data: memoryview) -> IO[bytes]:
    """Open a stream of the uncompressed bytes."""
    source = cast("IO[bytes]", ViewStream(data))
    head = bytes(data[:6])
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(source)
    if head == b"\xfd7zXZ\0":
        return lzma.LZMAFile(source)
    if head.startswith(b"\x5d\x00\x00"):
        return lzma.LZMAFile(source, format=lzma.FORMAT_ALONE)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        stream = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return cast("IO[bytes]", stream)
    return io.BytesIO(data)

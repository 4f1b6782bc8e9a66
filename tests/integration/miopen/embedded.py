"""MIOpen's kernel sources as libMIOpen carries them: as text, each #include's text in its place.

A kernel's own text up to its first #include, and a header's text between its own, are upstream's
byte for byte and at upstream's line numbers; that is what a patch is applied to here.
"""

from __future__ import annotations

import re
from pathlib import Path

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xf4]{400,}")
_NAME = re.compile(r"MIOpenBatchNorm[A-Za-z]+(?=\()")
_CONFIG_GUARD = "#ifndef CK_CONFIG_AMD_HPP"

#: The kernels that reduce across lanes, each with a function that no other file has.
FILES = {
    "MIOpenBatchNormActivBwdSpatial.cl": "MIOpenBatchNormActivBwdSpatial",
    "MIOpenBatchNormActivFwdTrainSpatial.cl": "MIOpenBatchNormActivFwdTrainSpatial",
    "MIOpenBatchNormBwdSpatial.cl": "MIOpenBatchNormBwdSpatialDX",
    "MIOpenBatchNormFwdTrainSpatial.cl": "MIOpenBatchNormFwdTrainSpatialNorm",
}
HEADER = "batchnorm_functions.h"
CONFIG = "src/composable_kernel/composable_kernel/include/utility/config.hpp"


def texts(library: Path) -> list[str]:
    """Give every long text in the library."""
    return [match.group().decode("latin-1") for match in _TEXT.finditer(library.read_bytes())]


def write_tree(library: Path, tree: Path) -> None:
    """Write the files that the series changes, as far as the library has their text."""
    kernels = tree / "src" / "kernels"
    kernels.mkdir(parents=True)
    found = texts(library)
    for name, function in FILES.items():
        source = next(text for text in found if function in _NAME.findall(text))
        (kernels / name).write_text(source, encoding="latin-1")
    source = (kernels / "MIOpenBatchNormBwdSpatial.cl").read_text(encoding="latin-1")
    (kernels / HEADER).write_text(_header(source), encoding="latin-1")
    config = tree / CONFIG
    config.parent.mkdir(parents=True)
    # Another header of the library has the same guard.
    source = next(text for text in found if text.startswith(_CONFIG_GUARD) and "(only) one GPU" in text)
    config.write_text(source, encoding="latin-1")


def _header(kernel: str) -> str:
    """Give batchnorm_functions.h: an empty line, its #include, an empty line, then its own text."""
    own = kernel[kernel.index("#define PPCAT_NX(A, B)") : kernel.index("#ifndef GUARD_REDUCTION_FUNCTIONS_H")]
    return f'\n#include "bfloat16_dev.hpp"\n\n{own}'

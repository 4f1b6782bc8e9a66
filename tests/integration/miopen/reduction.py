"""MIOpen's reduction kernels and their headers out of libMIOpen, in files named as they include one another.

Their headers stand in the library as text of their own. A header is known by its guard, made of its name;
where several have the same guard (MIOpen carries two generations of these files) the nearest to config.hpp
is taken, since a generation's files stand together. Those without such a guard are known by what they define.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xf4]{60,}")
_GUARD = re.compile(r"^#ifndef (\w+)\s*$", re.MULTILINE)
_INCLUDE = re.compile(r'#include "([^"]+)"')
#: A guard stands behind the licence at most.
_HEAD = 3000
#: What headers define that have no guard after their name.
_KNOWN: dict[str, Callable[[str], bool]] = {
    "config.hpp": lambda text: text.startswith("#ifndef CK_CONFIG_AMD_HPP") and "(only) one GPU" in text,
    "data_type.hpp": lambda text: (
        "NumericLimits" in text and "vector_type" in text and "static_kernel" not in text
    ),
    "dynamic_buffer.hpp": lambda text: "struct DynamicBuffer" in text,
    "synchronization.hpp": lambda text: "block_sync_lds" in text and len(text) < 2500,
    "bfloat16_dev.hpp": lambda text: "#ifndef BFLOAT16_DEVICE_HPP" in text and "PPCAT_NX(A" not in text,
    "miopen_cstdint.hpp": lambda text: (
        "__hip_internal" in text and "uint64_t" in text and "CK_" not in text and len(text) < 5000
    ),
    "miopen_limits.hpp": lambda text: (
        "numeric_limits" in text and "namespace std" in text and len(text) < 5000
    ),
    "miopen_type_traits.hpp": lambda text: all(w in text for w in ("is_same", "enable_if", "namespace std")),
    "miopen_utility.hpp": lambda text: '#include "miopen_type_traits' in text and "remove_reference" in text,
    "hip_float8.hpp": lambda text: (
        "miopen_f8" in text or ("MIOPEN_HIP_FLOAT8" in text.upper()[:4000] and "hip_f8" in text)
    ),
}
#: How a block of threads shares the work; each is a kernel of its own.
KINDS = ("direct_threadwise", "direct_warpwise", "blockwise", "multiblock")


def write_reduction(library: Path, folder: Path, kind: str) -> None:
    """Write kernel.cpp, a kind's first pass over some of the dimensions, and every header that it needs."""
    folder.mkdir(parents=True)
    texts = [
        (match.start(), match.group().decode("latin-1")) for match in _TEXT.finditer(library.read_bytes())
    ]
    place = next(start for start, text in texts if _KNOWN["config.hpp"](text))

    def nearest(wanted: Callable[[str], bool]) -> str:
        return min(((abs(at - place), text) for at, text in texts if wanted(text)), default=(0, ""))[1]

    header = f'#include "gridwise_generic_2d_reduction_{kind}.hpp"'
    # Upstream's sources for all dimensions do not compile where no padding is asked for, whatever the card.
    kernel = max(
        (text for _, text in texts if header in text and "gridwise_generic_reduce_1" in text), key=len
    )
    (folder / "kernel.cpp").write_text(kernel, encoding="latin-1")
    names, seen = _INCLUDE.findall(kernel), set[str]()
    while names:
        name = names.pop()
        if name in seen or name.startswith("hip/"):
            continue
        seen.add(name)
        text = nearest(_KNOWN.get(name, _guarded(name)))
        if text:  # else the compiler says what is missing, where it is asked for
            (folder / name).write_text(text, encoding="latin-1")
            names += _INCLUDE.findall(text)


def _guarded(name: str) -> Callable[[str], bool]:
    word = re.sub(r"\W", "_", name).upper()
    guards = {word, f"CK_{word}", f"GUARD_{word}"}
    return lambda text: (match := _GUARD.search(text[:_HEAD])) is not None and match[1] in guards

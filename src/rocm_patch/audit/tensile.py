"""Tensile's kernel libraries: the .dat indexes beside the code objects, by name and by contents.

Says which target a file's name stands for, which sibling files an index leads to and
how many solutions it lists. Knows nothing of code objects' contents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import msgpack

from rocm_patch.audit.blob import malformed

#: Indexes above this are counted, not searched: only the small lazy ones lead to other files.
_MAX_LAZY = 4 << 20
_STEP = 1 << 20
_LIBRARY = re.compile(r"TensileLibrary[^/]*\.dat")
_TARGET_IN_NAME = re.compile(r"gfx[0-9a-f]{3,4}(?:[:-]?(?:xnack|sramecc)[+-])*(?=[._]|$)")
_ERRORS = (msgpack.UnpackException, ValueError, TypeError)


def is_library(path: str) -> bool:
    """Tell by its name whether a file is one of Tensile's msgpack libraries."""
    return _LIBRARY.fullmatch(PurePosixPath(path.rsplit("!", 1)[-1]).name) is not None


def target_in_name(path: str) -> str:
    """Give the processor that a file's name ends in, '' where it names none."""
    found = _TARGET_IN_NAME.findall(PurePosixPath(path).name)
    return re.split(r"[:-]|xnack|sramecc", found[-1])[0] if found else ""


def family(path: str) -> str:
    """Give a path with the target taken out: equal for files that differ only in their target."""
    return _TARGET_IN_NAME.sub("*", path)


def read_library(view: memoryview, path: str) -> tuple[int, list[str]]:
    """Count the solutions of a library; of a lazy one, also name the libraries it leads to."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=max(len(view), 1), raw=False)
    try:
        for at in range(0, len(view), _STEP):
            unpacker.feed(view[at : at + _STEP])
        solutions, leads = 0, []
        for _ in range(unpacker.read_map_header()):
            key = unpacker.unpack()
            if key == "solutions":
                solutions = unpacker.read_array_header()
                for _ in range(solutions):
                    unpacker.skip()
            elif key == "library" and len(view) <= _MAX_LAZY:
                leads = sorted(set(_placeholders(unpacker.unpack())))
            else:
                unpacker.skip()
    except _ERRORS as error:
        raise malformed(path, unpacker.tell(), f"no Tensile library: {error!r}") from error
    return solutions, leads


def _placeholders(tree: object) -> Iterable[str]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("type") == "Placeholder" and isinstance(node.get("value"), str):
                yield node["value"]
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)

"""File names inside patches: unquoting, strip level, and the rule which names are safe.

Knows nothing of hunks or of a tree on disk. Names are `str` as Python makes them
from file system bytes (surrogateescape), so a name in any encoding survives.
"""

from __future__ import annotations

import os
import re

from rocm_patch.errors import SeriesError

#: Folder at the tree's root in which a write is staged (see journal.py).
STAGING = ".rocm-patch-txn"
#: Quilt's folder of applied patches.
QUILT_FOLDER = ".pc"
#: First components that no patch may touch.
RESERVED = (QUILT_FOLDER, STAGING)

PATCH_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")

_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b'"': b'"',
    b"\\": b"\\",
}
_UNESCAPES = {value[0]: key for key, value in _ESCAPES.items()}
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|[abfnrtv\"\\])")
_PRINTABLE = range(0x20, 0x7F)


def unquote(raw: bytes) -> bytes:
    """Undo the C quoting that git and diff use for names with unusual bytes."""

    def replace(match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        return _ESCAPES[code] if code in _ESCAPES else bytes([int(code, 8)])

    if raw.startswith(b'"') and raw.endswith(b'"') and len(raw) > 1:
        return _ESCAPE.sub(replace, raw[1:-1])
    return raw


def quote(name: str) -> bytes:
    """Quote a name as git does where it holds bytes that a patch header cannot carry plainly."""
    raw = os.fsencode(name)
    if all(byte in _PRINTABLE and byte not in _UNESCAPES for byte in raw):
        # patch(1) ends an unquoted name at a tab: one behind the name protects its spaces.
        return raw + b"\t" if b" " in raw else raw
    out = bytearray(b'"')
    for byte in raw:
        if byte in _UNESCAPES:
            out += b"\\" + _UNESCAPES[byte]
        elif byte in _PRINTABLE:
            out.append(byte)
        else:
            out += b"\\%03o" % byte
    return bytes(out + b'"')


def strip_components(raw: bytes, level: int, *, where: str) -> str:
    """Take `level` leading folders off a name and refuse what does not stay inside the tree.

    Raises SeriesError for an absolute name, `..`, an empty rest, and names in
    folders that belong to quilt, git or to this program.
    """
    if raw.startswith(b"/"):
        raise _unsafe(raw, where, "it is absolute")
    if b"\0" in raw:
        raise _unsafe(raw, where, "it holds a NUL byte")
    if raw.endswith(b"\r"):
        raise SeriesError(
            f"{where}: the file name ends in a carriage return",
            cause="the whole patch was converted to CRLF line ends (by an editor or a mail program)",
            step="take the patch from its source again, as bytes; only lines of a CRLF file end in CRLF",
        )
    parts = re.split(rb"/+", raw)[level:]
    parts = [part for part in parts if part != b"."]
    if not parts or not all(parts):
        raise SeriesError(
            f"{where}: nothing is left of the name {shown(raw)} after taking off {level} folder(s)",
            step="give the right strip level behind the patch's name in series, as -p0 or -p2",
        )
    return check_safe(os.fsdecode(b"/".join(parts)), where=where)


def check_safe(name: str, *, where: str, reserved: bool = True) -> str:
    """Give `name` back if it is a plain relative path; `reserved` also bars quilt's and our folder."""
    parts = name.split("/")
    if name.startswith("/") or "\0" in name or not all(parts):
        raise _unsafe(os.fsencode(name), where, "it is absolute or empty")
    if ".." in parts or "." in parts:
        raise _unsafe(os.fsencode(name), where, "it leaves the tree")
    if any(part.lower() == ".git" for part in parts):
        raise _unsafe(os.fsencode(name), where, "it lies in git's own folder")
    if reserved and parts[0] in RESERVED:
        raise _unsafe(os.fsencode(name), where, f"{parts[0]} holds the record of applied patches")
    return name


def shown(raw: bytes | str) -> str:
    """Give a name in a form that any terminal can print."""
    data = os.fsencode(raw) if isinstance(raw, str) else raw
    return data.decode("utf-8", "backslashreplace")


def _unsafe(raw: bytes, where: str, why: str) -> SeriesError:
    return SeriesError(
        f"{where}: the file name {shown(raw)} is refused",
        cause=why,
        step="a patch may name only files below the tree's root; correct the patch or leave it out",
    )

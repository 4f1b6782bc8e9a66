"""Stub libraries to link with: the system's own sonames, with no symbol version above a floor.

A linker binds each symbol to the default version that the library at hand gives. With a
newer glibc than the wheel's users have, that may be a version which theirs lacks, though
an older one would do. A stub has the same soname and, of each symbol, only the newest
version at or below the floor. Stubs are given to the linker alone: compile commands, and
with them a compiler cache, stay as they are. A symbol that only exists above the floor is
in no stub: an archive of ours defines it (see floor), or it stays undefined and the wheel's
check names it.

Knows ELF symbol versions and the linker's scripts. Knows nothing of what is linked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.errors import BuildError
from rocm_patch.wheel.elf import STT_FUNC, STT_GNU_IFUNC, STT_TLS, Symbol, read_dynamic, read_symbols
from rocm_patch.wheel.table import Table, split_version

#: Below the SDK's root; each is replaced by a stub.
LIBRARIES = ("libc.so.6", "libm.so.6", "libmvec.so.1", "ld-linux-x86-64.so.2", "libstdc++.so.6")
FOLDER = "usr/lib/x86_64-linux-gnu"
_CODE = (STT_FUNC, STT_GNU_IFUNC)
_UNORDERED = (-1,)


@attrs.frozen
class Stub:
    """One stub as text: its assembler source and its version script."""

    soname: str
    source: str
    script: str
    #: Symbols of the library that exist only above the floor.
    above: tuple[str, ...]


def choose(symbols: Iterable[Symbol], table: Table) -> tuple[list[Symbol], tuple[str, ...]]:
    """Give each defined symbol once, at its newest allowed version, and the names that have none.

    A symbol without a default version in the library cannot be linked with and is left out;
    so is glibc's own GLIBC_PRIVATE.
    """
    versions: defaultdict[str, list[Symbol]] = defaultdict(list)
    for symbol in symbols:
        if symbol.defined and symbol.name != symbol.version:
            versions[symbol.name].append(symbol)
    chosen: list[Symbol] = []
    above: list[str] = []
    for name, ones in sorted(versions.items()):
        if not any(one.default for one in ones):
            continue
        public = [one for one in ones if one.version is None or not one.version.endswith("_PRIVATE")]
        allowed = [one for one in public if one.version is None or table.allows(one.version)]
        if allowed:
            chosen.append(max(allowed, key=_age))
        elif public:
            above.append(name)
    return chosen, tuple(above)


def _age(symbol: Symbol) -> tuple[tuple[int, ...], bool]:
    split = split_version(symbol.version or "")
    return (split[1] if split else _UNORDERED), symbol.default


def stub_of(library: Path, table: Table, keep: Callable[[Symbol], bool] = lambda _: True) -> Stub:
    """Make a library's stub, of the symbols to `keep`.

    WheelError where it is damaged, BuildError where it is no shared library.
    """
    dynamic = read_dynamic(library)
    if dynamic is None or dynamic.soname is None:
        raise BuildError(f"{library} is no shared library", step="make the SDK again")
    chosen, above = choose(filter(keep, read_symbols(library)), table)
    return Stub(dynamic.soname, _source(chosen), _script(chosen), above)


def _source(symbols: Sequence[Symbol]) -> str:
    """Write assembler that defines each symbol with its kind and size; aliases share their place."""
    lines = [".text"]
    data: defaultdict[tuple[bool, int], list[Symbol]] = defaultdict(list)
    for symbol in symbols:
        if symbol.kind in _CODE:
            lines += [f".globl {symbol.name}", f".type {symbol.name}, @function", f"{symbol.name}:"]
            lines += [" ret", f".size {symbol.name}, 1"]
        else:
            data[symbol.kind == STT_TLS, symbol.value].append(symbol)
    for (thread_local, _), ones in sorted(data.items()):
        kind = "tls_object" if thread_local else "object"
        lines.append(
            '.section .tbss,"awT",@nobits' if thread_local else ".bss",
        )
        lines.append(".balign 32")
        for one in ones:
            lines += [f".globl {one.name}", f".type {one.name}, @{kind}", f"{one.name}:"]
            lines.append(f".size {one.name}, {one.size}")
        lines.append(f".skip {max(1, *(one.size for one in ones))}")
    lines.append('.section .note.GNU-stack,"",@progbits')
    return "\n".join(lines) + "\n"


def _script(symbols: Sequence[Symbol]) -> str:
    """Write the version script; a symbol without a version is left out and stays without."""
    nodes: defaultdict[str, list[str]] = defaultdict(list)
    for symbol in symbols:
        if symbol.version is not None:
            nodes[symbol.version].append(symbol.name)
    return "".join(
        f"{version} {{\n global:\n" + "".join(f"  {name};\n" for name in names) + "};\n"
        for version, names in sorted(nodes.items())
    )


def linker_scripts(seen: str, libc_nonshared: str, archive: str) -> Mapping[str, str]:
    """Give what -lc and -lm must find beside the stubs; `seen` is the stubs' folder as the linker sees it.

    `archive` defines what no stub has.
    """
    head = "OUTPUT_FORMAT(elf64-x86-64)\n"
    loader = f"AS_NEEDED ( {seen}/ld-linux-x86-64.so.2 )"
    return {
        "libc.so": f"{head}GROUP ( {seen}/libc.so.6 {archive} {libc_nonshared} {loader} )\n",
        "libm.so": f"{head}GROUP ( {seen}/libm.so.6 AS_NEEDED ( {seen}/libmvec.so.1 ) )\n",
        "libstdc++.so": f"{head}GROUP ( {seen}/libstdc++.so.6 {archive} )\n",
    }


def link_command(compiler: str, soname: str, seen: str) -> list[str]:
    """Give the command that makes a stub from NAME.s and NAME.map in `seen`, in an SDK."""
    return [
        compiler, "-shared", "-nostdlib", "-fuse-ld=lld", "-Wl,--build-id=none", "-Wl,--hash-style=gnu",
        f"-Wl,-soname,{soname}", f"-Wl,--version-script={seen}/{soname}.map",
        f"{seen}/{soname}.s", "-o", f"{seen}/{soname}",
    ]  # fmt: skip

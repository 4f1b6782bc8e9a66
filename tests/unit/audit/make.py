"""Makes the audit's inputs from bytes: code objects, bundles, host libraries, archives.

Every field can be set wrong, so that each rule meets an object that breaks just it.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

import attrs
import msgpack
import zstandard

from rocm_patch.errors import AuditError

TEXT_ADDRESS = 0x2000
RODATA_ADDRESS = 0x1000
HEADER = 64
SECTION = 64


@attrs.define
class K:
    """A kernel to be made; metadata follows the descriptor unless `metadata` overrides a field."""

    name: str = "kernel"
    vgprs: int = 24
    lds: int = 0
    scratch: int = 0
    kernarg: int = 16
    wave: int = 32
    workgroup: int = 256
    wgp: bool = True
    granule: int = 0
    entry: int | None = None
    reserved: int = 0
    has_descriptor: bool = True
    has_function: bool = True
    has_metadata: bool = True
    metadata: dict[str, Any] = attrs.field(factory=dict)


def descriptor(k: K, entry: int) -> bytes:
    granule = k.granule or (8 if k.wave == 32 else 4)
    rsrc1 = (-(-k.vgprs // granule) - 1) | (1 << 29 if k.wgp else 0) | (1 << 30)
    properties = 0x8 | (0x400 if k.wave == 32 else 0)
    return struct.pack(
        "<IIIIq20sIIIHHI",
        k.lds,
        k.scratch,
        k.kernarg,
        k.reserved,
        entry,
        bytes(20),
        0,
        rsrc1,
        0,
        properties,
        0,
        0,
    )


def metadata_row(k: K) -> dict[str, Any]:
    row = {
        ".name": k.name,
        ".symbol": f"{k.name}.kd",
        ".args": [{".offset": 0, ".size": 8, ".value_kind": "global_buffer"}],
        ".vgpr_count": k.vgprs,
        ".sgpr_count": 20,
        ".wavefront_size": k.wave,
        ".group_segment_fixed_size": k.lds,
        ".private_segment_fixed_size": k.scratch,
        ".kernarg_segment_size": k.kernarg,
        ".max_flat_workgroup_size": k.workgroup,
        ".vgpr_spill_count": 0,
        ".sgpr_spill_count": 0,
    }
    row.update(k.metadata)
    return row


def note(owner: bytes, kind: int, data: bytes) -> bytes:
    owner += b"\0"
    pad = -len(owner) % 4
    return (
        struct.pack("<III", len(owner), len(data), kind) + owner + bytes(pad) + data + bytes(-len(data) % 4)
    )


def elf(
    sections: list[tuple[str, int, int, int, bytes, int]],
    *,
    machine: int,
    osabi: int = 0,
    abi: int = 0,
    flags: int = 0,
    kind: int = 3,
) -> bytes:
    """Lay out sections (name, type, flags, address, data, link); index 0 and names are added."""
    names = b"\0"
    rows = [bytes(SECTION)]
    body = b""
    every = [*sections, (".shstrtab", 3, 0, 0, b"", 0)]
    offsets = []
    for name, *_ in every:
        offsets.append(len(names))
        names += name.encode() + b"\0"
    for at, (name, type_, flag, address, data, link) in zip(offsets, every, strict=True):
        contents = names if name == ".shstrtab" else data
        body += bytes(-len(body) % 16)
        place = HEADER + len(body)
        size = 24 if type_ in (4, 11, 2) else 0
        rows.append(
            struct.pack("<IIQQQQIIQQ", at, type_, flag, address, place, len(contents), link, 0, 16, size)
        )
        body += contents
    body += bytes(-len(body) % 16)
    ident = b"\x7fELF\x02\x01\x01" + bytes([osabi, abi]) + bytes(7)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        ident,
        kind,
        machine,
        1,
        0,
        0,
        HEADER + len(body),
        flags,
        64,
        0,
        0,
        SECTION,
        len(rows),
        len(rows) - 1,
    )
    return header + body + b"".join(rows)


def code_object(
    *kernels: K,
    mach: int = 0x33,
    features: int = 0x100,
    abi: int = 4,
    osabi: int = 64,
    target: str = "amdgcn-amd-amdhsa--gfx1010",
    relocations: list[int] | None = None,
    metadata: bytes | None = None,
    with_note: bool = True,
) -> bytes:
    """Make an AMDGPU shared object with the kernels' descriptors, code, symbols and metadata."""
    rodata, text, strings, symbols = b"", b"", b"\0", bytes(24)
    for k in kernels:
        code = TEXT_ADDRESS + len(text)
        place = RODATA_ADDRESS + len(rodata)
        for suffix, wanted, info, section, value, size in (
            (".kd", k.has_descriptor, 0x11, 3, place, 64),
            ("", k.has_function, 0x12, 4, code, 8),
        ):
            if wanted:
                symbols += struct.pack("<IBBHQQ", len(strings), info, 3, section, value, size)
                strings += (k.name + suffix).encode() + b"\0"
        if k.has_descriptor:
            rodata += descriptor(k, k.entry if k.entry is not None else code - place)
        text += struct.pack("<II", 0xBF810000, 0xBF9F0000) + bytes(248)
    rows = [metadata_row(k) for k in kernels if k.has_metadata]
    packed = msgpack.packb({"amdhsa.version": [1, 2], "amdhsa.target": target, "amdhsa.kernels": rows})
    notes = note(b"AMDGPU", 32, packed if metadata is None else metadata) if with_note else b""
    rela = b"".join(struct.pack("<QQq", RODATA_ADDRESS, kind, 0) for kind in relocations or [])
    return elf(
        [
            (".note", 7, 2, 0x200, notes, 0),
            (".dynstr", 3, 2, 0x400, strings, 0),
            (".rodata", 1, 2, RODATA_ADDRESS, rodata, 0),
            (".text", 1, 6, TEXT_ADDRESS, text, 0),
            (".dynsym", 11, 2, 0x300, symbols, 2),
            (".rela.dyn", 4, 2, 0x3000, rela, 5),
        ],
        machine=224,
        osabi=osabi,
        abi=abi,
        flags=mach | features,
    )


def bundle(entries: dict[str, bytes], align: int = 4096) -> bytes:
    """Make an uncompressed offload bundle."""
    head = 32 + sum(24 + len(name) for name in entries)
    start, table, body = -(-head // align) * align, b"", b""
    for name, data in entries.items():
        offset = start + len(body)
        padding = -offset % align
        body += bytes(padding)
        offset += padding
        table += struct.pack("<QQQ", offset, len(data), len(name)) + name.encode()
        body += data
    header = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(entries)) + table
    return header.ljust(start, b"\0") + body


def hip_entry(target: str) -> str:
    return f"hipv4-amdgcn-amd-amdhsa--{target}"


def fat(**code: bytes) -> bytes:
    """Make a bundle with the host entry that clang always writes, and one entry a target."""
    return bundle({"host-x86_64-unknown-linux-gnu-": b"", **{hip_entry(t): c for t, c in code.items()}})


def compressed(data: bytes, version: int = 2, method: int = 1, hashed: bytes | None = None) -> bytes:
    """Compress a bundle as clang does (CCOB)."""
    payload = zlib.compress(data) if method == 0 else zstandard.ZstdCompressor().compress(data)
    digest = hashlib.md5(data if hashed is None else hashed, usedforsecurity=False).digest()[:8]
    common = b"CCOB" + struct.pack("<HH", version, method)
    if version == 1:
        return common + struct.pack("<I", len(data)) + digest + payload
    layout = "<II" if version == 2 else "<QQ"
    total = len(common) + struct.calcsize(layout) + 8 + len(payload)
    return common + struct.pack(layout, total, len(data)) + digest + payload


def host(
    fatbin: bytes, *, starts: list[int] | None = None, machine: int = 62, symbolic: bool = False
) -> bytes:
    """Make a host library whose .hipFatBinSegment registers the bundles at `starts` of .hip_fatbin."""
    base, segment = 0x10000, 0x400000
    places = [0] if starts is None else starts
    wrappers = struct.pack("<IIQQ", 0x48495046, 1, 0, 0) * len(places)
    symbols = bytes(24)
    rela = b""
    for i, start in enumerate(places):
        place = segment + 24 * i + 8
        if symbolic:
            symbols += struct.pack("<IBBHQQ", 0, 0x11, 0, 1, base + start, 0)
            rela += struct.pack("<QQq", place, (i + 1) << 32 | 1, 0)
        else:
            rela += struct.pack("<QQq", place, 8, base + start)
    return elf(
        [
            (".hip_fatbin", 1, 2, base, fatbin, 0),
            (".hipFatBinSegment", 1, 3, segment, wrappers, 0),
            (".rela.dyn", 4, 2, 0x900000, rela, 5),
            (".dynstr", 3, 2, 0x910000, b"\0", 0),
            (".dynsym", 11, 2, 0x920000, symbols, 4),
        ],
        machine=machine,
    )


def refusal(call: Callable[[], object]) -> AuditError | None:
    """Give the AuditError that a call ends in, None where it ends well; anything else escapes."""
    try:
        call()
    except AuditError as error:
        return error
    return None


def ar(members: dict[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def deb(members: dict[str, bytes], compress: Any = None, suffix: str = "") -> bytes:
    data = tar({f"./{name}": contents for name, contents in members.items()})
    packed = compress(data) if compress else data
    return ar({"debian-binary": b"2.0\n", "control.tar": tar({}), f"data.tar{suffix}": packed})


def cpio(members: dict[str, bytes]) -> bytes:
    out = b""
    for name, data in {**members, "TRAILER!!!": b""}.items():
        raw = name.encode() + b"\0"
        fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0]
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + raw
        out += bytes(-len(out) % 4)
        out += data
        out += bytes(-len(out) % 4)
    return out


def rpm(members: dict[str, bytes], compress: Any = None) -> bytes:
    def header(entries: int, size: int) -> bytes:
        return b"\x8e\xad\xe8\x01" + struct.pack(">III", 0, entries, size) + bytes(16 * entries + size)

    signature = header(1, 5)
    lead = b"\xed\xab\xee\xdb" + bytes(92)
    payload = cpio({f"./{name}": data for name, data in members.items()})
    return (
        lead
        + signature
        + bytes(-len(signature) % 8)
        + header(3, 40)
        + (compress(payload) if compress else payload)
    )

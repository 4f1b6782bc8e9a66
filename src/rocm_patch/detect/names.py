"""Names of GPUs from their PCI ids: libdrm's list, then ours, then pci.ids. Knows no driver."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

from rocm_patch.detect.tree import Tree, clean

_LIBDRM = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
_PCI_IDS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
_PCI_IDS_LIMIT = 8 << 20
_AMD = 0x1002


class Card(NamedTuple):
    """A line of cards.txt."""

    gfx: str
    kind: Literal["card", "integrated"]
    name: str


def card_of(device: int, revision: int | None) -> Card | None:
    """Look an AMD GPU up in our own table: its exact revision, else any."""
    table = _table()
    exact = table.get((device, revision)) if revision is not None else None
    return exact or table.get((device, None))


def name_of(tree: Tree, vendor: int, device: int, revision: int | None, card: Card | None) -> str | None:
    """Give the best name that the machine or our table has."""
    if vendor == _AMD and revision is not None:
        for path in _LIBDRM:
            found = _in_libdrm(clean(tree.read(path, keep=False) or b""), device, revision)
            if found:
                return found
    if card is not None:
        return f"AMD {card.name}"
    for path in _PCI_IDS:
        data = tree.read(path, _PCI_IDS_LIMIT, keep=False)
        found = parse_pci_ids(data or b"", vendor, device)
        if found:
            return found
    return None


def parse_pci_ids(data: bytes, vendor: int, device: int) -> str | None:
    """Find a device in pci.ids without reading the whole of it as text."""
    head = re.search(rb"^%04x  ([^\n]*)\n((?:[\t#][^\n]*\n|\n)*)" % vendor, data, re.MULTILINE)
    if head is None:
        return None
    line = re.search(rb"^\t%04x  ([^\n]+)" % device, head[2], re.MULTILINE)
    return line[1].decode("utf-8", "replace").strip() if line else None


def _in_libdrm(text: str, device: int, revision: int) -> str | None:
    line = re.search(rf"(?mi)^{device:04x},[ \t]*{revision:02x},[ \t]*([^\n]+)", text)
    return line[1].strip() if line else None


@cache
def _table() -> dict[tuple[int, int | None], Card]:
    found: dict[tuple[int, int | None], Card] = {}
    text = (Path(__file__).parent / "cards.txt").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        device, revision, gfx, kind, name = line.split(None, 4)
        key = (int(device, 16), None if revision == "*" else int(revision, 16))
        found[key] = Card(gfx, cast("Literal['card', 'integrated']", kind), name)
    return found

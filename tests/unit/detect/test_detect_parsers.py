"""The parsers, on what machines show and on anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.detect.access import parse_groups, parse_users
from rocm_patch.detect.fixture import rpm_header
from rocm_patch.detect.gpus import gfx_name, parse_properties, pci_address
from rocm_patch.detect.model import Wheel
from rocm_patch.detect.names import card_of, parse_pci_ids
from rocm_patch.detect.packages import (
    WANTED,
    origin_of,
    parse_dpkg_status,
    parse_pacman_desc,
    parse_rpm_header,
    parse_rpm_lines,
    rocm_release,
)
from rocm_patch.detect.software import parse_torch_version, parse_version
from rocm_patch.detect.system import parse_os_release

_KEYS = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
_LINE = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x85\u2028\u2029"), max_size=30
)


@given(st.dictionaries(_KEYS, st.integers(0, 2**64 - 1), max_size=20))
def test_properties_are_read_back(values: dict[str, int]) -> None:
    assert parse_properties("".join(f"{k} {v}\n" for k, v in values.items())) == values


@given(st.text(max_size=200))
def test_properties_of_anything(text: str) -> None:
    assert all(0 <= value < 2**64 for value in parse_properties(text).values())


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (100100, "gfx1010"),
        (100306, "gfx1036"),
        (90010, "gfx90a"),
        (90012, "gfx90c"),
        (90402, "gfx942"),
        (110003, "gfx1103"),
        (0, None),
        (2**64, None),
    ],
)
def test_gfx_names(number: int, name: str | None) -> None:
    assert gfx_name(number) == name


@given(st.integers(0, 2**64))
def test_gfx_names_of_anything(number: int) -> None:
    name = gfx_name(number)
    assert name is None or name.startswith("gfx")


def test_pci_addresses() -> None:
    assert pci_address(0, 768) == "0000:03:00.0"
    assert pci_address(0x10000, 0xC1FD) == "10000:c1:1f.5"


_STATUS = """Package: rocblas
Status: install ok installed
Maintainer: rocBLAS Maintainer <rocblas-maintainer@amd.com>
Architecture: amd64
Version: 4.4.0.60400-47~24.04
Description: one
 two
 .
 Package: hipblas

Package: hipblas
Status: deinstall ok config-files
Architecture: amd64
Version: 2.4.0.60400-47~24.04

Package: zlib1g
Status: install ok installed
Version: 1
"""


def test_dpkg_status() -> None:
    (package,) = parse_dpkg_status(_STATUS.encode())
    assert (package.name, package.version, package.origin) == ("rocblas", "4.4.0.60400-47~24.04", "amd")


@given(st.binary(max_size=300))
def test_dpkg_status_of_anything(data: bytes) -> None:
    assert isinstance(parse_dpkg_status(b"Package: rocblas\n" + data), list)


@given(
    st.lists(
        st.sampled_from(
            [
                "Package: rocblas",
                "Status: install ok installed",
                "Version: 1",
                " x",
                "",
                ":",
                "Version:",
                "\x00",
            ]
        ),
        max_size=12,
    )
)
def test_dpkg_status_out_of_order(lines: list[str]) -> None:
    for package in parse_dpkg_status("\n".join(lines).encode()):
        assert (package.name, package.version) == ("rocblas", "1")


@pytest.mark.parametrize(
    ("name", "version", "maker", "origin"),
    [
        ("rocblas", "4.4.0.60400-47~24.04", "", "amd"),
        ("rocblas", "4.4.0.60400-47~24.04+gfx1010.1", "", "rocm-patch"),
        ("librocblas4", "6.4.4-4+0gfx1010.1", "", "rocm-patch"),
        ("librocblas4", "6.4.4-4", "Debian ROCm Team <debian-ai@lists.debian.org>", "distribution"),
        ("rocblas", "4.4.0.60400-47.el9", "Advanced Micro Devices, Inc.", "amd"),
        ("amdrocm-blas7.13-gfx1010", "7.13.0-1", "", "amd"),
        ("rocblas", "6.3.0-9.fc42", "Fedora Project", "distribution"),
    ],
)
def test_origins(name: str, version: str, maker: str, origin: str) -> None:
    assert origin_of(name, version, maker) == origin


def test_release_of_a_package() -> None:
    assert rocm_release("4.4.0.60400-47~24.04") == "6.4.0"
    assert rocm_release("5.2.0.70201-1.el9") == "7.2.1"
    assert rocm_release("6.4.4-4") is None


@pytest.mark.parametrize("name", ["bash", "zlib1g", "process", "procps", "chip", "libroc", "whip", "python3"])
def test_names_that_do_not_concern_the_gpu(name: str) -> None:
    assert not WANTED.match(name)


@given(_LINE, _LINE, _LINE)
def test_rpm_lines(version: str, arch: str, vendor: str) -> None:
    found = parse_rpm_lines(f"rocblas\t{version}\t{arch}\t{vendor}\nbroken\nbash\t1\tx\ty\n")
    assert len(found) == (1 if version.strip("-") else 0)


@given(st.text(max_size=200))
def test_rpm_lines_of_anything(text: str) -> None:
    assert all(WANTED.match(one.name) for one in parse_rpm_lines(text))


@given(st.dictionaries(st.integers(1000, 1100), st.from_regex(r"[ -~]{0,20}", fullmatch=True), max_size=8))
def test_rpm_headers_are_read_back(tags: dict[int, str]) -> None:
    assert parse_rpm_header(rpm_header(tags)) == tags


@given(st.binary(max_size=100), st.integers(0, 60))
def test_rpm_headers_of_anything(data: bytes, cut: int) -> None:
    assert isinstance(parse_rpm_header(data), dict)
    whole = rpm_header({1000: "rocblas", 1001: "1"})
    assert isinstance(parse_rpm_header(whole[:cut] + data), dict)


@given(st.text(max_size=100))
def test_pacman_of_anything(text: str) -> None:
    assert parse_pacman_desc(text) is None
    package = parse_pacman_desc("%NAME%\nrocblas\n\n%VERSION%\n7.1.1-1\n\n" + text)
    assert package is not None
    assert package.name


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True),
        st.from_regex(r"[ -!#-&(-\[\]-_a-~]{0,12}", fullmatch=True),
    )
)
def test_os_release_is_read_back(values: dict[str, str]) -> None:
    assert parse_os_release("".join(f'{k}="{v}"\n' for k, v in values.items())) == values


@given(st.text(max_size=200))
def test_os_release_of_anything(text: str) -> None:
    assert all(name.isascii() for name in parse_os_release(text))


def test_os_release_quotes() -> None:
    text = 'ID=debian\nNAME=\'a b\'\nPRETTY="say \\"x\\""\n# ID=no\n id=no\nX="half\n'
    assert parse_os_release(text) == {"ID": "debian", "NAME": "a b", "PRETTY": 'say "x"', "X": '"half'}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.4.0-47\n", "6.4.0-47"),
        ("7.13.0rc1\n", "7.13.0rc1"),
        ("", None),
        ("\ufffd\n", None),
        ("9" * 200, None),
        ("no\n", None),
    ],
)
def test_version_files(text: str, version: str | None) -> None:
    assert parse_version(text) == version


@given(st.text(max_size=200))
def test_version_files_of_anything(text: str) -> None:
    version = parse_version(text)
    assert version is None or (version[0].isdigit() and len(version) <= 81)


@given(st.text(max_size=200))
def test_torch_version_of_anything(text: str) -> None:
    wheel = Wheel("torch", "1", "/x")
    parse_torch_version(text, wheel)
    assert wheel.version


@given(st.text(max_size=100))
def test_users_and_groups_of_anything(text: str) -> None:
    assert parse_groups(f"render:x:992:ada,bob\n{text}").get("render", (992, []))[0] >= 0
    assert all(uid >= 0 for uid, _ in parse_users(text).values())


_PCI_IDS = (
    b"1001  Other\n\t731f  Wrong\n1002  AMD\n# note\n\t731e  A\n\t731f  Navi 10\n"
    b"\t\t1002 0b36  Sub\n10de  NVIDIA\n\t2684  AD102\n"
)


def test_pci_ids() -> None:
    assert parse_pci_ids(_PCI_IDS, 0x1002, 0x731F) == "Navi 10"
    assert parse_pci_ids(_PCI_IDS, 0x10DE, 0x2684) == "AD102"
    assert parse_pci_ids(_PCI_IDS, 0x10DE, 0x731F) is None


@given(st.binary(max_size=200))
def test_pci_ids_of_anything(data: bytes) -> None:
    assert parse_pci_ids(b"1002  AMD\n\t731f  Navi 10\n" + data, 0x1002, 0x731F) == "Navi 10"
    assert isinstance(parse_pci_ids(data, 0x1002, 0x731F), str | None)


def test_cards() -> None:
    exact, family = card_of(0x731F, 0xCA), card_of(0x731F, 0x11)
    assert exact is not None
    assert family is not None
    assert (exact.gfx, exact.name) == ("gfx1010", "Radeon RX 5600 XT")
    assert family.name == "Radeon RX 5600/5700 series"
    assert card_of(0xFFFF, None) is None

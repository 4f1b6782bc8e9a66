"""Finds this project's package repository among the sources of apt, dnf and zypper, and what it offers.

Reads the managers' own files: no program is run and no network is asked. Knows nothing of
what is installed, nor of how a repository is made.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterator

from rocm_patch.detect.model import Repository
from rocm_patch.detect.packages import origin_of
from rocm_patch.detect.tree import Tree, clean

#: The suites that this project publishes (packaging/layouts.yml); no other entry is looked at closely.
SUITES = ("amd", "debian")
LISTS = "/var/lib/apt/lists"
_APT = "/etc/apt"
_RPM = (("dnf", "/etc/yum.repos.d"), ("zypper", "/etc/zypp/repos.d"))
_ORIGIN = re.compile(r"^Origin:[ \t]*rocm-patch[ \t]*$", re.MULTILINE)
_ONE_LINE = re.compile(r"deb[ \t]+(?:\[[^\]]*\][ \t]+)?(\S+)[ \t]+(\S+)")
_QUOTED = '\\|{}[]<>"^~_=!@#$%&*'
_PACKAGES_LIMIT = 8 << 20
_RELEASE_LIMIT = 256 << 10


def find_repositories(tree: Tree) -> list[Repository]:
    """Give each source that is this project's repository, by file."""
    return [*_apt(tree), *_rpm(tree)]


def list_name(uri: str) -> str:
    """Spell an address as apt names the lists that it fetched from there."""
    rest = re.sub(r"^[A-Za-z0-9+.-]+:(//(?:[^/@]*@)?)?", "", uri)
    quoted = (f"%{ord(one):02x}" if one in _QUOTED or not "!" <= one <= "~" else one for one in rest)
    return "".join(quoted).replace("/", "_")


def parse_sources(text: str) -> Iterator[tuple[str, str]]:
    """Give address and suite of each entry of a deb822 file that is not switched off."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = (line for line in paragraph.splitlines() if not line.startswith("#"))
        fields = {
            name.strip().lower(): value.split()
            for name, sign, value in (line.partition(":") for line in lines)
            if sign and not name.startswith((" ", "\t"))
        }
        if fields.get("enabled", [])[:1] in (["no"], ["false"], ["0"]) or "deb" not in fields.get(
            "types", []
        ):
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield uri, suite


def parse_one_line(text: str) -> Iterator[tuple[str, str]]:
    """Give address and suite of each `deb` line."""
    for line in text.splitlines():
        if match := _ONE_LINE.match(line.strip()):
            yield match[1], match[2]


def parse_repo_file(text: str) -> Iterator[tuple[str, str]]:
    """Give name and address of each section of a .repo file that is not switched off."""
    for section in re.split(r"(?m)^(?=\[)", text):
        head = re.match(r"\[([^\]\n]+)\]", section)
        fields = dict(re.findall(r"(?m)^(enabled|baseurl)[ \t]*=[ \t]*(\S+)", section))
        if head and fields.get("enabled", "1").lower() not in {"0", "false", "no"}:
            yield head[1], fields.get("baseurl", "")


def _apt(tree: Tree) -> Iterator[Repository]:
    folder = f"{_APT}/sources.list.d"
    files = [f"{_APT}/sources.list"]
    files += [f"{folder}/{name}" for name in tree.names(folder, r".*\.(list|sources)")]
    for file in files:
        data = tree.read(file, keep=False)
        parse = parse_sources if file.endswith(".sources") else parse_one_line
        for uri, suite in parse(clean(data)) if data else ():
            # A flat repository has a folder in a suite's place.
            if suite in SUITES and (found := _apt_entry(tree, file, uri, suite)):
                yield found


def _apt_entry(tree: Tree, file: str, uri: str, suite: str) -> Repository | None:
    """Judge an entry by what apt fetched from there, and by its file's name before it fetched anything."""
    start = f"{LISTS}/{list_name(uri.rstrip('/'))}_dists_{suite}_"
    release = None
    for name in ("InRelease", "Release"):
        release = release or tree.read(f"{start}{name}", _RELEASE_LIMIT, keep=False, head=True)
    found = Repository(file=file, manager="apt", suite=suite)
    if release is None:
        found.lists = "absent"
        return found if "rocm-patch" in file.rpartition("/")[2] else None
    if not _ORIGIN.search(clean(release)):
        return None
    own = re.escape(start.rpartition("/")[2])
    for name in tree.names(LISTS, rf"{own}.*_Packages(\.[a-z0-9]+)?"):
        text = _unpacked(tree, f"{LISTS}/{name}")
        if text is not None:
            found.lists = "read"
            found.offers = sorted({*found.offers, *_offers(text)})
    return found


def _unpacked(tree: Tree, path: str) -> str | None:
    """Give a list as text; None for a form that only apt reads here."""
    data = tree.read(path, _PACKAGES_LIMIT, keep=False)
    kind = path.rpartition("_Packages")[2]
    if data is None or kind not in {"", ".gz", ".xz"}:
        return None
    try:
        if kind == ".gz":
            return clean(zlib.decompressobj(wbits=31).decompress(data, _PACKAGES_LIMIT))
        return clean(lzma.LZMADecompressor().decompress(data, _PACKAGES_LIMIT) if kind else data)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        tree.note(path, f"cannot be unpacked: {error}")
        return None


def _offers(text: str) -> Iterator[str]:
    """Name the packages whose version says that they are ours."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = dict(re.findall(r"(?m)^(Package|Version):[ \t]*(\S+)", paragraph))
        name, version = fields.get("Package", ""), fields.get("Version", "")
        if name and origin_of(name, version, "") == "rocm-patch":
            yield name


def _rpm(tree: Tree) -> Iterator[Repository]:
    """Find ours by section or address; what is offered is in forms that dnf and zypper read themselves."""
    for manager, folder in _RPM:
        for name in tree.names(folder, r".*\.repo"):
            data = tree.read(f"{folder}/{name}", keep=False)
            for section, address in parse_repo_file(clean(data)) if data else ():
                if "rocm-patch" in f"{section} {address}":
                    suite = next((one for one in SUITES if section.endswith(one)), "amd")
                    yield Repository(file=f"{folder}/{name}", manager=manager, suite=suite)  # type: ignore[arg-type]  # as in _RPM

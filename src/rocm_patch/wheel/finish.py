"""Turn the wheel that setup.py made into the one that is shipped.

Strips, vendors, sets search paths, computes the floors and writes them down, adds the bill
of materials and the licences, packs. Knows the other modules of this part and their order.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch import __version__
from rocm_patch.errors import WheelError
from rocm_patch.paths import data_root
from rocm_patch.sources.store import sha256_file
from rocm_patch.wheel import check, floor, metadata, sbom, vendor
from rocm_patch.wheel.archive import dist_info, pack_wheel, unpack_wheel
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.provenance import Origins, Package, static_packages
from rocm_patch.wheel.table import Allowed, Table

_OUR_LICENCE = "rocm-patch.LICENSE"


@attrs.frozen
class Given:
    """What a component knows of its wheel. `tag` is the file name's, `python` the SDK's program."""

    subject: sbom.Subject
    tag: str
    python: str
    #: Wheels of auditwheel and pyelftools.
    tools: Sequence[Path]
    #: The library with what is above the floor; see rocm_patch.wheel.floor.
    floor: Path
    #: Debian packages whose archives or headers are compiled in.
    static_packages: Sequence[str] = ()
    #: Files of the SDK whose packages are compiled in, by their paths inside.
    static_files: Sequence[str] = ()
    #: Sources that are compiled in, with their licence texts by file name.
    static_parts: Sequence[sbom.Part] = ()
    licences: Mapping[str, bytes] = attrs.field(factory=dict)
    allowed: Sequence[Allowed] = ()


def finish(wheel: Path, out: Path, given: Given, *, inside: Inside, table: Table, scratch: Path) -> Path:
    """Make the shipped wheel in the folder `out` from setup.py's; gives its path.

    `scratch` is an empty folder that is used up. WheelError, BuildError.
    """
    tree = scratch / "made"
    tree.mkdir(parents=True)
    unpack_wheel(wheel, tree)
    vendor.drop_litter(tree)
    vendor.strip_debug(inside, tree)
    tree = vendor.graft(inside, tree, scratch / "graft", tools=given.tools, table=table, python=given.python)
    # Not stripped again: Debian's libraries are, and strip may break what patchelf has moved.
    lifted = floor.add(inside, tree, table, given.floor)
    vendor.set_search_paths(inside, tree, table)
    floor.weaken(tree, lifted, table)
    describe(tree, given, inside.origins(vendor.grafted(tree).values()), table)
    # The check that follows looks for symbols in them.
    inside.bring_libraries((*check.Unpacked(tree, tree, table).rocm, *table.system))
    out.mkdir(parents=True, exist_ok=True)
    made = out / metadata.file_name(dist_info(tree), given.tag)
    pack_wheel(tree, made, epoch=given.subject.epoch)
    shutil.rmtree(scratch)
    return made


def describe(tree: Path, given: Given, origins: Origins, table: Table) -> None:
    """Write METADATA's and WHEEL's lines, the licences and the bill of materials."""
    folder = dist_info(tree)
    parts, packages = _parts(tree, given, origins)
    texts = dict(given.licences)
    texts |= {_licence_name(name): text for name, text in origins.licences(packages).items()}
    if list(tree.glob(f"*.libs/{floor.LIBRARY}")):
        texts[_OUR_LICENCE] = (data_root() / "LICENSE").read_bytes()
    for name, text in texts.items():
        path = folder / "licenses" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    one = check.Unpacked(tree, tree, table)
    if "GLIBC" not in one.floors:
        raise WheelError("the wheel links no glibc", cause="it holds no library of this machine's kind")
    metadata.set_external(folder, metadata.external_lines(one.floors, one.rocm, table))
    metadata.set_licence_files(folder, sorted(texts))
    metadata.set_tags(folder, [given.tag, metadata.manylinux_tag(given.tag, one.floors)])
    (folder / "sboms").mkdir(exist_ok=True)
    (folder / "sboms" / sbom.FILE).write_bytes(sbom.render(given.subject, parts))


def _parts(tree: Path, given: Given, origins: Origins) -> tuple[list[sbom.Part], list[Package]]:
    """Give a part for each vendored library's package and for each static one, and the packages."""
    files = {name: origins.file_of(was) for name, was in vendor.grafted(tree).items()}
    packages = origins.packages_of(list(files.values()))
    by_package: dict[Package, dict[str, str]] = {}
    for name, path in files.items():
        by_package.setdefault(packages[path], {})[name] = sha256_file(tree / name)
    parts = [_debian_part("vendored", package, hashes) for package, hashes in by_package.items()]
    owned = origins.packages_of([origins.resolve(path.lstrip("/")) for path in given.static_files])
    static = [*static_packages(origins, given.static_packages).values(), *dict.fromkeys(owned.values())]
    parts += [_debian_part("static", package, {}) for package in static]
    for ours in sorted(tree.glob(f"*.libs/{floor.LIBRARY}")):
        hashes = {ours.relative_to(tree).as_posix(): sha256_file(ours)}
        licence = f"licenses/{_OUR_LICENCE}"
        parts.append(sbom.Part("vendored", "rocm-patch-floor", __version__, files=hashes, licence=licence))
    return [*parts, *given.static_parts], [*by_package, *static]


def _debian_part(how: str, package: Package, files: Mapping[str, str]) -> sbom.Part:
    return sbom.Part(
        how="vendored" if how == "vendored" else "static",
        name=package.name,
        version=package.version,
        purl=package.purl,
        sha256=package.sha256,
        files=files,
        licence=f"licenses/{_licence_name(package.name)}",
        properties={"rocm-patch:debian-source": package.source},
    )


def _licence_name(package: str) -> str:
    return f"debian/{package}.copyright"

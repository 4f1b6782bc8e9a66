"""What each kind of package holds: the kernel pack, the replacing and diverting ones, the meta-package.

Product and stock package in, `Package` out. Knows nothing of formats beyond how a relation is written.
"""

from __future__ import annotations

import fnmatch
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import attrs

from rocm_patch.audit import Options, audit_paths
from rocm_patch.errors import PackageError
from rocm_patch.packaging.bill import plain_bill, product_bill
from rocm_patch.packaging.layout import Layout
from rocm_patch.packaging.model import Change, Content, Package, Relation
from rocm_patch.packaging.product import Entry, Product
from rocm_patch.packaging.shelf import Lying, newest_release
from rocm_patch.packaging.stock import Stock
from rocm_patch.packaging.versions import own_revision, same_upstream
from rocm_patch.wheel.elf import read_dynamic
from rocm_patch.wheel.sbom import Part

_SONAME = re.compile(r"\.so\.\d+$")
_DEVELOPMENT = re.compile(r"^include/|^lib/(cmake|pkgconfig)/|^share/doc/|^lib/[^/]+\.(so|a)$")
#: Columns of a description's line: dpkg puts a space before each, and terminals have 80.
_COLUMNS = 76
META = "rocm-patch-{target}"
_TITLES = {"rocblas": "rocBLAS", "miopen": "MIOpen", "rocsolver": "rocSOLVER"}


@attrs.frozen
class Given:
    """What all kinds are made from."""

    product: Product
    folder: Path
    stock: Stock
    layout: Layout
    target: str
    revision: int = 1

    def place(self, entry: Entry) -> str:
        """Give an entry's installed path: beside the stock library."""
        return self.layout.place(entry.path, self.stock.libraries[0])


def kernel_pack(given: Given) -> Package:
    """Give the additive package: a folder of kernels beside the stock ones, complete in itself."""
    product, target = given.product, given.target
    mark = f"/{target}/"
    entries = [entry for entry in product.of("kernels") if mark in entry.path and entry.link is None]
    if not entries:
        raise PackageError(
            f"the product {product.component} {product.version} has no kernels for {target}",
            cause=f"no file of its tree lies in a folder {target}",
            step=f"build it for {target}",
        )
    _complete(given.folder / entries[0].path.partition(mark)[0] / target, target)
    contents = [_kernel(given, entry, mark) for entry in entries]
    taken = sorted({one.path for one in contents} & set(given.stock.files))
    if taken:
        raise PackageError(
            f"the kernel pack would replace files of {given.stock.name}",
            detail=taken[:20],
            step="an additive package adds files only; remove them from the product",
        )
    name = f"{product.component}-{target}-kernels"
    summary = f"Kernels of {_title(product)} for {target} (Radeon RX 5600/5700)"
    text = (
        f"Code objects for {target} and their index, read by the installed library",
        "from a folder of their own. No file of another package is replaced.",
    )
    return _package(
        given, name, summary, text, contents,
        depends=same_upstream(given.stock, given.stock.name),
    )  # fmt: skip


def replacing(given: Given, reason: str) -> Package:
    """Give the package that takes the stock one's name and place; `reason` is the decision's sentence."""
    product, stock = given.product, given.stock
    contents = [_content(given, entry) for entry in _run_time(given)]
    _has_library(given, {one.path for one in contents})
    summary = f"ROCm's {_title(product)} with code for {given.target}"
    text = (
        "Takes the place of the stock package of this name:",
        *textwrap.wrap(f"{reason}.", _COLUMNS, break_long_words=False, break_on_hyphens=False),
        "Installing the stock version again takes it back.",
    )
    provides = [Relation((stock.name,), "=", stock.version)]
    if stock.format == "rpm":
        sonames = [read_dynamic(given.folder / entry.path) for entry in _libraries(product)]
        provides += [
            Relation((f"{one.soname}()(64bit)",)) for one in sonames if one is not None and one.soname
        ]
    package = _package(given, stock.name, summary, text, contents, ldconfig=_searched(given.layout))
    return attrs.evolve(
        package, depends_as_is=stock.depends, provides=tuple(provides), link_records=stock.link_records
    )


def diverting(given: Given) -> Package:
    """Give the .deb that leaves the stock package installed and puts its library aside (dpkg-divert)."""
    product, stock = given.product, given.stock
    if stock.format != "deb":
        raise PackageError(
            "rpm cannot put another package's file aside", step="build the replacing package for it"
        )
    libraries = _libraries(product)
    if len(libraries) != 1 or len(stock.libraries) != 1:
        raise PackageError(
            f"which library takes the place of {', '.join(stock.libraries)} is not clear",
            cause=f"the product has {len(libraries)}, the stock package {len(stock.libraries)}",
            step="build the replacing package",
        )
    library = Content(stock.libraries[0], given.folder / libraries[0].path)
    others = [
        _content(given, entry) for entry in _run_time(given) if entry.link is None and entry != libraries[0]
    ]
    contents = [library, *others]
    diverts = tuple(sorted({one.path for one in contents} & set(stock.files)))
    summary = f"ROCm's {_title(product)} with code for {given.target}, beside the stock one"
    text = (
        f"While it is installed, the library of {stock.name} {stock.version}",
        "lies beside it under another name. Removing it brings that back.",
    )
    name = f"{product.component}-{given.target}"
    depends = (Relation((stock.name,), "=", stock.version),)
    package = _package(given, name, summary, text, contents, depends=depends)
    return attrs.evolve(package, diverts=diverts, ldconfig=_searched(given.layout))


def meta(packages: Sequence[Lying], *, target: str, revision: int, licence_text: str) -> Package:
    """Give the package that pulls in all of a layout, each in its exact version."""
    name = META.format(target=target)
    rocm = newest_release(packages) or "0"
    version = f"{rocm}+{target}.{revision}"
    epoch = max(package.epoch for package in packages)
    parts = [
        Part("vendored", one.name, one.version, properties={"rocm-patch:licence": one.licence})
        for one in packages
    ]
    return Package(
        name=name,
        version=version,
        revision="1",
        section="metapackages",
        summary=f"PyTorch and ROCm {rocm} libraries with code for {target}",
        description=(
            f"Depends on every package of this repository for {target}, each in the",
            "version that was made with the others. While it is installed, a stock",
            "upgrade of one of them waits.",
        ),
        licence="MIT",
        epoch=epoch,
        contents=(),
        licences={"MIT": licence_text},
        changes=(Change(f"{version}-1", tuple(f"{one.name} {one.version}." for one in packages)),),
        sbom=plain_bill(
            name=name, version=f"{version}-1", licence="MIT", epoch=epoch, parts=parts,
            facts={"target": target, "rocm": rocm},
        ),
        architecture="all",
        depends=tuple(Relation((one.name,), "=", one.version) for one in packages),
    )  # fmt: skip


def _package(
    given: Given,
    name: str,
    summary: str,
    text: tuple[str, ...],
    contents: Sequence[Content],
    *,
    depends: tuple[Relation, ...] = (),
    ldconfig: bool = False,
) -> Package:
    product = given.product
    revision = own_revision(given.stock, given.layout, target=given.target, revision=given.revision)
    version = f"{given.stock.upstream}-{revision}"
    hashes = {str(given.folder / one.path): one.sha256 for one in product.files if one.sha256}
    files = {one.path: hashes[str(one.source)] for one in contents if str(one.source) in hashes}
    licences = {
        PurePosixPath(entry.path).name: (given.folder / entry.path).read_text("utf-8", "replace")
        for entry in product.of("licence")
        if entry.link is None
    }
    if not licences:
        raise PackageError(
            f"the product {product.component} {product.version} holds no licence text",
            cause="there is no file below licences/",
            step="let the recipe put upstream's licence there",
        )
    return Package(
        name=name,
        version=given.stock.upstream,
        revision=revision,
        section="libs",
        summary=summary,
        description=text,
        licence=product.licence,
        epoch=product.epoch,
        contents=contents,
        licences=licences,
        changes=(Change(version, tuple(_history(given))),),
        sbom=product_bill(product, name=name, version=version, files=files),
        depends=depends,
        ldconfig=ldconfig,
    )


def _history(given: Given) -> list[str]:
    product = given.product
    lines = [
        f"Built from {one.name} {one.version}, {'sha256' if one.sha256 else 'commit'} "
        f"{one.sha256 or one.commit}."
        for one in product.sources
    ]
    if product.series is not None:
        used = product.series
        lines.append(f"Patch series {used.name}: {', '.join(used.patches) or 'none needed'}.")
    return [*lines, f"For {given.stock.name} {given.stock.version}."]


def _title(product: Product) -> str:
    return _TITLES.get(product.component, product.component)


def _kernel(given: Given, entry: Entry, mark: str) -> Content:
    """Give a kernel's place: where the stock package has its own, else as in the product."""
    stock = given.stock.kernels
    path = f"{stock}{mark}{entry.path.partition(mark)[2]}" if stock else given.place(entry)
    return Content(path, given.folder / entry.path)


def _content(given: Given, entry: Entry) -> Content:
    if entry.link is not None:
        return Content(given.place(entry), link=entry.link)
    executable = entry.executable and entry.role != "library"
    return Content(given.place(entry), given.folder / entry.path, executable=executable)


def _run_time(given: Given) -> list[Entry]:
    """Give what a run-time package holds: headers and the like stay with the stock -dev package."""
    return [
        entry
        for entry in given.product.files
        if entry.role != "licence"
        and (_DEVELOPMENT.search(entry.path) is None or given.place(entry) in given.stock.files)
    ]


def _libraries(product: Product) -> list[Entry]:
    return [entry for entry in product.of("library") if entry.link is None]


def _searched(layout: Layout) -> bool:
    return layout.lib.startswith("/usr/")


def _has_library(given: Given, paths: set[str]) -> None:
    """Require every name by which programs load the stock library (soname), and code for the target."""
    folders = {str(PurePosixPath(one).parent) for one in given.stock.libraries}
    pattern = given.layout.component(given.product.component).library
    wanted = {
        one
        for one in given.stock.files
        if str(PurePosixPath(one).parent) in folders
        and fnmatch.fnmatch(PurePosixPath(one).name, pattern)
        and _SONAME.search(one)
    }
    missing = sorted(wanted - paths)
    if missing:
        raise PackageError(
            f"the product lacks names by which {given.stock.name} is loaded",
            detail=missing,
            step="let the recipe install the library with its links, and for this layout",
        )
    libraries = [given.folder / entry.path for entry in _libraries(given.product)]
    report = audit_paths(libraries, options=Options(target=given.target, quick=True))
    held = {name for one in report.files for name in one.processors()}
    # MIOpen's library carries sources, no code: there is nothing to look for then.
    if held and given.target not in held:
        raise PackageError(
            f"the product's library has no code for {given.target} either",
            cause="the audit looked into its fat binaries",
            step=f"build it for {given.target}",
        )


def _complete(folder: Path, target: str) -> None:
    """Hold the pack alone against the audit: every index leads to code, all code is the target's."""
    broken = [f"there is no {name}" for name in _needed(target) if not (folder / name).is_file()]
    report = audit_paths([folder], options=Options(target=target), keep_kernels=False)
    broken += [f"{one.path}: {one.reason}" for one in (*report.failures, *report.unreadable)]
    broken += [
        f"{finding.rule}: {example}"
        for one in report.files
        for finding in one.findings.values()
        if finding.severity == "error"
        for example in finding.examples[:3]
    ]
    others = sorted({name for one in report.files for name in one.processors()} - {target})
    broken += [f"code for {', '.join(others)} is in it"] if others else []
    if broken:
        raise PackageError(
            f"the kernels for {target} are not complete in themselves",
            detail=broken[:20],
            step="build the pack again; rocm-patch audit shows each file",
        )


def _needed(target: str) -> tuple[str, ...]:
    return (f"TensileLibrary_lazy_{target}.dat", f"Kernels.so-000-{target}.hsaco")

"""The bill of materials of a distribution package, in the same form as the wheel's.

Turns a product's origins and an installed file list into rocm_patch.wheel.sbom's terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from rocm_patch.errors import SeriesError
from rocm_patch.packaging.product import Product
from rocm_patch.series import Series, series_folder
from rocm_patch.wheel.sbom import Part, Subject, render


def package_purl(name: str, version: str) -> str:
    """Name a package that no public registry has."""
    return f"pkg:generic/{name}@{quote(version, safe='')}"


def product_bill(product: Product, *, name: str, version: str, files: Mapping[str, str]) -> bytes:
    """Write the bill of a package made from a product; `files` are installed paths with their hashes."""
    first = product.sources[0]
    facts = {**product.sdk, "targets": ",".join(product.targets), "rocm": product.rocm}
    if product.series is not None:
        facts["series"] = f"{product.series.name} {product.series.sha256}"
    subject = Subject(
        name=name,
        version=version,
        licence=product.licence,
        epoch=product.epoch,
        sdk=facts,
        ancestor=(first.purl or package_purl(first.name, first.version)) if first.sha256 else "",
        ancestor_sha256=first.sha256 or "",
        patches=_patches(product),
        purl=package_purl(name, version),
    )
    parts = [
        Part(
            "static",
            one.name,
            one.version,
            purl=one.purl,
            sha256=one.sha256,
            properties={"rocm-patch:commit": one.commit} if one.commit else {},
        )
        for one in product.sources
    ]
    own = Part(
        "vendored", product.component, product.version, purl=package_purl(product.component, product.version),
        files=files,
    )  # fmt: skip
    return render(subject, [*parts, own])


def plain_bill(
    *, name: str, version: str, licence: str, epoch: int, parts: Iterable[Part], facts: Mapping[str, str]
) -> bytes:
    """Write the bill of a package that wraps others' parts."""
    purl = package_purl(name, version)
    return render(
        Subject(name=name, version=version, licence=licence, epoch=epoch, sdk=facts, purl=purl), list(parts)
    )


def _patches(product: Product) -> list[tuple[str, str]]:
    """Give the series' patches in full where this checkout has the very series, else their names alone."""
    used = product.series
    if used is None:
        return []
    component, _, version = used.name.partition("/")
    try:
        series = Series.load(series_folder(component, version))
    except SeriesError:
        return [(name, "") for name in used.patches]
    if series.digest() != used.sha256:
        return [(name, "") for name in used.patches]
    return [(patch.name, patch.data.decode()) for patch in series.patches]

"""What a library's build says of itself to packaging: its settings, sources and series.

The folder's form, product.json and the files' roles are rocm_patch.packaging.product's;
docs/rocblas.md describes the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rocm_patch.components.libsettings import LibrarySettings
from rocm_patch.packaging import product
from rocm_patch.pipeline.model import Request
from rocm_patch.series import load_series, series_digest

#: The folder's name, below the work folder.
PRODUCT = "product"


def write_product(
    folder: Path,
    request: Request,
    settings: LibrarySettings,
    *,
    sources: Sequence[product.Origin],
    sdk: Mapping[str, str],
) -> None:
    """Describe every file of a folder in its product.json. PackageError where it holds none."""
    name, version = request.component, request.version
    described = product.describe(
        folder,
        component=name,
        version=settings.version,
        rocm=settings.rocm,
        layouts=settings.layouts,
        targets=[request.target],
        epoch=settings.epoch,
        licence=settings.licence,
        sources=sources,
        series=product.SeriesUsed(
            name=f"{name}/{version}",
            sha256=series_digest(name, version),
            patches=tuple(patch.name for patch in load_series(name, version).patches),
        ),
        sdk=dict(sdk),
    )
    product.write_product(described, folder)

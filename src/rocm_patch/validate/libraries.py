"""Libraries that were built beside the wheel, shown to it in the place of the sysroot's.

What an owner installs is the wheel with these; so a product of dist/ is tested with it. Knows products
and the dynamic linker's path; neither torch nor the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
from filelock import FileLock

from rocm_patch.components.packing import SUFFIX, open_product
from rocm_patch.errors import UsageError
from rocm_patch.packaging.product import Product, load_product
from rocm_patch.paths import cache_root, dist_root
from rocm_patch.sources.store import sha256_file
from rocm_patch.sysroot import Bind

#: Where a sysroot shows them.
INSIDE = "/libraries"


@attrs.frozen
class Library:
    """An opened product: `folder` has lib/ and product.json; `sha256` is the archive's."""

    folder: Path
    product: Product
    sha256: str

    @property
    def name(self) -> str:
        """Name it as the report does."""
        return f"{self.product.component} {self.product.version}"

    @property
    def bind(self) -> Bind:
        """Give what a command in the sysroot must be shown."""
        return Bind(self.folder, f"{INSIDE}/{self.product.component}", "ro")

    @property
    def path(self) -> str:
        """Give the folder for LD_LIBRARY_PATH."""
        return f"{INSIDE}/{self.product.component}/lib"


def find_libraries(given: Sequence[Path], target: str = "gfx1010") -> list[Path]:
    """Give the archives to test with: those named, else every whole library for the target in dist/.

    A build of a part (kernels alone, a library without Tensile) has its name behind the target, and is
    taken only when named.
    """
    return [path.resolve() for path in given] or sorted(dist_root().glob(f"*-{target}{SUFFIX}"))


def open_libraries(archives: Sequence[Path], report: Callable[[str], None]) -> tuple[Library, ...]:
    """Open archives in the cache, each once. UsageError: one is no library, or two are of one component."""
    made: dict[str, Library] = {}
    for archive in archives:
        library = _open(archive, report)
        name = library.product.component
        if not library.product.of("library"):
            raise UsageError(f"{archive} holds no library", step="name a whole product by --library")
        if name in made:
            raise UsageError(
                f"two of the libraries are {name}",
                cause=f"{made[name].name} and {library.name}",
                step="name one of them by --library",
            )
        made[name] = library
    return tuple(made.values())


def _open(archive: Path, report: Callable[[str], None]) -> Library:
    sha256 = sha256_file(archive)
    place = cache_root() / "validation" / f"library-{sha256[:16]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        folder = place / archive.name.removesuffix(SUFFIX)
        if not folder.is_dir():
            report(f"opening {archive.name}")
            open_product(archive, place)
        return Library(folder, load_product(folder), sha256)

"""All packages of a dist/ folder: products and wheels in, .deb and .rpm by layout out.

Joins the decision, the kinds and the two builders. Knows no command line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from rocm_patch.errors import UsageError
from rocm_patch.packaging import kinds, python
from rocm_patch.packaging.deb import build_deb
from rocm_patch.packaging.decide import Decision, decide
from rocm_patch.packaging.kinds import Given
from rocm_patch.packaging.layout import FORMATS, Format, layout_of
from rocm_patch.packaging.model import Package
from rocm_patch.packaging.product import FILE, Product, load_product
from rocm_patch.packaging.rpm import build_rpm
from rocm_patch.packaging.shelf import covered, read_shelf
from rocm_patch.packaging.stock import Stock, StockError, read_stock
from rocm_patch.paths import data_root
from rocm_patch.sources.model import UnpackRule
from rocm_patch.sources.store import sha256_file
from rocm_patch.sources.unpack import unpack

_BUILDERS: dict[Format, Callable[[Package, Path, Path], Path]] = {"deb": build_deb, "rpm": build_rpm}
#: Below dist/: folders of products made by hand, and where packages go.
PRODUCTS = "products"
PACKAGES = "packages"


@attrs.frozen
class Order:
    """What is to be made. `stocks` are stock packages, or root folders of systems that have them."""

    dist: Path
    stocks: Sequence[Path] = ()
    layouts: Sequence[str] = ("debian", "amd")
    formats: Sequence[Format] = FORMATS
    target: str = "gfx1010"
    revision: int = 1
    divert: bool = False
    #: Names of archives, wheels and folders of dist/products to take; empty: all.
    only: Sequence[str] = ()


@attrs.frozen
class Made:
    """One package that was made."""

    layout: str
    format: Format
    package: Package
    path: Path
    sha256: str
    decision: Decision | None = None


@attrs.define
class Outcome:
    """What a run made, and in sentences what it could not make and why."""

    made: list[Made] = attrs.field(factory=list)
    left_out: list[str] = attrs.field(factory=list)


def package_all(order: Order, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Make every package of an order. PackageError where something that is there cannot be packaged."""
    folders, archives, wheels = _products(order), _archives(order), _wheels(order)
    if not (folders or archives or wheels):
        raise UsageError(
            f"there is nothing to package in {order.dist}",
            cause=f"no *{order.target}*.tar.xz, no {PRODUCTS}/*/{FILE} and no wheel for {order.target}",
            step="build one first: ./nox -s build-rocblas-gfx1010, or ./nox -s build-torch-gfx1010",
        )
    with tempfile.TemporaryDirectory(prefix="rocm-patch-package-") as folder:
        run = _Run(order, Path(folder), say)
        # What a recipe's build delivers is an archive with one folder.
        folders += [
            unpack(path, Path(folder) / path.name.partition(".tar")[0], UnpackRule(strip=1))
            for path in archives
        ]
        products = [(path, load_product(path)) for path in folders]
        for place, product in products:
            run.product(place, product)
        for wheel in wheels:
            run.wheel(wheel)
        run.metas()
    return run.outcome


def _products(order: Order) -> list[Path]:
    """Give the folders, without those that an archive beside them was opened to."""
    archives = {path.name.partition(".tar")[0] for path in order.dist.glob("*.tar.xz")}
    found = sorted(path.parent for path in (order.dist / PRODUCTS).glob(f"*/{FILE}"))
    if order.only:
        return [path for path in found if path.name in order.only]
    return [path for path in found if path.name not in archives]


def _archives(order: Order) -> list[Path]:
    found = sorted(order.dist.glob(f"*{order.target}*.tar.xz"))
    return [path for path in found if not order.only or path.name in order.only]


def _wheels(order: Order) -> list[Path]:
    found = sorted(order.dist.glob(f"*{order.target}*.whl"))
    return [path for path in found if not order.only or path.name in order.only]


@attrs.define
class _Run:
    order: Order
    scratch: Path
    say: Callable[[str], None]
    outcome: Outcome = attrs.field(factory=Outcome)

    def product(self, folder: Path, product: Product) -> None:
        for name in self.order.layouts:
            # Kernels alone go where the stock library looks; only a library is built for a place.
            if name in product.layouts or not product.of("library"):
                self._product_for(folder, product, name)
            else:
                built_for = ", ".join(product.layouts)
                self.outcome.left_out.append(f"{folder.name} for {name}: it was built for {built_for}")

    def _product_for(self, folder: Path, product: Product, name: str) -> None:
        order, layout = self.order, layout_of(name)
        component = layout.component(product.component)
        for format_ in (one for one in order.formats if one in layout.formats):
            stock = self._stock(name, format_, product.component)
            if stock is None:
                self.outcome.left_out.append(
                    f"{folder.name} for {name} as .{format_}: no stock {component.package} was named "
                    f"(--stock FILE.{format_})"
                )
                continue
            given = Given(product, folder, stock, layout, order.target, order.revision)
            decision = decide(stock, order.target, product)
            self.say(f"{name}, {format_}: {decision.kind}. {decision.reason}")
            if decision.kind == "additive":
                package = kinds.kernel_pack(given)
            else:
                divert = order.divert and format_ == "deb"
                package = kinds.diverting(given) if divert else kinds.replacing(given, decision.reason)
            self._build(name, format_, package, decision)

    def _stock(self, layout: str, format_: Format, component: str) -> Stock | None:
        """Give the first stock package named that is this layout's, in this format."""
        wanted = layout_of(layout).component(component)
        for path in self.order.stocks:
            if path.suffix in {".deb", ".rpm"} and path.suffix != f".{format_}":
                continue
            try:
                stock = read_stock(path, wanted)
            except StockError:
                continue
            if stock.format == format_ and all(layout_of(layout).holds(one) for one in stock.libraries):
                return stock
        return None

    def wheel(self, wheel: Path) -> None:
        order = self.order
        for name in order.layouts:
            for format_ in (one for one in order.formats if one in layout_of(name).formats):
                package = python.wheel_package(
                    wheel,
                    self.scratch,
                    layout=name,
                    format_=format_,
                    target=order.target,
                    revision=order.revision,
                )
                self._build(name, format_, package)

    def metas(self) -> None:
        """Make a meta-package for each layout and format that got something, over all that lies there."""
        text = (data_root() / "LICENSE").read_text(encoding="utf-8")
        target, say = self.order.target, self.outcome.left_out.append
        for name, format_ in dict.fromkeys((one.layout, one.format) for one in self.outcome.made):
            folder = self.order.dist / PACKAGES / name / format_
            made = {one.path for one in self.outcome.made}
            found = list(read_shelf(folder, format_, target, say))
            older = [one for one in found if one.name == kinds.META.format(target=target)]
            chosen = covered([one for one in found if one not in older], made, format_, say)
            if not chosen:  # a product that does not name this target, such as one of sources alone
                continue
            package = kinds.meta(chosen, target=target, revision=self.order.revision, licence_text=text)
            path = self._build(name, format_, package)
            # One alone: an older one, whose version may be higher, asks for packages that were made anew.
            for one in older:
                if one.file != path:
                    one.file.unlink()
                    one.bill.unlink(missing_ok=True)
                    self.say(f"{one.file.relative_to(self.order.dist)} is gone: {path.name} is instead")

    def _build(
        self, layout: str, format_: Format, package: Package, decision: Decision | None = None
    ) -> Path:
        path = _BUILDERS[format_](package, self.order.dist / PACKAGES / layout / format_, self.scratch)
        self.outcome.made.append(Made(layout, format_, package, path, sha256_file(path), decision))
        self.say(str(path.relative_to(self.order.dist)))
        return path

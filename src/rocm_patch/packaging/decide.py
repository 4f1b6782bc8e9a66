"""Adding or replacing: chosen by the code that the stock library holds, never by its version.

Knows what was read of the stock package and what a product has. Knows nothing of packaging either.
"""

from __future__ import annotations

from typing import Literal

import attrs

from rocm_patch.audit.targets import generic_of
from rocm_patch.packaging.product import Product
from rocm_patch.packaging.stock import Stock

Kind = Literal["additive", "replacing"]


@attrs.frozen
class Decision:
    """Which kind of package a target needs with this stock package, and the reason in one sentence."""

    kind: Kind
    reason: str
    #: The stock package already has loose kernels for the target: a pack only makes it faster.
    has_kernels: bool


def decide(stock: Stock, target: str, product: Product | None = None) -> Decision:
    """Choose for one gfx target; with `product`, a library without loose kernels can only replace."""
    has_kernels = target in stock.kernel_targets
    have = ", ".join(sorted(stock.library_targets)) or "no GPU"
    where = f"{stock.name} {stock.version}"
    runs = stock.library_targets & {target, generic_of(target)}
    if not runs:
        reason = f"{where}: its library holds code for {have}, none for {target}"
        return Decision("replacing", reason, has_kernels)
    if product is not None and not any(f"/{target}/" in entry.path for entry in product.of("kernels")):
        series = product.series
        count = len(series.patches) if series else 0
        changes = f", with {count} patches of {series.name}" if series and count else ""
        reason = f"{where} has {min(runs)} code; what was built is the library itself{changes}"
        return Decision("replacing", reason, has_kernels)
    also = f"; the package also has kernels for {target}" if has_kernels else ""
    return Decision("additive", f"{where}: its library holds {min(runs)} code{also}", has_kernels)

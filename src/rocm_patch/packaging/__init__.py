"""Distribution packages (.deb, .rpm) from what a recipe's build produced, and from a finished wheel.

`product` is the hand-over from the recipes (product.json), `stock` reads what a distribution
ships, `decide` chooses between adding and replacing, `kinds` and `python` say what a package
holds, `deb` and `rpm` build it with the distributions' own tools. Knows no repository.
"""

from __future__ import annotations

from rocm_patch.packaging.decide import Decision, decide
from rocm_patch.packaging.product import Origin, Product, SeriesUsed, describe, load_product, write_product
from rocm_patch.packaging.stock import Stock, read_stock

__all__ = [
    "Decision",
    "Origin",
    "Product",
    "SeriesUsed",
    "Stock",
    "decide",
    "describe",
    "load_product",
    "read_stock",
    "write_product",
]

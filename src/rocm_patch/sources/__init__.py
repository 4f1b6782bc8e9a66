"""Pinned sources: what they are, how they come into the cache, how they become folders.

The door to this part; other parts import from here. Knows nothing of patch
series, sysroots or builds.
"""

from rocm_patch.sources.fetch import Fetched, Planned, fetch_all, fetch_details, plan
from rocm_patch.sources.model import (
    RecipeData,
    SourceItem,
    UnpackRule,
    Variant,
    components,
    load_recipe,
    parse_recipe,
    wheels_for,
)
from rocm_patch.sources.progress import Lines, Silent, Ui, default_ui
from rocm_patch.sources.settings import Settings, load_settings
from rocm_patch.sources.store import GcResult, Lease, ObjectStore
from rocm_patch.sources.tree import tree_digest
from rocm_patch.sources.unpack import Bounds, unpack

__all__ = [
    "Bounds",
    "Fetched",
    "GcResult",
    "Lease",
    "Lines",
    "ObjectStore",
    "Planned",
    "RecipeData",
    "Settings",
    "Silent",
    "SourceItem",
    "Ui",
    "UnpackRule",
    "Variant",
    "components",
    "default_ui",
    "fetch_all",
    "fetch_details",
    "load_recipe",
    "load_settings",
    "parse_recipe",
    "plan",
    "tree_digest",
    "unpack",
    "wheels_for",
]

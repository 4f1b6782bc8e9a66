"""What can be built: a table of components, each imported only when it is asked for.

Each module declares one component's steps for the engine in rocm_patch.pipeline;
versions, addresses and hashes are in recipes/<component>/conandata.yml.
"""

from __future__ import annotations

import importlib

from rocm_patch.errors import UsageError
from rocm_patch.pipeline.model import Component

#: name -> module:class.
COMPONENTS: dict[str, str] = {
    "miopen": "rocm_patch.components.plain:MIOpen",
    "pytorch": "rocm_patch.components.pytorch:PyTorch",
    "rocblas": "rocm_patch.components.rocblas:RocBlas",
    "rocsolver": "rocm_patch.components.plain:RocSolver",
}


def default_sdk(component: Component, flavour: str) -> str:
    """Name the SDK that has what a component needs: the sysroot, unless the component says otherwise."""
    own = getattr(component, "default_sdk", None)
    return str(own(flavour)) if own is not None else "sysroot"


def load_component(name: str) -> Component:
    """Give a component by its name. UsageError names those there are."""
    entry = COMPONENTS.get(name)
    if entry is None:
        raise UsageError(f"there is no component {name}", step=f"one of: {', '.join(sorted(COMPONENTS))}")
    module, _, attribute = entry.partition(":")
    made: Component = getattr(importlib.import_module(module), attribute)()
    return made

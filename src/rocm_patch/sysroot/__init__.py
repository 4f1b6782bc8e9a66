"""The locked build environment: a Debian root with ROCm, made from a lock and entered without network.

`lock` names the packages, `resolve` writes a lock, `debs` and `make` build the
root, `fixups` mends it, `core` and `mounts` run commands in it, `verify` checks it.
Knows nothing of what is compiled inside.
"""

from rocm_patch.sysroot.core import Sysroot
from rocm_patch.sysroot.lock import Lock, load_lock
from rocm_patch.sysroot.mounts import Bind

__all__ = ["Bind", "Lock", "Sysroot", "load_lock"]

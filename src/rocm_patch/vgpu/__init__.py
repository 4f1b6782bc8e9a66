"""The face of the virtual GPU: find or build its library, run programs on it, ask it what it is.

`library` gives the file, `settings` the environment that it reads, `launch` the
command lines, `kfd` the kernel's files that some tools look for, `probe` the card's
own words. Knows nothing of the emulation itself (vgpu/, C++).
"""

from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import Settings

__all__ = ["Settings", "find_library"]

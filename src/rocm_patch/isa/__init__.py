"""Machine code of gfx1010: disassembly, hazards, instruction mix, from the virtual GPU's own decoder.

`library` binds the shared library that vgpu/isa builds; `rules` hangs its rules into
the audit. Knows nothing of files: callers hand in the bytes of one function.
"""

from rocm_patch.isa.library import CodeReport, Finding, Library, Loop, RuleInfo, load
from rocm_patch.isa.rules import kernel_rules

__all__ = ["CodeReport", "Finding", "Library", "Loop", "RuleInfo", "kernel_rules", "load"]

"""Which GPU code a file really holds: bundles, code objects, kernels, and what breaks their rules.

`audit_paths` and `targets_in` are the interface for the other parts; nothing here
builds, changes or runs code.
"""

from __future__ import annotations

from rocm_patch.audit.audit import Audit, audit_paths, targets_in
from rocm_patch.audit.model import Report, Summary
from rocm_patch.audit.scan import Options

__all__ = ["Audit", "Options", "Report", "Summary", "audit_paths", "targets_in"]

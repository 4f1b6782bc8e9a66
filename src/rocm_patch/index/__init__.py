"""A simple package index (PEP 503, 658 and 691) over finished wheels, as plain files for any web server.

The door to this part. Knows nothing of how wheels are built.
"""

from rocm_patch.index.simple import IndexResult, build_index

__all__ = ["IndexResult", "build_index"]

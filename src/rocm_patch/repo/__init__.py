"""Signed repositories over dist/: apt, rpm and a Python index, replaced as a whole, served on loopback.

`keys` holds the signing key, `apt` and `rpm` write each kind's metadata, `publish` puts a new
generation in the old one's place, `clients` says how a machine is set up, `serve` serves.
Knows nothing of how packages are made.
"""

from __future__ import annotations

from rocm_patch.repo.keys import Key, find_key, make_key
from rocm_patch.repo.publish import Published, publish

__all__ = ["Key", "Published", "find_key", "make_key", "publish"]

"""Across updates: the package managers call rocm-patch, which says what an update replaced.

The files that are put into the managers' folders are in data/; docs/hooks.md describes them.
"""

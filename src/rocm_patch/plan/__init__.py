"""What a machine needs: rules (rules/*.yml) evaluated over what detect found, as a plan that can be reviewed.

Changes nothing; rocm_patch.apply does. Knows nothing of package managers.
"""

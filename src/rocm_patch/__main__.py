"""`python -m rocm_patch` is the `rocm-patch` command."""

from rocm_patch.cli import main

main()

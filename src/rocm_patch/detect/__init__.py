"""What a machine has: GPUs, driver, ROCm, packages, Python wheels, rights. Files only.

Judges nothing: what follows from the facts is the business of plan and diagnose.
"""

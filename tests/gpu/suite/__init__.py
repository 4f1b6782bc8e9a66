"""Helpers of the GPU training suite: device, guard, tolerances, mutations, workloads.

Needs torch, pytest and numpy. Knows nothing of rocm_patch, so that the folder can be
copied to any machine whose torch has a GPU.
"""

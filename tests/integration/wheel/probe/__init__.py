"""A wheel with all that makes PyTorch's hard to ship, and little else."""

from probe._C import all as everything

__all__ = ["everything"]

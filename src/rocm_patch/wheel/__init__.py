"""From setup.py's wheel to one that loads where a user has ROCm 6.4, and the proof of it.

`deps` and `stubs` make what the build links with, `finish` vendors, describes and packs,
`check` holds the rules, `roots` makes the bare systems in which a wheel must import.
Knows nothing of PyTorch's sources and nothing of GPU code.
"""

"""The log of what the command did: one JSON line and one readable line for each thing that happened.

Knows records, files and what must not be written; nothing of the parts that report here.
"""

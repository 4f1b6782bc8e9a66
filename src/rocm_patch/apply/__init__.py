"""Acts on a plan as one transaction, and undoes it: journal, snapshots, checks, package managers.

Knows what actions mean; nothing of rules or of how a plan was made.
"""

"""What the command shows of itself and of the machine at a glance: ten lines, manual pages.

Knows the other parts' results; decides nothing.
"""

"""Diagnosis: from any text to the known problems in it, and to the fixes that one machine can have.

The problems are data in problems/ at the top of the tree. This part knows how to
read text and weigh signs; it knows no problem by name.
"""

"""Doctor: from the machine itself (what detect sees, the kernel's log, settings) to its problems.

Gathers and observes; what an observation means is data in problems/, weighed by diagnose's judge.
"""

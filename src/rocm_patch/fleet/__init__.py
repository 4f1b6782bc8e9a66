"""Many machines: the same question to each over the user's own ssh, the answers in one table.

No transport of our own: the ssh program, its configuration, keys and agents are the user's.
What comes back is another machine's word: bounded, checked, and made harmless before it is shown.
"""

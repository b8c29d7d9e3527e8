"""What can be logged: one file a kind, with its closed schema, its refs and its conflict keys; and the rules of reading.

Nothing here knows the network, a database or a clock.
"""

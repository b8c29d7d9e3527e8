"""The gate's HTTP face: decisions, restrictions that are handed in, and how the gate does.

It is a process of its own beside the log's: :mod:`trustlog.service` lends it problems, bounds and connections.
"""

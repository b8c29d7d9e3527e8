"""The acts of a change, as the people and programs that sign them do them: simulate, approve, execute, bundle, close.

Each act reads the log itself, signs one record, submits it through the verified client, and returns what was proven.
"""

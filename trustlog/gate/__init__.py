"""The gate: refuses approve, execute and close unless the logged evidence carries it.

The decision is pure (:mod:`trustlog.gate.judge`): from a view of the log, a request and a time to allow or deny with reasons. The
shell (:mod:`trustlog.gate.gate`) follows the log, fetches payloads, logs the decision and releases it.
"""

"""The log over HTTP: routes, problems, credentials, metrics, one status page.

:mod:`app` lists every route; each handler is in the file named for what it serves. Handlers take a request and the log, and
raise TrustlogError; :mod:`problems` is the only place that turns what was raised into an answer.
"""

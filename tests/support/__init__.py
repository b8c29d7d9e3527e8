"""Material that tests share: throw-away keys, a trust policy, a valid payload of every kind, a log in memory."""

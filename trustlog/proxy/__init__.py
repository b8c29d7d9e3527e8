"""Gateway receipts: what a gateway signs for every model call that it carries."""

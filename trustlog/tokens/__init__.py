"""Scoped tokens (CST): minting, reading and checking them. A token is a bearer secret and is never logged; its hash is."""

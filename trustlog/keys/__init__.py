"""Signers: who holds a role's Ed25519 key, and signs with it.

One key has one role and signs nothing else anywhere. Code that signs takes a :class:`~trustlog.keys.signer.Signer` and never
sees where the key lives: in a file (:mod:`~trustlog.keys.file`) or in the environment (:mod:`~trustlog.keys.environment`).
"""

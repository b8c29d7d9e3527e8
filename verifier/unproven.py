"""What no evidence of a change can show, said with every verdict on one."""

ALWAYS_NOT_PROVEN = (
    "that two keys are not in one hand: people are told apart by their keys alone",
    "that there were no model calls outside the model proxy",
    "that nothing was done before the logged begin: this rests on the runner",
)
WITHOUT_WITNESSES = (
    "that everyone is shown the same log (split views): the trust policy names no witnesses",
    "any time: without witnesses every time is the signer's own word",
)

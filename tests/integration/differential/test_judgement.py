"""Whether an allow was well founded: trustlog and the verifier say the same, after random honest and dishonest steps.

What the two look at first differs (the verifier at the evidence that a decision lists, trustlog last; trustlog at earlier
executions first, the verifier last), so the first code of the verifier must be among those of trustlog.
The long form: ``TRUSTLOG_EXAMPLES=2000 python -m pytest tests/integration/differential/test_judgement.py``.
"""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.integration.differential.judging import judged_by_trustlog, judged_by_verifier, read_history
from tests.unit.gate.test_random_steps import Steps

EXAMPLES: Final = int(os.environ.get("TRUSTLOG_EXAMPLES", "40"))


class Judged(Steps):
    """Every allow of a random story, judged by both when the story is over. What was withheld is not in either's hands."""

    @precondition(lambda self: self.ends and self.story.bundle_hash)
    @rule()
    def forge_an_allow_to_close(self) -> None:
        if "bundle_b64u" in self.story.scope("ticket.close") and len(self.story.scope("ticket.close")) == 14:
            forged = self.story.forge_allow_of_close()
            if forged.candidate is not None:
                self.allows.append(forged)

    def an_allow_has_all_its_conditions(self) -> None:
        """The other test's business."""

    def teardown(self) -> None:
        view = self.story.view
        logged = [view.at(index) for index in range(view.size)]
        data = {one.index: one.data for one in logged if one is not None}
        history = read_history(data, self.story._texts)
        for allow in {allow.index: allow for allow in self.allows}.values():
            ours = judged_by_trustlog(self.story, allow)
            theirs = [check.code for check in judged_by_verifier(history, self.story, allow, data)]
            said = f"entry {allow.index}, {allow.record.scope['action']}: trustlog {ours}, verifier {theirs}"
            assert bool(ours) == bool(theirs), said
            if theirs:
                assert theirs[0] in ours, said


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_both_say_the_same_of_every_logged_allow() -> None:
    run_state_machine_as_test(
        Judged,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

"""What a gate answered, as a story asks about it."""

from __future__ import annotations

from dataclasses import dataclass

from trustlog.gate.decision import Decision


@dataclass(frozen=True)
class Answer:
    """A gate's answer."""

    decision: Decision

    @property
    def codes(self) -> set[str]:
        """The reason codes of a deny; none for an allow."""
        return {finding.code for finding in self.decision.findings}

    @property
    def allowed(self) -> bool:
        """Whether the gate said yes; if not, the story shows why."""
        assert self.decision.allow, self._reasons()
        return True

    @property
    def payload_hash(self) -> str:
        """How other records name the logged decision."""
        assert self.decision.payload_hash is not None
        return self.decision.payload_hash

    def denied_with(self, *codes: str) -> bool:
        """Whether the gate said no for exactly these reasons, each with what was expected, what was found and a next step."""
        assert not self.decision.allow
        assert self.codes == set(codes), self._reasons()
        for finding in self.decision.findings:
            assert finding.expected, finding
            assert finding.found, finding
            assert finding.hint.strip()  # the next command or person, of this very case where it can be named
            assert finding.hint, finding
        assert self.decision.answer()["decision"] == "deny"
        return True

    def says(self, *words: str) -> bool:
        """Whether some reason names all of these words: the people, hashes or tools that it is about."""
        assert any(all(word in one.detail for word in words) for one in self.decision.findings), self._reasons()
        return True

    def _reasons(self) -> list[str]:
        return [f"{one.code}: {one.detail}" for one in self.decision.findings]

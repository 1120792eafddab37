"""What the gates said of a version: part of a sealed manifest, and of each promotion."""

from __future__ import annotations

from registry.record import Record


class Gate(Record, frozen=True, kw_only=True):
    """One condition of a promotion, and how it was met."""

    name: str
    passed: bool
    found: str
    """What the manifest says, in words."""
    allowed: str
    """What it must say, in words."""


class Verdict(Record, frozen=True, kw_only=True):
    """All gates of one version at one moment."""

    champion: str = ""
    """``name@version`` that the quality was held against; empty where nothing was current."""
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate is."""
        return all(gate.passed for gate in self.gates)

    @property
    def complaint(self) -> str:
        """The gates that failed, in one line; empty where none did."""
        return "; ".join(f"{g.name}: {g.found} (allowed: {g.allowed})" for g in self.gates if not g.passed)

    @property
    def summary(self) -> str:
        """In two or three words."""
        return "passed" if self.passed else f"failed {', '.join(g.name for g in self.gates if not g.passed)}"

"""A claim with its verdict."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["holds", "does not hold", "depends"]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    claim: str
    verdict: Verdict
    found: str
    """The figure, with its interval where it has one."""
    rule: str
    """What decides; ``research.claims.rules`` has it in code."""
    why: str

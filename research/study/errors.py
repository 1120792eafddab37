"""What can be wrong with a study."""

from __future__ import annotations


class StudyError(Exception):
    """The study cannot be run; the text says what was expected, what came, where, and what to do."""

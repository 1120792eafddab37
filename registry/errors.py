"""What can go wrong in the registry.

RegistryError
├── InvalidName      a model name or reference that cannot be one
├── UnknownModel     no such model, version, or no current version
├── BrokenEntry      a file is missing, altered or malformed
├── PublishRefused   what was offered cannot become an entry
└── PromotionRefused a gate failed, or the current version changed meanwhile
"""

from __future__ import annotations

from registry.verdict import Verdict


class RegistryError(Exception):
    """Root of the registry's errors; the text names the model, says what is wrong and what to do."""


class InvalidName(RegistryError, ValueError):
    """A model name or reference that cannot be one."""


class UnknownModel(RegistryError, LookupError):
    """There is no such model or version, or the model has no current version."""


class BrokenEntry(RegistryError):
    """An entry that must not be used: a file is missing, altered or malformed."""


class PublishRefused(RegistryError):
    """What was offered cannot become an entry."""


class PromotionRefused(RegistryError):
    """A version does not become the current one: a gate failed, or somebody else was quicker."""

    def __init__(self, text: str, verdict: Verdict | None = None) -> None:
        """``verdict`` is that of the gates, where they are the reason."""
        super().__init__(text)
        self.verdict = verdict

"""What every part of an entry is made of."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that is written into the registry. ``kw_only`` is not inherited."""


def encode(record: Record) -> bytes:
    """Indented JSON with sorted keys and a final newline: the same bytes for the same content."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"

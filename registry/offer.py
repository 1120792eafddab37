"""What is offered to a registry: whether it can become an entry, and whether it is one already."""

from __future__ import annotations

import hashlib

import msgspec

from registry.errors import PublishRefused
from registry.manifest import Golden, Manifest, Measured
from registry.record import Record, encode


def check(manifest: Manifest, model: bytes, golden: Golden) -> None:
    """Refuse what could not be read back as the same: another model, NaN, rows of another signature.

    Raises:
        PublishRefused
    """
    if hashlib.sha256(model).hexdigest() != manifest.sha256:
        raise PublishRefused(f"{manifest.name}: the manifest's sha256 is not that of the model offered")
    try:
        for record in (manifest, golden):
            if msgspec.json.decode(encode(record), type=type(record)) != record:
                raise ValueError("it holds a number that JSON does not have")
        golden.check_fits(manifest.signature)
    except ValueError as error:
        raise PublishRefused(f"{manifest.name}: {type(record).__name__.lower()}: {error}") from None


def same(manifest: Manifest, golden: Golden, other: Manifest, others: Golden) -> bool:
    """Whether two offers differ in nothing but the number, what was measured, and what the gates said."""
    pairs = (golden, others), (_unmeasured(manifest), _unmeasured(other))
    return all(_told(mine) == _told(theirs) for mine, theirs in pairs)


def _unmeasured(manifest: Manifest) -> Manifest:
    nothing = Measured(latency_p50_us=0, latency_p99_us=0, memory_bytes=0, machine="")
    return msgspec.structs.replace(manifest, version=0, measured=nothing, verdict=None)


def _told(record: Record) -> bytes:
    """What a reader learns of it: a bound of 1 is one of 1.0, while a label 1 is neither 1.0 nor true."""
    return encode(msgspec.json.decode(encode(record), type=type(record)))

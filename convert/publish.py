"""The whole way of a model in one call: read, describe, build, prove, publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

import registry
from convert.coding import Coding, Matrix
from convert.errors import SourceError
from convert.oracle import Oracle
from convert.proving.adversary import RANDOM_ROWS
from convert.proving.parity import Say
from convert.sealing import Sealed, seal, silence
from convert.sources.carding import blank_card, card_from_data, describe
from convert.sources.imported import Recorded, read_onnx
from convert.sources.ranges import Range, narrowed
from convert.sources.source import OnnxFile, load
from convert.sources.table import Table, read
from convert.sources.vocabulary import check_accepted, coded, oracle_for
from registry import promotion
from registry.manifest import Card, Dtype, Manifest, check_name
from registry.store import Store

SHIPPED = Path(registry.__file__).parent / "prd"


@dataclass(frozen=True)
class Order:
    """A model that is ready to be proved."""

    name: str
    oracle: Oracle | Recorded
    card: Card
    data: Matrix | None
    """Rows to compare on, besides those that are made up."""


def convert(
    model: Any,
    name: str,
    data: str | Path | None = None,
    *,
    card: Card | None = None,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    ranges: Mapping[str, Range] | None = None,
    registry: str | Path = SHIPPED,
    promote: bool = False,
    force: str = "",
    allow_inexact: bool = False,
    random_rows: int = RANDOM_ROWS,
    say: Say = silence,
) -> Manifest:
    """Convert a fitted estimator, prove it and publish it, as ``mps convert`` does.

    Args:
        model: a fitted estimator, or what the command takes: a model file, or ``package.module:function``.
        name: in the registry.
        data: CSV or Parquet file with the feature columns.
        card: the trainer's description; made from the data when there is none.
        target: column of the right answers, where the data has one.
        classes: names of the model's classes, in their order.
        ranges: smallest and largest number that is answered, by feature; others are refused.
        registry: root folder.
        promote: make it the version that is served, if the gates let it pass.
        force: why it is promoted although a gate fails.
        allow_inexact: publish even what misses its target; the manifest then says by how much.
        random_rows: rows to try at random.
        say: hears of every step.

    Returns:
        What was published, with its version.

    Raises:
        ConvertError: nothing was published; the text says why.
        RegistryError: the registry refused; where it was a gate, the version is published all the same.
    """
    source = load(Path(model)) if isinstance(model, str | Path) else model
    table = read(Path(data)) if data else None
    order = prepare(source, name, table, card, target, classes, ranges=ranges)
    sealed = seal(
        order.oracle,
        order.name,
        order.card,
        order.data,
        random_rows=random_rows,
        insist=allow_inexact,
        say=say,
    )
    store = Store(Path(registry))
    version, _ = publish(store, sealed)
    if promote:
        promotion.promote(store, f"{name}@{version}", force=force)
    return store.manifest(name, version)


def prepare(
    source: Any,
    name: str,
    table: Table | None,
    card: Card | None = None,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    dtype: Dtype | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> Order:
    """Bring a model, its data and its description together; ``source`` is what ``load`` reads.

    Raises:
        SourceError: they do not fit together.
        InvalidName: ``name`` cannot be that of a model.
    """
    check_name(name)
    if isinstance(source, OnnxFile):
        if table is None:
            raise SourceError(
                f"{source.path} is a graph and cannot be asked for right answers: give --data with the "
                "features and the answers that are expected"
            )
        recorded = read_onnx(source.content, table, target, classes)
        card = narrowed(card or card_from_data(recorded, table, None, classes), ranges or {})
        return Order(name, recorded, card, recorded.rows)
    if card:
        oracle = _oracle(source, card, table)
    elif table:
        oracle, card = describe(source, table, target, classes, dtype)
    else:
        oracle = Oracle(source)
        card = blank_card(oracle, classes, dtype)
    card = narrowed(card, ranges or {})
    if not table:
        return Order(name, oracle, card, None)
    rows = coded(table, oracle.coding)
    check_accepted(oracle, table, oracle.coding, rows)
    return Order(name, oracle, card, rows)


def publish(store: Store, sealed: Sealed) -> tuple[int, bool]:
    """Put it into the registry, with what the gates say of it now; the version, and whether that is new."""
    verdict = promotion.verdict_on(store, sealed.manifest)
    return store.publish(replace(sealed.manifest, verdict=verdict), sealed.model, sealed.golden)


def _oracle(source: Any, card: Card, table: Table | None) -> Oracle:
    """Asked in the words of the card: its names, and its categories where it has strings."""
    features, names = card.signature.features, card.signature.names
    strings = {number: feature for number, feature in enumerate(features) if feature.dtype == "string"}
    told = {number: feature.categories for number, feature in strings.items() if feature.categories}
    if len(told) == len(strings):
        return Oracle(source, Coding(names, told))
    if not table:
        raise SourceError("the card names no categories for a feature of strings: give --data to learn them")
    learned = oracle_for(source, table, names, [feature.name for feature in strings.values()])
    return Oracle(source, Coding(names, {**learned.coding.vocabulary, **told}))

"""Tables of the figures: for the terminal, and for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from registry.manifest import Card
from research.evaluation import CROSS_VALIDATED, TRAINING
from research.experiments import EXPERIMENTS
from research.training import RESULTS

BEGIN = "<!-- figures: written by `mps research report`, do not edit -->"
END = "<!-- end of figures -->"


class ReportError(Exception):
    """The report cannot be made; the text says why and what to do."""


def read_cards(folder: Path) -> dict[str, Card]:
    """The card of every experiment, in the order of the experiments.

    Raises:
        ReportError: a card is missing or malformed.
    """
    cards = {}
    for name in EXPERIMENTS:
        path = folder / RESULTS / f"{name}.json"
        try:
            cards[name] = msgspec.json.decode(path.read_bytes(), type=Card)
        except OSError as error:
            raise ReportError(f"{path} cannot be read: {error.strerror}; run: mps research train") from None
        except msgspec.MsgspecError as error:
            raise ReportError(f"{path} is not a card: {error}; run: mps research train") from None
    return cards


def table(cards: Mapping[str, Card]) -> str:
    """A Markdown table: model, right answers on the training rows, cross-validated accuracy."""
    lines = ["| model | right on the training rows | cross-validated accuracy |", "|---|---|---|"]
    for name, card in cards.items():
        values = {metric.name: metric.value for metric in card.metrics}
        rows = card.training_data.rows
        trained = f"{round(values[TRAINING] * rows)}/{rows} ({values[TRAINING]:.1%})"
        lines.append(f"| {name} | {trained} | {values[CROSS_VALIDATED]:.1%} |")
    return "\n".join(lines)


def rewrite(page: Path, cards: Mapping[str, Card]) -> None:
    """Put a fresh table between the page's markers; the rest stays.

    Raises:
        ReportError: the page cannot be read or has no markers.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{page} cannot be read: {error.strerror}") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ReportError(f"{page} has no place for the figures; expected the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n{table(cards)}\n{END}{after}", encoding="utf-8")

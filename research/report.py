"""The journal and the reports, written again from the kept figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from registry.manifest import Card
from research.claims import accuracy
from research.claims import command as claims
from research.claims.page import claim_table
from research.evaluation import CROSS_VALIDATED, TRAINING
from research.experiments import EXPERIMENTS
from research.markdown import between, markers, put
from research.overview import overview, studies
from research.production import command as production
from research.production.choice import contenders
from research.production.claims import claims as production_claims
from research.production.measuring import read as read_measured
from research.production.page import choice_table, cost_table
from research.study.command import RESULTS as STUDY_RESULTS
from research.study.command import read_results, write_page
from research.study.page import pairs, scores
from research.study.results import Results
from research.training import RESULTS

REPORTS, IRIS = production.REPORTS, claims.IRIS
BEGIN, END = markers("figures")


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
        metrics = {metric.name: metric for metric in card.metrics}
        trained, unseen = metrics[TRAINING].value, metrics[CROSS_VALIDATED]
        rows = card.training_data.rows
        right = f"{round(trained * rows)}/{rows} ({trained:.1%})"
        lines.append(f"| {name} | {right} | {between(unseen.value, unseen.low, unseen.high)} |")
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[Path], str]] = {
    "figures": lambda home: table(read_cards(home)),
    "scores": lambda home: scores(_iris(home), "accuracy"),
    "pairs": lambda home: pairs(_iris(home)),
    "claims": lambda home: claim_table(
        accuracy.claims(_iris(home), claims.read_evidence(home / REPORTS / claims.CLAIMS))
    ),
    "costs": lambda home: cost_table(contenders(read_measured(home / production.MEASURED), _iris(home))),
    "cost claims": lambda home: claim_table(production_claims(read_measured(home / production.MEASURED))),
    "choice": lambda home: choice_table(
        contenders(read_measured(home / production.MEASURED), _iris(home)), studies(home / REPORTS)
    ),
    "studies": lambda home: overview(studies(home / REPORTS)),
}
"""What may stand between markers of a page, and how it is made."""


def rewrite(page: Path, home: Path) -> None:
    """Put fresh blocks between those markers that the page has; the rest stays.

    Raises:
        ReportError: the page cannot be read or has no markers.
        StudyError: what a block is made from was not made yet.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{page} cannot be read: {error.strerror}") from None
    wanted = [name for name in BLOCKS if markers(name)[0] in text]
    try:
        for name in wanted or ["figures"]:
            text = put(page, text, name, BLOCKS[name](home))
    except ValueError as error:
        raise ReportError(str(error)) from None
    page.write_text(text, encoding="utf-8")


def refresh(home: Path) -> None:
    """Every page and plot below ``reports`` again, from the figures beside it: nothing is trained.

    Raises:
        StudyError: figures are damaged, or of another format.
    """
    for each in studies(home / REPORTS):
        write_page(home / REPORTS / each.name)
    if (home / REPORTS / claims.CLAIMS / claims.EVIDENCE).is_file():
        claims.write(home / REPORTS)
    if (home / production.MEASURED).is_file() and (home / REPORTS / IRIS / STUDY_RESULTS).is_file():
        production.write(home)


def _iris(home: Path) -> Results:
    return read_results(home / REPORTS / IRIS)

"""Runs a study: every family by every method, then every pair of families."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from convert.sources.carding import fingerprint
from research.study import families, rows
from research.study.errors import StudyError
from research.study.methods import Candidate, Validated, validate
from research.study.results import Comparison, FamilyResult, Results
from research.study.rows import Rows
from research.study.scoring import calibration, confused, mae, scores
from research.study.specification import Family, Methods, Study, kind_of
from research.validation.heldout import HeldOut
from research.validation.paired import corrected_resampled_t, holm, mcnemar

Say = Callable[[str], None]
MCNEMAR, RESAMPLED = "exact McNemar", "corrected resampled t"
SURE = ("leave_one_out", "repeated_k_fold", "hold_out", "nested")
"""Confusion, calibration and McNemar are of the one that asks most rows; of equals, of the first here."""


def candidates(study: Study, home: Path) -> list[Candidate]:
    """The families of a study on its rows.

    Raises:
        StudyError: something in the study file does not fit the rows.
    """
    found = rows.load(study.data, study.seed, home)
    wanted = study.families or families.usual(found)
    return [_candidate(study, name, family, found) for name, family in wanted.items()]


def _candidate(study: Study, name: str, family: Family, found: Rows) -> Candidate:
    made = families.estimator(name, family, found, study.seed)
    grid = families.grid(name, family, made)
    return Candidate(name, kind_of(name, family), made, grid, found, study.seed, dict(family.parameters))


def run(name: str, study: Study, entered: list[Candidate], say: Say, jobs: int = 1) -> Results:
    """Validate every family and compare them; nothing is written.

    ``jobs``: families that are validated at the same time, each by one process; the figures are the same.

    Raises:
        StudyError: a library refused the parameters or the rows of a family.
    """
    validated: dict[str, list[Validated]] = {}
    left_out: dict[str, dict[str, str]] = {}
    each_one = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_validated)(each, study.methods) for each in entered
    )
    for number, (each, found) in enumerate(zip(entered, each_one, strict=True), 1):
        validated[each.name], left_out[each.name] = found
        say(f"[{number}/{len(entered)}] {each.name}: validated")
    table = entered[0].rows
    return Results(
        name=name,
        title=study.title or name,
        about=study.about,
        task=table.task,
        rows=len(table.y),
        features=table.features,
        classes=table.classes,
        sha256="" if study.data.generated else fingerprint(table.X, table.y),
        families=tuple(_result(each, validated[each.name], left_out[each.name]) for each in entered),
        comparisons=tuple(_compared(validated, bool(table.classes))),
    )


def _validated(each: Candidate, methods: Methods) -> tuple[list[Validated], dict[str, str]]:
    try:
        return validate(each, methods)
    except (ValueError, TypeError) as error:  # of the library: a parameter, or too few rows of a class
        reason = str(error).strip().splitlines()[0]
        raise StudyError(f"families.{each.name} cannot be validated: {reason}") from error


def _result(each: Candidate, validated: list[Validated], left_out: dict[str, str]) -> FamilyResult:
    surest = best(validated)
    classes = each.rows.classes
    answers = surest.repeats[0] if surest and classes else None
    how = surest.how if surest else ""
    return FamilyResult(
        name=each.name,
        kind=each.kind,
        interpretability=families.INTERPRETABILITY[each.kind],
        parameters=each.parameters,
        scores=tuple(score for done in validated for score in scores(done.method, done.how, done.repeats)),
        left_out=left_out,
        calibration=calibration(surest.method, how, answers) if surest and answers else None,
        confusion=confused(how, answers, classes) if answers else None,
        picks=next((done.picks for done in validated if done.picks), ()),
    )


def best(validated: Iterable[Validated]) -> Validated | None:
    """The method that says most: most rows asked; then, most rows to learn from."""
    known = {done.method: done for done in validated}
    found = [known[method] for method in SURE if method in known]
    return max(found, key=lambda done: len(done.repeats[0].rows), default=None)


def _compared(validated: dict[str, list[Validated]], classes: bool) -> list[Comparison]:
    """Holm's adjustment is over the pairs of one test: the two tests ask the same question twice."""
    pairs = list(combinations(validated, 2))
    found: list[Comparison] = []
    if classes:
        found += _adjusted([_by_rows(pair, validated) for pair in pairs])
    return found + _adjusted([_by_folds(pair, validated, classes) for pair in pairs])


def _adjusted(comparisons: list[Comparison | None]) -> list[Comparison]:
    known = [each for each in comparisons if each]
    return [
        Comparison(**{**{key: getattr(each, key) for key in each.__struct_fields__}, "p_holm": p})
        for each, p in zip(known, holm([each.p for each in known]), strict=True)
    ]


def _by_rows(pair: tuple[str, str], validated: dict[str, list[Validated]]) -> Comparison | None:
    first, second = (best(validated[name]) for name in pair)
    if first is None or second is None or first.method != second.method:
        return None
    one, other = (each.repeats[0].by_row() for each in (first, second))
    found = mcnemar(one.right, other.right)
    return Comparison(
        first=pair[0],
        second=pair[1],
        test=f"{MCNEMAR}, {first.how}",
        difference=float(one.right.mean() - other.right.mean()),
        only_first=found.only_first,
        only_second=found.only_second,
        p=found.p,
        p_holm=found.p,
    )


def _by_folds(
    pair: tuple[str, str], validated: dict[str, list[Validated]], classes: bool
) -> Comparison | None:
    first, second = (
        next((done for done in validated[name] if done.method == "repeated_k_fold"), None) for name in pair
    )
    if first is None or second is None:
        return None
    one, other = (per_fold(each.repeats, classes) for each in (first, second))
    found = corrected_resampled_t(
        one - other, len(first.repeats[0].rows) - first.train_rows, first.train_rows
    )
    return Comparison(
        first=pair[0],
        second=pair[1],
        test=f"{RESAMPLED} of {'accuracy' if classes else 'mean absolute error'}, {first.how}",
        difference=found.difference,
        low=found.low,
        high=found.high,
        p=found.p,
        p_holm=found.p,
    )


def per_fold(repeats: Iterable[HeldOut], classes: bool) -> NDArray[np.float64]:
    """Accuracy, or mean absolute error, of every fold of every repeat, ``(repeats * folds,)``."""
    found = []
    for each in repeats:
        for fold in range(int(each.folds.max()) + 1):
            asked = each.folds == fold
            right = each.right[asked].mean() if classes else mae(each.truth[asked], each.answers[asked])
            found.append(float(right))
    return np.array(found)

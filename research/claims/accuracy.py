"""The claims on accuracy, decided from the study of iris and the evidence beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from research.claims import rules
from research.claims.claim import Claim
from research.claims.evidence import Change, Evidence
from research.markdown import between
from research.study.errors import StudyError
from research.study.results import Results, Score
from research.validation.intervals import Interval

CLAIMED = {"heuristic": 0.960, "decision_tree": 0.967, "random_forest": 0.960, "xgboost": 0.960}
BAND = Interval(0.96, 0.97)
SPLIT_POINTS = 5.6
METHODS = ("leave_one_out", "repeated_k_fold")


def claims(iris: Results, evidence: Evidence) -> list[Claim]:
    """Every claim on accuracy, in the order of the issue.

    Raises:
        StudyError: the study of iris lacks a family or a method.
    """
    return [
        *(_accuracy(iris, family, claimed) for family, claimed in CLAIMED.items()),
        _level_off(iris),
        _split(iris, evidence),
        _area(evidence),
        _trees(evidence),
    ]


def _scores(iris: Results, family: str) -> list[Score]:
    found = [iris.score(family, method, "accuracy") for method in METHODS]
    if None in found:
        raise StudyError(f"the study of iris has no {' or no '.join(METHODS)} of {family}")
    return [score for score in found if score]


def _valued(scores: Sequence[Score]) -> list[tuple[float, Interval]]:
    return [(score.value, Interval(score.low or 0.0, score.high or 0.0)) for score in scores]


def _accuracy(iris: Results, family: str, claimed: float) -> Claim:
    scores = _scores(iris, family)
    found = _valued(scores)
    verdict = rules.accuracy(claimed, iris.rows, found)
    why = {
        "holds": "both methods give it",
        "depends": "a few flowers off, which 150 cannot tell apart: it moves with folds and seeds",
        "does not hold": "150 flowers are enough to rule it out",
    }[verdict]
    return Claim(
        claim=f"accuracy of {family}: {claimed:.1%}",
        verdict=verdict,
        found=_both(scores),
        rule=rules.ACCURACY,
        why=why,
    )


def _both(scores: Sequence[Score]) -> str:
    names = ("leave-one-out", "repeated k-fold")
    figures = (between(score.value, score.low, score.high) for score in scores)
    return "; ".join(f"{name} {figure}" for name, figure in zip(names, figures, strict=True))


def _level_off(iris: Results) -> Claim:
    found = [pair for family in CLAIMED for pair in _valued(_scores(iris, family))]
    differ = any(each.p_holm < rules.LEVEL for each in iris.comparisons)
    values = [value for value, _ in found]
    smallest = min(each.p_holm for each in iris.comparisons)
    pairs = "some pair differs" if differ else "no pair differs"
    return Claim(
        claim="all models level off at 96-97 % (data, not model)",
        verdict=rules.level_off(BAND, found, differ),
        found=f"{min(values):.1%} to {max(values):.1%}; {pairs} (smallest p after Holm {smallest:.2f})",
        rule=rules.LEVEL_OFF,
        why="that they level off together is what the tests say; at which height depends on the folds",
    )


def differences(iris: Results, evidence: Evidence) -> dict[str, list[float]]:
    """Of each family: leave-one-out minus each split, in points."""
    found = {}
    for each in evidence.splits:
        whole = _scores(iris, each.family)[0].value
        found[each.family] = [100 * (whole - accuracy) for accuracy in each.accuracies]
    return found


def _split(iris: Results, evidence: Evidence) -> Claim:
    found = differences(iris, evidence)
    absolute = [sorted(abs(each) for each in values) for values in found.values()]
    everything = np.concatenate([np.array(values) for values in found.values()])
    reached = float((np.abs(everything) >= SPLIT_POINTS - rules.ROUNDING).mean())
    low, high = np.percentile(everything, (2.5, 97.5))
    return Claim(
        claim=f"leave-one-out and a split differ by {SPLIT_POINTS} points",
        verdict=rules.split_differs(SPLIT_POINTS, absolute),
        found=f"mean {everything.mean():+.1f} points, 95 % of the splits within {low:+.1f} to {high:+.1f}; "
        f"{reached:.0%} of them differ by {SPLIT_POINTS} or more",
        rule=rules.SPLIT,
        why=f"the two agree on average; one split of {evidence.share:.0%} moves with its seed "
        f"({len(evidence.splits[0].accuracies)} seeds each)",
    )


def _rule_changes(changes: Sequence[Change]) -> list[rules.Change]:
    return [rules.Change(each.name, each.difference, each.p_holm) for each in changes]


def _changed(changes: Sequence[Change]) -> str:
    return "; ".join(
        f"{each.name} {100 * each.difference:+.1f} points [{100 * each.low:+.1f}, {100 * each.high:+.1f}]"
        for each in changes
    )


def _area(evidence: Evidence) -> Claim:
    verdict = rules.helps(_rule_changes(evidence.area))
    why = {
        "holds": "a tree asks about one column at a time and cannot multiply by itself",
        "depends": "it helps where a tree cannot put several questions in place of the product",
        "does not hold": "no interval is clear of nought: a second question does what the product would",
    }[verdict]
    return Claim(
        claim="derived features such as petal_area help tree models",
        verdict=verdict,
        found=_changed(evidence.area),
        rule=rules.HELPS,
        why=why,
    )


def _trees(evidence: Evidence) -> Claim:
    verdict = rules.diminishes(_rule_changes(evidence.more_trees))
    why = {
        "holds": "one tree already finds what these rows tell",
        "depends": "so beside a tree of all rows; a tree of a resample, or a first round, is weaker",
        "does not hold": "every comparison gains by more trees",
    }[verdict]
    return Claim(
        claim="returns diminish beyond one tree",
        verdict=verdict,
        found=_changed(evidence.more_trees),
        rule=rules.DIMINISH,
        why=why,
    )

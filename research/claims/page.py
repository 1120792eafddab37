"""The claims as a table, and the report around it."""

from __future__ import annotations

from collections.abc import Sequence

from research.claims.claim import Claim
from research.claims.evidence import Change, Evidence
from research.markdown import between, table
from research.study.page import p


def claim_table(claims: Sequence[Claim]) -> str:
    """Claim, verdict, figure and reason."""
    rows = [[each.claim, f"**{each.verdict}**", each.found, each.why] for each in claims]
    return table(["claim", "verdict", "found here", "why"], rows)


def rule_list(claims: Sequence[Claim]) -> str:
    """Every rule once, with the claims that it decides."""
    decided: dict[str, list[str]] = {}
    for each in claims:
        decided.setdefault(each.rule, []).append(each.claim)
    return "\n".join(f"- {', '.join(of)}: {rule}." for rule, of in decided.items())


def page(claims: Sequence[Claim], evidence: Evidence) -> str:
    """The whole report in Markdown."""
    parts = [
        "# What was claimed of accuracy",
        "Written by `mps research claims` from the study of [iris](../iris/report.md) and "
        "[evidence.json](evidence.json). In brackets: the interval of 95 %.",
        claim_table(claims),
        "## The rules",
        rule_list(claims),
        "## Leave-one-out beside a split",
        "![splits](splits.svg)",
        "## Features of length times width",
        _changes(evidence.area),
        "## One tree, and more",
        _changes(evidence.more_trees),
        "![trees](trees.svg)",
        table(
            ["trees, or rounds", "forest", "xgboost"],
            [
                [
                    str(one.trees),
                    between(one.accuracy, one.low, one.high),
                    between(two.accuracy, two.low, two.high),
                ]
                for one, two in zip(evidence.forest, evidence.boosting, strict=True)
            ],
        ),
        f"Stratified {evidence.folds}-fold cross-validation, {evidence.repeats} times, the same folds for "
        "everyone; differences by the corrected resampled t test, p adjusted after Holm.",
    ]
    return "\n\n".join(parts) + "\n"


def _changes(changes: Sequence[Change]) -> str:
    rows = [
        [
            each.name,
            f"{100 * each.difference:+.2f} [{100 * each.low:+.2f}, {100 * each.high:+.2f}]",
            p(each.p),
            p(each.p_holm),
        ]
        for each in changes
    ]
    return table(["comparison", "points of accuracy", "p", "p (Holm)"], rows)

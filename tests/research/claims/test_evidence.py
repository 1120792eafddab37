"""What is gathered beside the study of iris, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from research.__main__ import main
from research.claims import accuracy, command, evidence
from research.claims.evidence import Evidence, gather, with_areas
from research.claims.page import rule_list
from research.iris import FEATURES, dataset
from research.study import specification
from research.study.command import REPORTS, read_results
from research.study.errors import StudyError
from research.study.methods import Candidate
from research.study.results import encoded
from research.study.running import candidates


@pytest.fixture(scope="module")
def entered() -> list[Candidate]:
    """The families of iris with few trees."""
    path = specification.find("iris")
    found = candidates(specification.read(path), path.parent)
    for each in found:
        if each.name in ("random_forest", "xgboost"):
            each.estimator.set_params(n_estimators=3)
    return found


@pytest.fixture(scope="module")
def few(entered: list[Candidate]) -> Evidence:
    """A little of everything."""
    return gather(entered, splits=2, repeats=1, trees=(1, 3), rounds=(1, 3))


def test_areas(entered: list[Candidate]) -> None:
    """Two more columns, length times width; the rest is as it was."""
    X = dataset().X
    found = with_areas(entered[0].rows)
    assert found.features == (*FEATURES, "petal_area", "sepal_area")
    assert np.array_equal(found.X, np.column_stack([X, X[:, 2] * X[:, 3], X[:, 0] * X[:, 1]]))
    assert found.y is entered[0].rows.y


def test_everything_is_asked(few: Evidence, entered: list[Candidate]) -> None:
    """Each family by splits, each tree model with areas, one tree against more."""
    assert [(each.family, len(each.accuracies)) for each in few.splits] == [
        (each.name, 2) for each in entered
    ]
    assert [each.name for each in few.area] == list(evidence.TREE_MODELS)
    assert len(few.more_trees) == 4
    assert few.more_trees[2].name == "forest of 1 tree to 3"
    for each in (*few.area, *few.more_trees):
        assert each.low <= each.difference <= each.high
        assert each.p <= each.p_holm
    for points in (few.forest, few.boosting):
        assert [point.trees for point in points] == [1, 3]
        assert all(point.low < point.accuracy < point.high for point in points)
    gained = few.forest[1].accuracy - few.forest[0].accuracy
    assert few.more_trees[2].difference == pytest.approx(gained)


def test_it_is_written_and_judged_again(
    few: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes evidence, page and plots; a second run the same bytes."""
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "results.json").write_bytes((REPORTS / "iris" / "results.json").read_bytes())
    monkeypatch.setattr(command, "gather", lambda entered: few)  # the whole of it takes minutes
    out, seen = tmp_path / "claims", []
    for _ in range(2):
        assert main(["claims", "--reports", str(tmp_path)]) == 0
        seen.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"evidence.json", "report.md", "splits.svg", "trees.svg"}
    assert seen[0]["evidence.json"] == encoded(few)
    table = capsys.readouterr().out
    assert table.count("accuracy of ") == 2 * 4
    assert "2 seeds each" in table


def test_kept_claims() -> None:
    """Every claim of the issue has a verdict; each rule is told once with what it decides."""
    found = accuracy.claims(read_results(REPORTS / "iris"), command.read_evidence(REPORTS / "claims"))
    assert [each.claim.partition(":")[0] for each in found] == [
        "accuracy of heuristic",
        "accuracy of decision_tree",
        "accuracy of random_forest",
        "accuracy of xgboost",
        "all models level off at 96-97 % (data, not model)",
        "leave-one-out and a split differ by 5.6 points",
        "derived features such as petal_area help tree models",
        "returns diminish beyond one tree",
    ]
    assert all(each.found and each.why for each in found)
    assert len(rule_list(found).splitlines()) == len({each.rule for each in found}) == 5


def test_what_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The study first; evidence that is none; a study that lacks a method."""
    assert main(["claims", "--reports", str(tmp_path)]) == 1
    assert "run: mps research study iris" in capsys.readouterr().err
    with pytest.raises(StudyError, match=r"evidence.json cannot be read: .*; run: mps research claims"):
        command.read_evidence(tmp_path)
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(StudyError, match=r"holds no evidence: .*; run: mps research claims"):
        command.read_evidence(tmp_path)
    iris = read_results(REPORTS / "iris")
    bare = msgspec.structs.replace(iris, families=iris.families[1:])
    with pytest.raises(StudyError, match="has no leave_one_out or no repeated_k_fold of heuristic"):
        accuracy.claims(bare, command.read_evidence(REPORTS / "claims"))

"""``mps explain``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.__main__ import main
from tests.server.application import IRIS
from tests.server.homemade import classifier, regression, shelve

ROW = json.dumps({**IRIS, "petal_length": 4.9, "petal_width": 1.75})


def test_a_path_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """What is answered, because of what, and what each feature added."""
    assert main(["explain", "heuristic", "--row", ROW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'heuristic@1 answers "virginica"  (setosa 0, versicolor 0.02174, virginica 0.9783)'
    assert lines[2:5] == ["because", "  petal_length 4.9 >= 2.45", "  petal_width 1.75 >= 1.75"]
    assert lines[6] == "what each feature added to the probability of each class:"
    assert lines[8].split() == ["setosa", "versicolor", "virginica"]
    assert [line.split()[0] for line in lines[10:]] == ["base", *IRIS, "sum"]
    assert lines[-1].split() == ["sum", "0.000000", "0.021739", "0.978261"]


def test_many_trees(capsys: pytest.CaptureFixture[str]) -> None:
    """Have no path, and are counted."""
    assert main(["explain", "xgboost@1", "--row", ROW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "the sum of 150 trees" in lines
    assert "what each feature added to the margin, before the link (softmax):" in lines


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """What the endpoint answers, without a generation."""
    assert main(["explain", "decision_tree", "--row", ROW, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["prediction"], told["model"], told["version"]) == ("versicolor", "decision_tree", 1)
    assert "generation" not in told


def test_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written where it is asked for; the environment names the registry."""
    file = tmp_path / "tree.svg"
    assert main(["explain", "heuristic", "--picture", str(file)]) == 0
    assert file.read_text("utf-8").startswith("<svg ")
    assert capsys.readouterr().out == ""
    assert main(["explain", "heuristic", "--picture", str(tmp_path / "none" / "tree.svg")]) == 1
    assert "cannot write" in capsys.readouterr().err
    monkeypatch.setenv("MPS_REGISTRY", str(tmp_path / "nowhere"))
    assert main(["explain", "heuristic", "--row", ROW]) == 1
    assert "no registry at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody", "--row", ROW], "no model 'nobody'"),
        (["heuristic@9", "--row", ROW], "no version 9"),
        (["heuristic", "--row", "{"], "JSON"),
        (["heuristic", "--row", '{"petal_length": "long"}'], "petal_length"),
        (["xgboost", "--picture", "never.svg"], "made of 150 trees"),
    ],
)
def test_what_fails_says_so_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit code 1."""
    assert main(["explain", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("mps explain: ")
    assert said in error
    assert error.count("\n") == 1


def test_nothing_to_do_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as end:
        main(["explain", "heuristic"])
    assert end.value.code == 2
    assert "expected --row JSON, --picture FILE or both" in capsys.readouterr().err


def test_what_has_no_explanation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another registry's models, of every sort, are refused with the reason."""
    root = shelve(tmp_path, classifier("words"), regression("numbers"))
    row = json.dumps({"weight": 1.5, "count": 2, "colour": "red", "note": "x"})
    for name in ("words", "numbers"):
        assert main(["explain", name, "--row", row, "--registry", root]) == 1
        assert f"{name}@1 cannot be explained exactly: it reads text" in capsys.readouterr().err

"""``mps research study`` leaves behind what ``mps convert`` and a reader want, the same every time."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from convert.__main__ import main as convert
from convert.sources.source import load
from registry.manifest import Card
from registry.store import Store
from research.__main__ import main
from research.experiments import EXPERIMENTS
from research.iris import dataset
from research.study import specification
from research.study.command import read_results, write_page
from research.study.errors import StudyError
from research.study.keeping import answer_column, keep, labels
from research.study.results import encoded, rounded
from research.study.rows import Rows
from research.study.running import candidates
from research.training import train
from tests.research.study.conftest import Made
from tests.research.test_command import files


def test_a_second_run_writes_the_same_bytes(small: Made, tmp_path: Path) -> None:
    """Figures, page, plots, models, cards, rows: in another process with another hash seed."""
    command = ["-m", "research", "study", str(small.file), "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *command], env=environment, check=True, capture_output=True, text=True
    )
    assert "| heuristic " in done.stdout
    assert "small [5/5] linear: validated" in done.stderr
    here, there = files(small.out), files(tmp_path / "small")
    assert sorted(here) == sorted(there)
    assert [name for name in here if here[name] != there[name]] == []
    assert {"results.json", "report.md", "scores.svg", "calibration.svg", "confusion.svg"} < set(here)


@pytest.mark.parametrize("name", ["small", "values"])
def test_convert_takes_what_is_left_behind(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every family, classification or regression, is proved and published from models, cards and rows."""
    made: Made = request.getfixturevalue(name)
    arguments = [
        str(made.out / "models"),
        "--card",
        str(made.out / "cards"),
        "--data",
        str(made.out / "rows.csv"),
    ]
    assert convert([*arguments, "--registry", str(tmp_path), "--random-rows", "200"]) == 0
    store = Store(tmp_path)
    assert store.published() == sorted(each.name for each in made.results.families)
    metrics = {metric.name: metric for metric in store.manifest("linear", 1).card.metrics}
    named = "accuracy" if made.results.classes else "r2"
    assert metrics[f"training_{named}"].low is None
    validated = metrics[f"cross_validated_{named}"]
    assert validated.low is not None
    assert validated.low <= validated.value <= (validated.high or 0)


def test_rows_are_written_as_they_came(values: Made) -> None:
    """With the user's name for the answers."""
    header, *rows = csv.reader((values.out / "rows.csv").read_text().splitlines())
    assert header == ["length", "width", "weight"]
    source = csv.reader((values.file.parent / "rows.csv").read_text().splitlines()[1:])
    assert [[float(cell) for cell in row] for row in rows] == [
        [float(cell) for cell in row[:3]] for row in source
    ]


def test_the_study_of_iris_makes_the_models_that_ship(tmp_path: Path) -> None:
    """The same bytes as ``mps research train``; its cards have the same signature and rows."""
    path = specification.find("iris")
    study = specification.read(path)
    entered = candidates(study, path.parent)
    results = read_results(Path(specification.SHIPPED).parent / "reports" / "iris")
    keep(results, entered, tmp_path, None)
    for name, experiment in EXPERIMENTS.items():
        card = train(experiment, dataset(), tmp_path / "trained")
        assert (tmp_path / "models" / experiment.file).read_bytes() == (
            tmp_path / "trained" / "models" / experiment.file
        ).read_bytes()
        kept = msgspec.json.decode((tmp_path / "cards" / f"{name}.json").read_bytes(), type=Card)
        assert (kept.signature, kept.training_data) == (card.signature, card.training_data)
        assert {metric.name for metric in card.metrics} < {metric.name for metric in kept.metrics}
        assert np.isfinite(load(tmp_path / "models" / experiment.file).predict_proba(dataset().X)).all()


def test_pages_come_from_the_written_figures(small: Made, tmp_path: Path) -> None:
    """A figure that is changed in ``results.json`` changes the page and the plot of it, and nothing else."""
    plain = json.loads((small.out / "results.json").read_text())
    plain["families"][0]["scores"][0]["value"] = 0.923
    (tmp_path / "results.json").write_text(json.dumps(plain))
    write_page(tmp_path)
    assert "92.3 %" in (tmp_path / "report.md").read_text()
    changed = {name for name, content in files(tmp_path).items() if content != files(small.out)[name]}
    assert changed == {"results.json", "report.md", "scores.svg"}


def test_results_that_are_none(tmp_path: Path) -> None:
    """Missing and damaged ones are told with the command that makes them."""
    with pytest.raises(
        StudyError, match="cannot be read: No such file or directory; run: mps research study"
    ):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(StudyError, match=r"holds no results: .*; run: mps research study"):
        read_results(tmp_path)


def test_list_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """Every shipped study is told; one that does not exist ends with 1 and one line."""
    assert main(["study", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == specification.names()
    assert main(["study", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("mps research: no study 'nowhere'; there are: breast_cancer")
    with pytest.raises(SystemExit) as ended:
        main(["study", "--jobs", "0"])
    assert ended.value.code == 2


def test_figures_are_rounded() -> None:
    """To six digits, in every list and dictionary; whole numbers, words and no numbers stay."""
    assert rounded({"a": [1 / 3, (2, "x")], "b": np.float64(1e-9 / 3), "c": float("inf")}) == {
        "a": [0.333333, [2, "x"]],
        "b": 3.33333e-10,
        "c": float("inf"),
    }
    assert b'"plain": 1' not in encoded(msgspec.defstruct("Empty", [])())


def test_the_answers_have_a_column_of_their_own() -> None:
    """Named as the user named it, or as no feature is."""
    rows = Rows("r", ("answer", "b"), np.zeros((1, 2)), np.zeros(1), (), {})
    assert answer_column(rows, "yield") == "yield"
    assert answer_column(rows, None) == "answer_"


def test_numbers_stay_numbers_in_answers() -> None:
    """A digit is 7 and not "7"; 07 and a name are words."""
    assert labels(("0", "7", "10")) == (0, 7, 10)
    assert labels(("0", "07")) == ("0", "07")
    assert labels(("rose", "7")) == ("rose", "7")

"""``mps convert`` does the whole thing, or nothing with one clear line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from convert.__main__ import main
from convert.rules import RuleList, save
from registry.manifest import Card, encode
from registry.store import Store

SPECIES = ("setosa", "versicolor", "virginica")
FEW = ["--random-rows", "500"]


@pytest.fixture
def workshop(
    tree: DecisionTreeClassifier, rules: RuleList, iris: Any, make_card: Callable[..., Card], tmp_path: Path
) -> Path:
    """A folder with models, cards, data and room for a registry."""
    for folder in ("models", "cards"):
        (tmp_path / folder).mkdir()
    joblib.dump(tree, tmp_path / "models" / "tree.joblib")
    save(rules, tmp_path / "models" / "rules.json")
    names = ("sepal_length", "sepal_width", *rules.features)
    (tmp_path / "cards" / "tree.json").write_bytes(encode(make_card(names, SPECIES, "float32")))
    (tmp_path / "cards" / "rules.json").write_bytes(encode(make_card(rules.features, SPECIES, "float64")))
    lines = [",".join(map(str, [*row, name])) for row, name in zip(iris.X, iris.names, strict=True)]
    (tmp_path / "iris.csv").write_text("\n".join([",".join([*names, "species"]), *lines]))
    return tmp_path


def run(workshop: Path, *arguments: str) -> int:
    """Run with the workshop's registry."""
    return main([*arguments, *FEW, "--registry", str(workshop / "registry")])


def test_a_folder_with_cards(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every model of a folder is converted with the card of its name, proven on the data, and promoted."""
    folder, cards, data = str(workshop / "models"), str(workshop / "cards"), str(workshop / "iris.csv")
    assert run(workshop, folder, "--card", cards, "--data", data, "--promote") == 0
    told = capsys.readouterr()
    assert "rules@1 new, promoted" in told.out
    assert "tree@1 new, promoted" in told.out
    assert "rows of kind     rows  mismatches    max error\n  data              150           0" in told.out
    assert told.out.endswith("MPS_MODEL_TYPE=rules mps serve\n")
    assert "[2/2] tree: comparing 150 rows: data" in told.err
    assert Store(workshop / "registry").names() == ["rules", "tree"]


def test_data_alone(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data is enough for one model; nothing is promoted unasked, and the next command is told."""
    model, data = str(workshop / "models" / "tree.joblib"), str(workshop / "iris.csv")
    arguments = [model, "--name", "flowers", "--data", data, "--classes", ",".join(SPECIES)]
    assert run(workshop, *arguments) == 0
    assert "flowers@1 new\n" in (told := capsys.readouterr().out)
    assert told.endswith("mps models promote flowers@1\n")
    assert run(workshop, *arguments) == 0
    assert "flowers@1 unchanged\n" in capsys.readouterr().out
    assert run(workshop, *arguments, "--dtype", "float64") == 0
    assert "flowers@2 new\n" in capsys.readouterr().out
    card = Store(workshop / "registry").manifest("flowers", 2).card
    assert {feature.dtype for feature in card.signature.features} == {"float64"}
    assert (card.signature.classes, card.metrics[0].name) == (SPECIES, "accuracy")


def test_a_card_alone(workshop: Path) -> None:
    """Without data the rows are drawn around the thresholds."""
    model, card = str(workshop / "models" / "rules.json"), str(workshop / "cards" / "rules.json")
    assert run(workshop, model, "--name", "r", "--card", card) == 0
    kinds = Store(workshop / "registry").manifest("r", 1).parity.kinds
    assert [kind.kind for kind in kinds] == ["thresholds", "regions", "random", "extremes"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["models/tree.joblib", "--name", "x"], "expected --card FILE .* or --data FILE.csv"),
        (["models/tree.joblib", "--data", "iris.csv"], "expected --name NAME for one model file"),
        (["models", "--name", "x", "--data", "iris.csv"], "a folder's models are named after their files"),
        (["models", "--data", "iris.csv", "--random-rows", "0"], "expected a positive number, came '0'"),
        (["models", "--data", "iris.csv", "--frobnicate"], "unrecognized arguments"),
    ],
)
def test_usage(
    workshop: Path,
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command that does not say enough ends with 2 and says what is missing."""
    monkeypatch.chdir(workshop)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert re.search(reason, " ".join(capsys.readouterr().err.split()))


def test_one_bad_model_stops_all(workshop: Path, iris: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """When one model of a folder fails its proof, none is published; the line on stderr names it."""
    bad = XGBClassifier(n_estimators=3, objective="multi:softmax", n_jobs=1).fit(iris.X, iris.y)
    joblib.dump(bad, workshop / "models" / "zzz.joblib")
    (workshop / "cards" / "zzz.json").write_bytes((workshop / "cards" / "tree.json").read_bytes())
    folder, cards, data = str(workshop / "models"), str(workshop / "cards"), str(workshop / "iris.csv")
    assert run(workshop, folder, "--card", cards, "--data", data) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("mps convert: zzz: not published: ")
    assert not (workshop / "registry").exists()


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b"])
def test_names_that_are_none(workshop: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that cannot be one is refused before any work."""
    model, card = str(workshop / "models" / "rules.json"), str(workshop / "cards" / "rules.json")
    assert run(workshop, model, "--name", name, "--card", card) == 1
    assert capsys.readouterr().err.startswith("mps convert: ")
    assert not (workshop / "registry").exists()

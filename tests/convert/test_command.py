"""``mps convert`` does the whole thing, or nothing with one clear line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from convert.__main__ import main
from convert.sources.rules import RuleList, save
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
    assert re.search(r"rows of kind +rows +label mismatches .*\n +data +150 +0 +0 +0", told.out)
    assert told.out.endswith(f"next: mps serve --registry {workshop / 'registry'} --model rules\n")
    assert "[2/2] tree: comparing 150 rows: data" in told.err
    assert Store(workshop / "registry").names() == ["rules", "tree"]


def test_data_alone(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data is enough for one model; nothing is promoted unasked, and the next command is told."""
    model, data = str(workshop / "models" / "tree.joblib"), str(workshop / "iris.csv")
    arguments = [model, "--name", "flowers", "--data", data, "--classes", ",".join(SPECIES)]
    assert run(workshop, *arguments) == 0
    assert "flowers@1 new\n" in (told := capsys.readouterr().out)
    assert told.endswith(f"next: mps models --registry {workshop / 'registry'} promote flowers@1\n")
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
    assert [kind.kind for kind in kinds] == ["thresholds", "regions", "random", "extremes", "infinite"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["models/tree.joblib", "--data", "iris.csv"], "expected --name NAME for one model"),
        (["models", "--name", "x", "--data", "iris.csv"], "a folder's models are named after their files"),
        (["models", "--data", "iris.csv", "--random-rows", "0"], "expected a positive number, came '0'"),
        (["models", "--data", "iris.csv", "--frobnicate"], "unrecognized arguments"),
        (
            ["models", "--data", "iris.csv", "--force", "why"],
            "overrules the gates of --promote, which is not",
        ),
        (["models", "--promote", "--force", " "], "expected a reason of 1 to 500 printable characters"),
        (["models", "--data", "iris.csv", "--range", "x=low:"], "expected FEATURE=LOW:HIGH"),
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
    bad = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
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


def test_nothing_but_the_model(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data and card the model tells what it knows itself, and the rows are drawn."""
    assert run(workshop, str(workshop / "models" / "tree.joblib"), "--name", "t", "--classes", "a,b,c") == 0
    assert "t@1 new\n" in (told := capsys.readouterr()).out
    assert ": data" not in told.err
    card = Store(workshop / "registry").manifest("t", 1).card
    assert (card.signature.names, card.signature.classes) == (("f0", "f1", "f2", "f3"), ("a", "b", "c"))


def test_parquet(workshop: Path) -> None:
    """The same data, with types."""
    pandas.read_csv(workshop / "iris.csv").to_parquet(workshop / "iris.parquet")
    model, data = str(workshop / "models" / "tree.joblib"), str(workshop / "iris.parquet")
    assert run(workshop, model, "--name", "t", "--data", data, "--classes", ",".join(SPECIES)) == 0
    card = Store(workshop / "registry").manifest("t", 1).card
    assert (card.training_data.name, card.training_data.rows) == ("iris.parquet", 150)


def test_a_function(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``package.module:function`` stands for a model, and needs a name as a file does."""
    (workshop / "oven.py").write_text(
        "import joblib\ndef fitted(): return joblib.load('models/tree.joblib')\n"
    )
    monkeypatch.chdir(workshop)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    assert run(workshop, "oven:fitted", "--name", "t") == 0
    assert "t@1 new\n" in capsys.readouterr().out
    assert run(workshop, "oven:burnt", "--name", "t") == 1
    assert capsys.readouterr().err == "mps convert: oven:burnt: module 'oven' has no function 'burnt'\n"


def test_onnx_needs_answers(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A graph alone cannot be proved, and says what it lacks; one that is none is told as that."""
    (workshop / "graph.onnx").write_bytes(b"anything")
    assert run(workshop, str(workshop / "graph.onnx"), "--name", "g") == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"mps convert: {workshop / 'graph.onnx'} is a graph and cannot be asked for")
    assert "give --data" in told.err
    data = str(workshop / "iris.csv")
    assert run(workshop, str(workshop / "graph.onnx"), "--name", "g", "--data", data) == 1
    assert capsys.readouterr().err.startswith("mps convert: it is no ONNX file")
    assert not (workshop / "registry").exists()


def test_allow_inexact(workshop: Path, iris: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What fails its proof is published on demand only, and marked."""
    bad = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    joblib.dump(bad, workshop / "bad.joblib")
    arguments = [str(workshop / "bad.joblib"), "--name", "bad", "--dtype", "float32"]
    assert run(workshop, *arguments) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.splitlines()[-1][:32]) == ("", "mps convert: bad: not published:")
    assert not (workshop / "registry").exists()
    assert run(workshop, *arguments, "--allow-inexact") == 0
    out = capsys.readouterr().out
    assert re.search(r"\n  NOT EXACT: \d+ of \d+ rows of kind '\w+' are answered otherwise", out)
    assert "  worst row of thresholds: " in out
    assert "bad@1 new\n" in out


def test_a_worse_model_does_not_follow_a_better_one(
    workshop: Path, iris: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is held against the interval of what is current; the manifest keeps the verdict."""
    model, data = str(workshop / "models" / "tree.joblib"), str(workshop / "iris.csv")
    joblib.dump(DecisionTreeClassifier(max_depth=1).fit(iris.X, iris.y), workshop / "stump.joblib")
    rest = ["--name", "t", "--data", data, "--classes", ",".join(SPECIES), "--promote"]
    assert run(workshop, model, *rest) == 0
    assert run(workshop, str(workshop / "stump.joblib"), *rest) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "mps convert: t@2 is not promoted, what is current stays: quality: accuracy 0.6667 (allowed: at "
        "least 0.9334: low end of the 95 % interval of t@1); --force REASON overrules it"
    )
    store = Store(workshop / "registry")
    assert store.current("t") == 1
    verdicts = [store.manifest("t", version).verdict for version in (1, 2)]
    assert [each and (each.champion, each.summary) for each in verdicts] == [
        ("", "passed"),
        ("t@1", "failed quality"),
    ]


def test_what_fails_its_gates_is_published_but_not_promoted(
    workshop: Path, iris: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a folder none is promoted when one fails; with a reason all are, and the reason stays."""
    bad = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(iris.X, iris.y)
    (workshop / "two").mkdir()
    joblib.dump(bad, workshop / "two" / "bad.joblib")
    (workshop / "two" / "a.joblib").write_bytes((workshop / "models" / "tree.joblib").read_bytes())
    arguments = [str(workshop / "two"), "--dtype", "float32", "--allow-inexact", "--promote"]
    assert run(workshop, *arguments) == 1
    told = capsys.readouterr()
    assert told.out.endswith("\na@1 new\nbad@1 new\n")
    line = told.err.splitlines()[-1]
    assert line.startswith(
        "mps convert: bad@1 is not promoted, what is current stays: parity: published though"
    )
    store = Store(workshop / "registry")
    assert store.names() == []
    verdict = store.manifest("bad", 1).verdict
    assert verdict is not None
    assert verdict.summary == "failed parity"
    assert run(workshop, *arguments, "--force", "only the colours  matter") == 0
    out = capsys.readouterr().out
    assert "a@1 unchanged, promoted\n" in out
    assert "bad@1 unchanged, promoted although it failed parity: only the colours matter\n" in out
    assert [store.steps(name)[-1].forced for name in ("a", "bad")] == ["", "only the colours matter"]
    before = (store.root / "bad" / "history.json").read_bytes()
    assert run(workshop, *arguments) == 0  # what is current already is not judged again
    assert "bad@1 unchanged, current already\n" in capsys.readouterr().out
    assert (store.root / "bad" / "history.json").read_bytes() == before


def opaque(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Something that no graph can say."""
    return np.sort(X, axis=1)


def test_a_step_that_is_not_supported(workshop: Path, iris: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named with its place, and nothing is written."""
    steps = make_pipeline(StandardScaler(), FunctionTransformer(opaque), DecisionTreeClassifier())
    joblib.dump(steps.fit(iris.X, iris.y), workshop / "steps.joblib")
    assert run(workshop, str(workshop / "steps.joblib"), "--name", "steps") == 1
    told = capsys.readouterr()
    progress, line = told.err.splitlines()
    assert (told.out, progress) == ("", "[1/1] steps: building the graph")
    assert line.startswith("mps convert: steps: step 'functiontransformer' (2 of 3) of the pipeline: ")
    assert not (workshop / "registry").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["models/absent.joblib", "--name", "x"], "absent.joblib cannot be read: No such file"),
        (["models/tree.joblib", "--name", "x", "--data", "no.csv"], "no.csv cannot be read: No such file"),
        (["models/tree.joblib", "--name", "x", "--card", "no.json"], "card no.json cannot be read: No such"),
        (["models/tree.joblib", "--name", "x", "--card", "iris.csv"], "iris.csv is not a card: "),
        (["models/tree.joblib", "--name", "x", "--classes", "a,b"], "expected 3 class names, came 2: a, b"),
        (["models/tree.joblib", "--name", "x", "--range", "f9=0:1"], "no feature of numbers is called 'f9'"),
        (["iris.csv", "--name", "x"], "iris.csv is no model file; expected a file ending in .joblib"),
        (["models", "--data", "iris.csv", "--target", "no"], "iris.csv has no column 'no'"),
    ],
)
def test_one_clear_line(
    workshop: Path,
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is wrong is told in one line that says what, and nothing is written."""
    monkeypatch.chdir(workshop)
    assert run(workshop, *arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"mps convert: {reason}") or reason in told.err
    assert told.err.count("\n") == 1
    assert not (workshop / "registry").exists()


def test_help_warns_of_pickles(capsys: pytest.CaptureFixture[str]) -> None:
    """Reading one runs code, and so does a function; every option is explained."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "A .joblib or .pkl file is a pickle: reading it runs code that is in it, and so does" in text
    assert "Convert only what you trust." in text
    for option in ("--data", "--card", "--allow-inexact", "--promote", "--force", "--range", "--random-rows"):
        assert f" {option} " in text

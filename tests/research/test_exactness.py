"""``mps research exactness`` measures, keeps what it measured, and says on its page what it found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest

from convert import cost, examination
from convert.errors import Unconvertible
from convert.plain import plain
from registry.manifest import Bound
from research.__main__ import main
from research.exactness import command, study, tables
from research.exactness.command import PAGE, RESULTS
from research.exactness.kinds import FAMILIES, KINDS, with_products
from research.exactness.page import BEGIN, END, figures
from research.exactness.study import Case, Study, read, write
from research.exactness.tables import WORDS, Table, renamed, with_categories

pytestmark = pytest.mark.usefixtures("untraced")
TREE, NAIVE = "DecisionTreeRegressor", "GaussianNB"
Convert = Callable[[Any, int], bytes]


@pytest.fixture(scope="module")
def usual() -> Convert:
    """The usual conversion, made once of estimators that are the same: each takes a process that imports
    every converter, and most tests examine the same two kinds."""
    made: dict[tuple[str, int], bytes] = {}

    def convert(estimator: Any, features: int) -> bytes:
        key = joblib.hash(estimator), features
        if key not in made:
            made[key] = plain(estimator, features)
        return made[key]

    return convert


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: Convert) -> Path:
    """A page with room for figures, the two smallest tables, and little patience for timing."""
    monkeypatch.setattr(examination, "plain", usual)
    (tmp_path / "page.md").write_text(f"before\n\n{BEGIN}\n{END}\n\nafter\n")
    small = [table for table in tables.tables() if table.name in ("iris", "diabetes")]
    monkeypatch.setattr(study, "tables", lambda: small)
    for name, calls in (("CALLS", 50), ("WARM_UP", 5), ("BATCH_CALLS", 20)):
        monkeypatch.setattr(cost, name, calls)
    return tmp_path


def run(workshop: Path, *arguments: str, rows: int = 200) -> int:
    """The command in the workshop."""
    where = ["--results", str(workshop / "results.json"), "--page", str(workshop / "page.md")]
    return main(["exactness", *arguments, "--random-rows", str(rows), *where])


def kept(workshop: Path) -> dict[str, Case]:
    """Results by kind."""
    found = read(workshop / "results.json")
    assert found
    return {case.kind: case for case in found.cases}


def inside(page: Path) -> str:
    """What stands between the markers."""
    return page.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def test_one_kind_after_another(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run keeps the figures of the first; the page has both, in the order of the kinds."""
    assert run(workshop, "--only", NAIVE) == 0
    told = capsys.readouterr()
    assert told.out == "1 cases, 0 miss their target: none\n"
    assert f"{NAIVE} on iris" in told.err.splitlines()
    first = kept(workshop)[NAIVE]
    assert first.examination
    assert first.examination.met
    assert (first.table, first.rows_fitted) == ("iris", 150)
    assert run(workshop, "--only", TREE) == 0
    assert list(kept(workshop)) == [TREE, NAIVE]
    assert kept(workshop)[NAIVE] == first
    page = (workshop / "page.md").read_text("utf-8")
    assert page.startswith(f"before\n\n{BEGIN}\n\nMeasured on: ")
    assert page.endswith(f"|\n\n{END}\n\nafter\n")
    assert page.index(f"\n| {TREE} ") < page.index("### Linear, kernel") < page.index(f"\n| {NAIVE} ")


def test_the_page_alone(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--table-only`` writes the page from what there is, and changes no result."""
    assert run(workshop, "--table-only") == 1
    reason = f"mps research: {workshop / 'results.json'} does not exist; run without --table-only\n"
    assert capsys.readouterr().err == reason
    run(workshop, "--only", NAIVE)
    results, page = (workshop / "results.json").read_bytes(), (workshop / "page.md").read_bytes()
    (workshop / "page.md").write_text(f"before\n\n{BEGIN}\nstale\n{END}\n\nafter\n")
    for _ in range(2):
        assert run(workshop, "--table-only", rows=999) == 0
        assert (workshop / "results.json").read_bytes() == results
        assert (workshop / "page.md").read_bytes() == page


def test_a_missed_target(
    workshop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 1, names the kind and the table, and stands on the page."""
    monkeypatch.setattr(examination, "target", lambda _: Bound())
    assert run(workshop, "--only", "LogisticRegression") == 1
    assert capsys.readouterr().out == "1 cases, 1 miss their target: LogisticRegression on iris\n"
    assert "| missed on iris " in inside(workshop / "page.md")


def test_a_kind_without_a_graph(workshop: Path) -> None:
    """It is refused, and the page says on which tables and why; the others' figures stay."""
    run(workshop, "--only", NAIVE)
    found = read(workshop / "results.json")
    assert found
    refused = msgspec.structs.replace(found.cases[0], table="digits", examination=None, refused="too large")
    write(msgspec.structs.replace(found, cases=(*found.cases, refused)), workshop / "results.json")
    assert run(workshop, "--table-only") == 0
    row = next(line for line in inside(workshop / "page.md").splitlines() if line.startswith(f"| {NAIVE}"))
    assert "| iris, digits " in row
    assert "| refused on digits: too large " in row
    write(msgspec.structs.replace(found, cases=(refused,)), workshop / "results.json")
    assert run(workshop, "--table-only") == 0
    assert "| refused: too large" in inside(workshop / "page.md")


def test_every_outcome_has_its_words(workshop: Path) -> None:
    """A graph of the same bits, one within its bound, one that the usual converters do not make."""
    run(workshop, "--only", TREE)
    row = next(line for line in inside(workshop / "page.md").splitlines() if line.startswith(f"| {TREE}"))
    assert row.count("| same bits ") == 2
    run(workshop, "--only", "derived features → RandomForest")
    assert "| does not convert " in inside(workshop / "page.md")
    run(workshop, "--only", NAIVE)
    assert "| 64 ulp or 1e-12; margin 16 ulp " in inside(workshop / "page.md")


@pytest.mark.parametrize(
    "kind",
    ["XGBClassifier, categories", "one-hot words", "text labels", "boolean labels", "poisson", "SVC, rbf"],
)
def test_kinds_that_need_something_of_their_own(workshop: Path, kind: str) -> None:
    """Categories by number or by word, labels of another type, values above 0, few rows."""
    assert run(workshop, "--only", kind) == 0


def test_a_kind_that_cannot_be_examined(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told as refused; the study goes on."""

    def refuse(*_: object) -> None:
        raise Unconvertible("there is no exact graph for this")

    monkeypatch.setattr(study, "examine", refuse)
    assert run(workshop, "--only", NAIVE) == 0
    assert kept(workshop)[NAIVE].refused == "there is no exact graph for this"


def told(workshop: Path, capsys: pytest.CaptureFixture[str], *arguments: str, rows: int = 200) -> str:
    """The one line that a failure is told in."""
    assert run(workshop, *arguments, rows=rows) == 1
    lines = capsys.readouterr().err.splitlines()
    return lines[-1].removeprefix("mps research: ")


def test_what_cannot_be_done(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that there is not, a page without a place, no page, results that are none: one line each."""
    assert told(workshop, capsys, "--only", "Frobnicator") == "no kind is called anything like 'Frobnicator'"
    run(workshop, "--only", NAIVE)
    (workshop / "page.md").write_text(f"no end\n{BEGIN}\n")
    assert "page.md has no place for the figures; expected the lines" in told(
        workshop, capsys, "--table-only"
    )
    (workshop / "page.md").write_text("nothing")
    assert "page.md has no place for the figures" in told(workshop, capsys, "--only", NAIVE)
    (workshop / "page.md").unlink()
    assert "page.md: No such file or directory" in told(workshop, capsys, "--table-only")
    (workshop / "results.json").write_text("[]")
    assert "results.json holds no results: Expected `object`, got `array`" in told(
        workshop, capsys, "--table-only"
    )
    with pytest.raises(SystemExit) as ended:
        run(workshop, rows=0)
    assert ended.value.code == 2
    assert "expected a positive number, came '0'" in capsys.readouterr().err


def test_figures_that_do_not_belong_together(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page names one number of random rows, one machine, one set of versions."""
    run(workshop, "--only", NAIVE)
    before = (workshop / "results.json").read_bytes()
    reason = told(workshop, capsys, "--only", TREE, rows=300)
    assert "that would be kept are of 200 random rows" in reason
    assert (workshop / "results.json").read_bytes() == before
    assert run(workshop, "--only", NAIVE, rows=300) == 0  # nothing is kept
    found = read(workshop / "results.json")
    assert found
    write(msgspec.structs.replace(found, machine="another"), workshop / "results.json")
    assert "of another machine or of other versions; run without --only" in told(
        workshop, capsys, "--only", TREE, rows=300
    )


def test_the_kinds() -> None:
    """Enough of them, each by its own name, of every family and both tasks; fresh estimators each time."""
    assert len(KINDS) >= 40
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert {kind.family for kind in KINDS} == set(FAMILIES)
    assert {kind.task for kind in KINDS} == {"classification", "regression"}
    for kind in KINDS:
        one, other = kind.make(), kind.make()
        assert one is not other
        assert hasattr(one, "fit")


def test_the_tables() -> None:
    """Those that the page speaks of, in their sizes, the same each time."""
    known = tables.tables()
    assert [(table.name, table.task, *table.X.shape) for table in known] == [
        ("iris", "classification", 150, 4),
        ("wine", "classification", 178, 13),
        ("breast_cancer", "classification", 569, 30),
        ("digits", "classification", 1797, 64),
        ("generated", "classification", 20_000, 30),
        ("diabetes", "regression", 442, 10),
        ("generated", "regression", 20_000, 30),
    ]
    for table, again in zip(known, tables.tables(), strict=True):
        assert np.array_equal(table.X, again.X)
        assert len(table.y) == len(table.X)
        assert table.task == "regression" or set(table.y) == set(range(len(set(table.y))))


def test_what_is_done_to_tables() -> None:
    """Holes, categories, other labels, derived features: always the same, and nothing is changed in place."""
    X = np.linspace(0, 1, 400).reshape(100, 4)
    before = X.copy()
    table = Table("t", "classification", X, np.arange(100) % 3)
    holes = table.with_holes()
    assert np.array_equal(holes, table.with_holes(), equal_nan=True)
    assert 0 < np.isnan(holes).mean() < 0.1
    assert np.array_equal(holes[~np.isnan(holes)], X[~np.isnan(holes)])
    coded = with_categories(X)
    for feature in (0, 1):
        assert np.bincount(coded[:, feature].astype(int)).tolist() == [20] * len(WORDS)
    assert np.array_equal(coded[:, 2:], X[:, 2:])
    assert renamed(table.y, "words")[:3].tolist() == ["class 0", "class 1", "class 2"]
    assert renamed(table.y, "booleans")[:3].tolist() == [True, False, False]
    assert renamed(table.y, "") is table.y
    assert tables.names(X) == ("f0", "f1", "f2", "f3")
    assert with_products(np.array([[2.0, 3.0, 7.0, 5.0]])).tolist() == [[2, 3, 7, 5, 6, 2]]
    assert np.array_equal(X, before)


def test_page_in_the_repository_is_fresh() -> None:
    """The figures of docs/exactness.md are those that the kept results give, and no kind is left out."""
    found = read(RESULTS)
    assert isinstance(found, Study)
    assert inside(PAGE) == figures(found)
    assert {case.kind for case in found.cases} == {kind.name for kind in KINDS}


def test_where_results_and_page_are_kept() -> None:
    """In the repository."""
    assert RESULTS.parent == Path(command.__file__).parent
    assert PAGE.name == "exactness.md"
    assert PAGE.is_file()

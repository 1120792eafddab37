"""Study files are taken as they are meant, or refused with the place and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from research.study.errors import StudyError
from research.study.running import candidates
from research.study.specification import SHIPPED, Methods, Study, find, names, read
from tests.research.study.conftest import SMALL, VALUES, Write


@pytest.mark.parametrize("name", [name for name in names() if name != "generated"])
def test_shipped_studies_fit_their_rows(name: str) -> None:
    """Parameters, grids, rules and units are those of the libraries and of the tables."""
    study = read(find(name))
    entered = candidates(study, SHIPPED)
    assert [each.name for each in entered] == list(study.families)


def test_the_generated_study_is_as_large_as_promised() -> None:
    """200,000 rows of thirty features; all of them are used by the hold-out alone."""
    study = read(find("generated"))
    assert study.data.generated
    assert (study.data.generated.rows, study.data.generated.features) == (200_000, 30)
    for name in Methods.__struct_fields__:
        method = getattr(study.methods, name)
        assert method is not None
        assert (method.rows is None) == (name == "hold_out")


def test_every_shipped_study_compares_four_families() -> None:
    """And uses every method."""
    assert names() == ["breast_cancer", "diabetes", "digits", "generated", "iris", "wine"]
    for name in names():
        study = read(find(name))
        assert len(study.families) == 4
        assert all(getattr(study.methods, method) for method in Methods.__struct_fields__), name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (("[methods]", "[metods]"), "unknown field `metods`.*did you mean 'methods'"),
        (("folds = 3", "fold = 3"), "unknown field `fold`.*did you mean 'folds'"),
        (("[families.linear]", "[families.linaer]"), "unknown family 'linaer'.*did you mean 'linear'"),
        (("[families.linear]", '[families."a/b"]'), "'a/b' cannot be the name of a model"),
        (('file = "rows.csv"', 'table = "iris"'), "expected 'target' with 'file'"),
        (
            ('file = "rows.csv"', 'file = "rows.csv"\ntable = "iris"'),
            r"expected one of .*\['table', 'file'\]",
        ),
        (('target = "species"', ""), "expected 'target' with 'file'"),
        (("folds = 3", "folds = 1"), "repeated_k_fold.folds: expected 2 or more, came 1"),
        (("repeats = 2", "repeats = 0"), "repeats: expected 1 or more"),
        (("share = 0.25", "share = 1.5"), "share: expected between 0 and 1, came 1.5"),
        (('title = "Small"', "title = 3"), r"Expected `str`, got `int` - at `\$.title`"),
        (('title = "Small"', 'title = "Small'), "small.toml: "),
    ],
)
def test_what_is_refused(write: Write, text: tuple[str, str], told: str) -> None:
    """One line that says where, what was expected, and often what was meant."""
    with pytest.raises(StudyError, match=told):
        read(write(SMALL, text))


def test_nothing_to_do(write: Write) -> None:
    """No data, no method, no file: each is told."""
    head = SMALL.partition("[families.heuristic]")[0]
    with pytest.raises(StudyError, match="missing required field `data`"):
        read(write("title = 'Nothing'"))
    with pytest.raises(StudyError, match="expected one or more of leave_one_out, repeated_k_fold"):
        read(write(head + "[families.linear]\n[methods]"))
    with pytest.raises(StudyError, match="no study 'nowhere'; there are: breast_cancer, diabetes"):
        find("nowhere")
    with pytest.raises(StudyError, match=r"gone.toml cannot be read: No such file"):
        read(Path("gone.toml"))
    path = write()
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(StudyError, match=r"small\.toml"):
        read(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (('target = "species"', 'target = "kind"'), "kind"),
        (('length = "cm"', 'height = "cm"'), "data.units: no feature 'height'; there are: length, width"),
        (('features = ["length", "width"]', 'features = ["size"]'), "size"),
        (('["length", "width"]', '["species"]'), "must not see the answers"),
        (('["length", "width"]', '["length", "text"]'), "text.*name these columns in data.features"),
        (('feature = "length"', 'feature = "height"'), "no feature 'height'; there are: length, width"),
        (('answer = "rose"', 'answer = "rows"'), "no class 'rows'; there are: rose, tulip"),
        (('otherwise = "tulip"', ""), "expected one or more rules, and 'otherwise'"),
        (('otherwise = "tulip"', 'otherwise = "tulip"\ngrid = { a = [1] }'), "no parameters and no grid"),
        (("max_depth = 2 }\ngrid", "depth = 2 }\ngrid"), "no parameter 'depth' to set; there are: ccp_alpha"),
        (("grid = { C =", "grid = { c ="), "families.linear: no parameter 'c' to set"),
        (("n_estimators = 5", "n_jobs = 5"), "no parameter 'n_jobs' to set"),
        (("[families.linear]", '[families.linear]\notherwise = "rose"'), "rules are for a heuristic"),
    ],
)
def test_what_does_not_fit_the_rows(write: Write, text: tuple[str, str], told: str) -> None:
    """The study file is well formed, but the rows are others."""
    path = write(SMALL, text)
    with pytest.raises(StudyError, match=told):
        candidates(read(path), path.parent)


def test_rules_name_classes(write: Write) -> None:
    """A regression has none."""
    path = write(VALUES, ("[families.linear]", '[families.heuristic]\notherwise = "rose"'))
    with pytest.raises(StudyError, match="a heuristic names classes, and this is a regression"):
        candidates(read(path), path.parent)


def test_three_lines_are_enough(write: Write) -> None:
    """Every kind but the heuristic, which a person must write, and the linear one where there are holes."""
    path = write('[data]\nfile = "rows.csv"\ntarget = "species"\nfeatures = ["length", "width"]')
    study = read(path)
    kinds = [each.name for each in candidates(study, path.parent)]
    assert kinds == ["linear", "decision_tree", "random_forest", "xgboost"]
    assert study.methods.repeated_k_fold
    assert study.methods.hold_out
    rows = (path.parent / "rows.csv").read_text().splitlines()
    rows[3] = "," + rows[3].partition(",")[2]
    (path.parent / "rows.csv").write_text("\n".join(rows))
    assert [each.name for each in candidates(study, path.parent)] == kinds[1:]


def test_a_family_may_have_a_name_of_its_own(write: Write) -> None:
    """And say what kind it is: two trees may be compared."""
    path = write(
        SMALL,
        ("[families.linear]\n", '[families.stump]\nkind = "decision_tree"\n'),
        ("C = [0.1, 1.0]", "max_depth = [1]"),
    )
    study = read(path)
    assert isinstance(study, Study)
    assert [each.kind for each in candidates(study, path.parent)][-1] == "decision_tree"

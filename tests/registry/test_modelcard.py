"""Model cards: what is sealed, readable, and unable to break out of its page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from msgspec.structs import replace

from registry import markdown, pictures
from registry.__main__ import main
from registry.gates import judge
from registry.manifest import (
    Bound,
    Feature,
    Golden,
    Histogram,
    Manifest,
    Metric,
    Parity,
    ParityRows,
    Signature,
    TrainingData,
)
from registry.pictures import MAX_BARS, MAX_PANELS
from registry.store import Store

MakeOffer = Callable[..., tuple[Manifest, bytes, Golden]]
Write = Callable[..., str]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>x</script>|`\n# [a](b) '\x07"


def parsed(picture: str) -> ElementTree.Element:
    """A picture that is sound XML and loads nothing."""
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {"svg", "title", "style", "rect", "line", "circle", "text", "g"}
    return root


def texts(picture: str) -> list[str]:
    """All words of a picture."""
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}text")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the card of ``flowers@1`` is written."""
    return tmp_path / "cards" / "flowers" / "1"


@pytest.fixture
def write(store: Store, offer: MakeOffer, folder: Path, capsys: pytest.CaptureFixture[str]) -> Write:
    """Publishes ``flowers@1`` with changes of its card and manifest, and gives the page of it."""

    def make(golden: Golden | None = None, changes: dict[str, Any] | None = None, **card: Any) -> str:
        manifest, model, rows = offer(**(changes or {}))
        about = replace(manifest.card, **card)
        store.publish(replace(manifest, card=about), model, golden or rows)
        command = ["card", "flowers@1", "--out", str(folder.parent.parent), "--registry", str(store.root)]
        assert main(command) == 0
        assert capsys.readouterr().out == f"{folder / 'README.md'}\n"
        return (folder / "README.md").read_text("utf-8")

    return make


def test_a_card_tells_what_is_sealed(write: Write, folder: Path, offer: MakeOffer) -> None:
    """Signature, data, metrics, proof, gates, cost, versions, digest; how to ask and how to verify."""
    manifest = offer()[0]
    page = write(changes={"verdict": judge(manifest, None)})
    for line in (
        "# Model card: flowers@1",
        "tells two flowers apart",
        "| width | float32 | cm | 0 to 9.5 | may be `null` |  |",
        r"| colour | string |  | red \| green | no | of the petal |",
        "A classification: the answer is one of `yes`, `no`, with probabilities where they are asked for.",
        f"flowers: 150 rows. sha256 of rows and answers: `{'ab' * 32}`",
        r"| cross\_validated\_accuracy | 0.8750 | 10 folds |",
        "Held against trainer 1.2 Tree. Allowed: within 1e-06.",
        "| thresholds | 40 | 0 | 2.5 | 1.5e-07 | 0 | 0 |",
        "There was no champion.",
        "| size | passed | 0.007 kB | at most 256 MB |",
        "| one row in process, p99 | 12.4 µs |",
        "| budget of a served row, p99 | 10 ms |",
        "| opset ai.onnx | 18 |",
        "mps models verify flowers@1",
        f"sha256 of `model.onnx`: `{manifest.sha256}`",
        "- Values outside the ranges above are refused; rows unlike the training rows are answered.",
    ):
        assert f"{line}\n" in page
    assert re.findall(r"!\[.*\]\((.*)\)", page) == ["quality.svg", "parity.svg"]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "parity.svg", "quality.svg"]
    assert "40 rows, 0 differ, 2.5 ulp" in texts((folder / "parity.svg").read_text())


def test_the_same_entry_gives_the_same_card(write: Write, folder: Path, store: Store) -> None:
    """Byte for byte, also after it was promoted."""
    write()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.promote("flowers@1")
    write()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_made_up(write: Write, folder: Path) -> None:
    """No metrics, no data, no proof, no gates: the page says so, and there are no pictures."""
    page = write(
        changes={"parity": Parity(oracle="none", bound=Bound(), kinds=(), rows_alone=0)},
        metrics=(),
        training_data=TrainingData(name="not told", rows=0, sha256=""),
    )
    for line in (
        "The registry was not told.",
        "None was measured.",
        "They were not asked.",
        "- It was fitted on rows that the registry was not told of; what it says of other kinds of rows "
        "nobody has measured.",
    ):
        assert f"{line}\n" in page
    assert "![" not in page
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_what_is_not_exact_or_failed_stands_out(write: Write, offer: MakeOffer) -> None:
    """At the top, in the gates, and how many bits moved."""
    parity = replace(offer()[0].parity, inexact="off by 3 ulp", rows_changed=2)
    page = write(changes={"parity": parity, "verdict": judge(offer(parity=parity)[0], offer(version=7)[0])})
    assert "\n**Not exact:** off by 3 ulp\n" in page
    assert "Against the champion flowers@7.\n" in page
    assert "| parity | **failed** | published though not exact: off by 3 ulp |" in page
    assert "at other places of a batch: 2 with other bits, inside the bound.\n" in page


def test_a_regression_with_an_open_range(write: Write) -> None:
    """One number; what has no full range is named; integers are asked for without a point."""
    features = tuple(Feature(name=f"f{number}", dtype="int64") for number in range(7))
    row = tuple(float(number) for number in range(7))
    page = write(
        golden=Golden(kinds=("random", "data"), inputs=(row[::-1], row), values=(1.0, 152.25)),
        task="regression",
        signature=Signature(features=features),
    )
    assert "A regression: the answer is one number.\n" in page
    assert "no full range was set for f0, f1, f2, f3, f4 and 2 more.\n" in page
    assert '-d \'{"f0":0,"f1":1,"f2":2,"f3":3,"f4":4,"f5":5,"f6":6}\'\n' in page
    assert '{"prediction":152.25}\n' in page


def test_labels_only_are_a_limit(write: Write, offer: MakeOffer) -> None:
    """It does not say how sure it is, and the card says that."""
    manifest, _, golden = offer()
    page = write(
        golden=replace(golden, probabilities=()), signature=replace(manifest.signature, probabilities=False)
    )
    assert "one of `yes`, `no`, without probabilities.\n" in page
    assert "- It does not say how sure it is.\n" in page


def test_hostile_words_stay_words(write: Write, folder: Path, offer: MakeOffer) -> None:
    """A feature named like markup changes neither page nor picture, and its request is still right."""
    feature = Feature(
        name=HOSTILE, dtype="string", unit="|", description="```\n</details>", categories=("`|`",)
    )
    histogram = Histogram(feature=HOSTILE, values=("<b>", "&amp;"), counts=(2, 1))
    page = write(
        golden=Golden(kinds=("data",), inputs=(("it's ```",),), labels=("a|`b``",)),
        changes={"versions": {"<i>": "*1*"}},
        description=HOSTILE,
        signature=Signature(features=(feature,), classes=("a|`b``",), probabilities=False),
        training_data=TrainingData(name="<rows>", rows=3, sha256="ab", histograms=(histogram,)),
        metrics=(Metric(name="accuracy<", value=0.5, method="[x](y)"),),
    )
    prose = re.sub(r"(?ms)^(`{3,})\w+\n.*?^\1\n", "", page)
    assert not re.search(r"(?<!\\)<", prose)
    assert not [line for line in prose.splitlines() if re.match("#+ ", line) and "[a]" in line]
    rows = [line for line in prose.splitlines() if line.startswith("| \\<")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [7, 3]
    command = re.search(r"(?ms)^`{4,}sh\n(curl .*?)^`{4,}\n", page)
    assert command
    body = shlex.split(command[1].replace("\\\n", ""))[-1]
    assert msgspec.json.decode(body) == {HOSTILE: "it's ```"}
    for picture in folder.glob("*.svg"):
        parsed(picture.read_text("utf-8"))
    assert "\N{REPLACEMENT CHARACTER}" in texts((folder / "features.svg").read_text("utf-8"))[0]


def test_code_ends_where_it_should() -> None:
    """Whatever is in it; a bar would end a cell of a table."""
    assert markdown.code("plain") == "`plain`"
    assert markdown.code("a`b") == "`` a`b ``"
    assert "|" not in markdown.code("a|b")
    assert markdown.fenced("sh", "a ```` b") == ["`````sh", "a ```` b", "`````"]


def test_histograms_of_all_kinds() -> None:
    """Numbers, one number, the widest range there is, strings, nothing known, more than are drawn."""
    wide = Histogram(feature="wide", edges=(-1.7e308, 0.0, 1.7e308), counts=(3, 1))
    single = Histogram(feature="single", missing=4, edges=(2.5, 2.5), counts=(9,))
    many = Histogram(feature="many", values=tuple("abcdefg"), counts=(7, 6, 5, 4, 3, 2, 1))
    nothing = Histogram(feature="nothing", missing=1)
    columns = [Feature(name="wide", dtype="float64", unit="m")]
    picture = pictures.features(columns, [wide, single, many, nothing])
    words = texts(picture)
    for word in (
        "wide (m)",
        "-1.7e+308",
        "single",
        "4 missing",
        "2.5",
        "a",
        f"and {7 - MAX_BARS} more",
        "nothing",
    ):
        assert word in words
    bars = [bar for bar in parsed(picture).iter(f"{SVG}rect") if bar.get("class") == "bar"]
    assert [float(bar.get("width", "")) for bar in bars[:3]] == [103.0, 103.0, 207.0]
    assert len(bars) == 3 + MAX_BARS
    crowd = [
        Histogram(feature=str(number), edges=(0.0, 1.0), counts=(1,)) for number in range(MAX_PANELS + 9)
    ]
    assert len(list(parsed(pictures.features([], crowd)).iter(f"{SVG}g"))) == MAX_PANELS


def test_the_page_says_that_features_are_left_out(write: Write) -> None:
    """So that nobody takes the picture for the whole."""
    crowd = tuple(Histogram(feature=str(number), edges=(0.0, 1.0), counts=(1,)) for number in range(30))
    page = write(training_data=TrainingData(name="t", rows=1, sha256="ab", histograms=crowd))
    assert f"The picture has the first {MAX_PANELS} of 30 features.\n" in page


@pytest.mark.parametrize(
    ("value", "low", "left"), [(0.95, 0.91, "0.9"), (1.0, None, "0.9"), (-0.35, -0.5, "-0.5")]
)
def test_quality_is_drawn_with_its_interval(value: float, low: float | None, left: str) -> None:
    """On one axis, from the tenth below all of it to 1."""
    metric = Metric(name="held_out_r2", value=value, method="", low=low, high=None if low is None else 1.0)
    picture = pictures.quality([metric])
    interval = "" if low is None else f" ({low:.3f} to 1.000)"
    assert texts(picture) == ["held out r2", f"{value:.3f}{interval}", left, "1"]
    spans = [line for line in parsed(picture).iter(f"{SVG}line") if line.get("class") == "span"]
    assert len(spans) == (low is not None)


def test_differences_are_red() -> None:
    """And equal answers are not."""
    kinds = [
        ParityRows(kind=kind, rows=9, label_mismatches=wrong, max_ulp=0, max_abs_error=0)
        for kind, wrong in (("data", 0), ("random", 2))
    ]
    picture = pictures.parity(Parity(oracle="", bound=Bound(), kinds=tuple(kinds), rows_alone=0))
    assert [bar.get("class") for bar in parsed(picture).iter(f"{SVG}rect")] == ["paper", "good", "bad"]


def test_all_cards_and_an_index(shelf: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command for every version of every model; the index leads to each."""
    out = tmp_path / "cards"
    assert main(["card", "--all", "--out", str(out), "--registry", str(shelf.root)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "README.md")
    links = re.findall(r"\[(.*)\]\((.*)\)", (out / "README.md").read_text("utf-8"))
    assert [name for name, _ in links] == ["flowers@1", "flowers@2", "flowers@3", "trees@1"]
    for name, link in links:
        assert (out / link).read_text("utf-8").startswith(f"# Model card: {name}\n")


def test_a_folder_that_cannot_be_written_is_told(
    shelf: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line with the system's reason."""
    (tmp_path / "file").write_bytes(b"")
    assert main(["card", "flowers", "--out", str(tmp_path / "file"), "--registry", str(shelf.root)]) == 1
    assert capsys.readouterr().err.endswith("the card cannot be written: Not a directory\n")

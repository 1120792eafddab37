"""The README's model table."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.errors import LoadFailed
from bench.latency import Latency, served_latency
from bench.machine import this_machine
from bench.page import MODELS, begin, end, read_block, write_block
from bench.process import ServerProcess
from bench.table import Measurement, Measurements
from registry.manifest import Metric

pytestmark = pytest.mark.usefixtures("untraced")
BEGIN, END = begin(MODELS), end(MODELS)
QUICK = ["table", "--models", "heuristic,xgboost", "--requests", "50"]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with an empty block."""
    path = tmp_path / "README.md"
    path.write_text(f"# Before\n{BEGIN}{END}\nafter\n", "utf-8")
    return path


def test_the_page_gets_what_was_measured(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured, written to the files and into the page; the check agrees until somebody edits a figure."""
    out = ["--out", str(tmp_path)]
    assert main([*QUICK, *out, "--readme", str(page)]) == 0
    written = json.loads((tmp_path / "models.json").read_bytes())
    assert [model["model"] for model in written["models"]] == ["heuristic", "xgboost"]
    assert all(0 < model["latency"]["p50_ms"] <= model["latency"]["p99_ms"] for model in written["models"])
    table = (tmp_path / "models.md").read_text("utf-8")
    text = page.read_text("utf-8")
    assert text == f"# Before\n{BEGIN}\n\n{table}\n{END}\nafter\n"
    assert f"`{written['command']}`" in table
    assert written["machine"]["packages"]["onnxruntime"] in table
    capsys.readouterr()

    assert main(["table", *out, "--check", str(page)]) == 0
    page.write_text(text.replace("| heuristic", "| heuristik"), "utf-8")
    assert main(["table", *out, "--check", str(page)]) == 1
    assert f"run: mps bench table --readme {page}" in capsys.readouterr().err


def test_a_page_without_markers_is_refused_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is measured or written for a page that has no place for it."""
    page = tmp_path / "README.md"
    page.write_text("nothing here")
    assert main([*QUICK, "--out", str(tmp_path), "--readme", str(page)]) == 1
    assert (
        capsys.readouterr().err == f"mps bench table: {page}: expected one {BEGIN} and after it one {END}\n"
    )
    assert not (tmp_path / "models.json").exists()


@pytest.mark.parametrize(
    "text", [END + BEGIN, BEGIN, END, BEGIN + BEGIN + END, BEGIN + END + END, END + BEGIN + END]
)
def test_unclear_markers_are_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each marker once, in order; else the page stays as it is."""
    page = tmp_path / "page.md"
    page.write_text(text)
    assert main([*QUICK, "--out", str(tmp_path), "--readme", str(page)]) == 1
    assert "expected one" in capsys.readouterr().err
    assert page.read_text() == text


def test_writing_what_is_there_changes_nothing(page: Path) -> None:
    """Reading a block and writing it back gives the same page."""
    write_block(page, MODELS, "\nä\n")
    before = page.read_bytes()
    write_block(page, MODELS, read_block(page, MODELS))
    assert page.read_bytes() == before


def test_unreadable_figures_and_pages_are_one_clear_line(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing or broken files are named, without a traceback."""
    words = ["table", "--out", str(tmp_path), "--check"]
    assert main([*words, str(page)]) == 1
    assert (
        capsys.readouterr().err == f"mps bench table: {tmp_path / 'models.json'}: No such file or directory\n"
    )
    (tmp_path / "models.json").write_text("{}")
    assert main([*words, str(page)]) == 1
    assert "models.json: Object missing required field" in capsys.readouterr().err
    assert main([*QUICK, "--readme", str(tmp_path / "none.md")]) == 1
    assert "none.md cannot be read" in capsys.readouterr().err


def test_every_method_is_named() -> None:
    """A metric that two models measured differently has both methods below the table, and one column."""

    def line(model: str, *metrics: Metric) -> Measurement:
        return Measurement(model, metrics, Latency(50, 1.0, 2.0), 10.0, 2048, 1536)

    one, other = (Metric(name="my_accuracy", value=0.5, method=method) for method in ("seen", "unseen"))
    text = Measurements("mps", 1, this_machine(), (line("a", one), line("b", other), line("c"))).markdown()
    rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in text.splitlines()[:5]]
    assert rows[0][:2] == ["model", "my accuracy"]
    assert rows[2] == ["a", "0.500", "1.00", "2.00", "10", "2", "1.5"]
    assert rows[4][:2] == ["c", "-"]
    assert "- My accuracy: seen.\n- My accuracy: unseen.\n" in text


def test_a_wrong_answer_is_not_timed(server: ServerProcess) -> None:
    """A figure is worth nothing if the answers behind it are wrong."""
    with pytest.raises(LoadFailed, match="nope: status 404"):
        served_latency(server, "nope", 1)


def test_no_answer_is_an_error() -> None:
    """A server that went away ends the measuring with a clear line."""
    with pytest.raises(LoadFailed, match=r"heuristic: no answer: .*refused"):
        served_latency(ServerProcess(), "heuristic", 1)


class Mistaken(BaseHTTPRequestHandler):
    """Describes a model, then answers with something that is none of its classes."""

    def do_GET(self) -> None:
        """The description."""
        self._say(b'{"classes":["no","yes"],"example":{"x":1}}')

    def do_POST(self) -> None:
        """The prediction."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(b'{"prediction":"maybe"}')

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


def test_a_mistaken_answer_is_an_error() -> None:
    """Every answer is checked while it is timed."""
    with HTTPServer(("127.0.0.1", 0), Mistaken) as impostor:
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        try:
            with pytest.raises(LoadFailed, match="a: the prediction is none of the model's classes"):
                served_latency(ServerProcess(api_port=impostor.server_port), "a", 1)
        finally:
            impostor.shutdown()

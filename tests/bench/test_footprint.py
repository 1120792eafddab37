"""Start-up, memory and disk."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import footprint, startup
from bench.errors import BenchError, LoadFailed, ServerDied
from bench.footprint_report import FootprintReport
from bench.golden import Question, question
from bench.installation import Package, installed, packages
from bench.machine import this_machine
from bench.process import ServerProcess
from bench.resident import Resident, descendants, started_s
from bench.spread import Spread
from bench.startup import StartUp, start_up, worker_pid
from bench.weight import Memory, ModelWeight, memory, publish_copies
from registry.store import Entry, Store
from server.settings import SHIPPED_REGISTRY

pytestmark = pytest.mark.usefixtures("untraced")
MB = 1_000_000


def run(*words: str) -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser()
    footprint.add(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["footprint", *words])
    code: int = arguments.run(arguments, "mps bench footprint")
    return code


@pytest.fixture(scope="module")
def entry() -> Entry:
    """A shipped model."""
    store = Store(Path(SHIPPED_REGISTRY))
    return store.read("heuristic", store.current("heuristic"))


def report(*, answer_ms: float = 999.0, worker_bytes: int = 99 * MB) -> FootprintReport:
    """A report that keeps its targets."""
    taken = Spread(answer_ms, answer_ms, answer_ms)
    part = Spread(1.0, 1.0, 1.0)
    sizes = Resident(MB, MB, MB)
    return FootprintReport(
        command="mps bench footprint",
        machine=this_machine(),
        start_up=StartUp(1, taken, part, part, part, part),
        memory=Memory(4, 1000, sizes, Resident(worker_bytes, MB, MB), sizes),
        models=(ModelWeight("a", 16, 2048, 1024, 512),),
    )


def test_what_is_measured_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One start, one model: figures of the size that a real server has, and a page that shows them."""
    assert run("--models", "heuristic", "--rounds", "1", "--out", str(tmp_path)) == 0
    written = msgspec.json.decode((tmp_path / "footprint.json").read_bytes(), type=FootprintReport)
    start = written.start_up
    assert 0 < start.main_ms.median < start.answer_ms.median
    assert start.worker_ms.median == pytest.approx(start.answer_ms.median - start.main_ms.median, abs=0.2)
    found = written.memory
    assert (found.models, found.requests) == (1, 1000)
    for part in (found.main, found.worker, found.others):
        assert 0 < part.own_bytes <= part.pss_bytes <= part.rss_bytes < 1000 * MB
    assert found.main.rss_bytes < found.worker.rss_bytes  # it has neither models nor routes
    assert [model.model for model in written.models] == ["heuristic"]
    assert written.packages is None
    page = (tmp_path / "footprint.md").read_text("utf-8")
    assert "| start to first answer, ms |" in page
    assert "install, MB" not in page
    assert capsys.readouterr().out == page


def test_targets_are_kept_or_missed() -> None:
    """The page says which; what meets a target exactly has missed it."""
    kept = report().markdown()
    assert "missed" not in kept
    assert kept.count("kept") == 2
    assert (
        "| start to first answer, ms |     1000 | < 1000 |  missed |" in report(answer_ms=1000.0).markdown()
    )
    assert "missed" in report(worker_bytes=100 * MB).markdown()


def test_the_install_is_shown_by_package() -> None:
    """The largest, the others together, and all of them beside the target."""
    sizes = tuple(Package(f"p{number:02}", "1.0", (50 - number) * MB) for number in range(14))
    page = msgspec.structs.replace(report(), packages=sizes).markdown()
    assert "| p11 1.0  |  39.0 |\n| 2 more   |  75.0 |\n| together | 609.0 |" in page
    assert "| install, MB               |      609 |  < 250 |  missed |" in page


def test_a_process_that_takes_memory_weighs_more() -> None:
    """Written memory is its own; a process that is gone weighs nothing that could be told."""
    script = "import sys; held = bytearray(int(sys.argv[1])); print(flush=True); sys.stdin.read()"
    weights = []
    for size_bytes in (1, 50 * MB):
        command = [sys.executable, "-c", script, str(size_bytes)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            weights.append(Resident.of(process.pid))
            assert process.pid in descendants(os.getpid())
            assert started_s(process.pid) >= started_s(os.getpid())
    light, heavy = weights
    for name in ("rss_bytes", "pss_bytes", "own_bytes"):
        assert getattr(heavy, name) - getattr(light, name) == pytest.approx(50 * MB, rel=0.1)
    assert (light + heavy).rss_bytes == light.rss_bytes + heavy.rss_bytes
    with pytest.raises(BenchError, match="does not say how much memory"):
        Resident.of(process.pid)
    with pytest.raises(BenchError, match="is gone"):
        started_s(process.pid)


def test_copies_are_served_side_by_side(entry: Entry, tmp_path: Path) -> None:
    """Each under its own name, proved like any model, and asked in turn."""
    copies = publish_copies(entry, tmp_path, 3)
    assert Store(tmp_path).names() == ["copy0", "copy1", "copy2"]
    found = memory(str(tmp_path), copies, requests=6)
    assert (found.models, found.requests) == (3, 6)


def test_the_worker_is_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of the main process; a server that does not name it is not weighed."""
    with ServerProcess(workers=1) as server:
        assert worker_pid(server) in descendants(server.pid)
    monkeypatch.setattr(startup, "SAID_S", 0.0)
    with (
        ServerProcess(workers=1, log_level="ERROR") as server,
        pytest.raises(BenchError, match="does not say which process answers"),
    ):
        worker_pid(server)


def test_only_the_right_answer_counts(entry: Entry, tmp_path: Path) -> None:
    """A server that starts but answers something else has not started; nor has one that dies."""
    right = question(entry)
    assert right.fault(200, msgspec.json.encode({"prediction": right.label})) is None
    others = [name for name in entry.manifest.signature.classes if name != right.label]
    assert "expected" in str(right.fault(200, msgspec.json.encode({"prediction": others[0]})))
    assert "status 503" in str(right.fault(503, b"{}"))
    number = Question("/", b"{}", frozenset(), None)
    assert number.fault(200, b'{"prediction":1.5}') is None

    wrong = msgspec.structs.replace(entry.golden, labels=tuple(others[0] for _ in entry.golden.labels))
    with pytest.raises(LoadFailed, match=f"expected '{others[0]}'"):
        start_up(SHIPPED_REGISTRY, msgspec.structs.replace(entry, golden=wrong), 1)
    with pytest.raises(ServerDied):
        start_up(str(tmp_path / "nowhere"), entry, 1)


def test_a_model_without_a_row_to_ask_is_refused(entry: Entry) -> None:
    """There is nothing to wait for."""
    nothing = tuple((None,) * len(row) for row in entry.golden.inputs)
    golden = msgspec.structs.replace(entry.golden, inputs=nothing)
    with pytest.raises(BenchError, match="none of its golden rows"):
        question(msgspec.structs.replace(entry, golden=golden))


def test_packages_are_weighed_with_all_their_files(tmp_path: Path) -> None:
    """By what pip wrote down of each; the largest comes first."""
    for name, size_bytes in (("small", 10), ("large", 5000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_bytes(b"#" * size_bytes)
        about = tmp_path / f"{name}-1.2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (about / "RECORD").write_text(f"{name}/code.py,,\n{name}/gone.py,,\n")
    assert packages(tmp_path) == (Package("large", "1.2", 5000), Package("small", "1.2", 10))


def test_an_install_that_fails_says_why(tmp_path: Path) -> None:
    """Not a checkout; a project that cannot be installed."""
    with pytest.raises(BenchError, match=r"has no constraints\.txt; run it in the checkout"):
        installed(tmp_path)
    (tmp_path / "constraints.txt").touch()
    (tmp_path / "pyproject.toml").write_text("nonsense", "utf-8")
    with pytest.raises(BenchError, match="--install: pip failed: "):
        installed(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["constraints.txt", "pyproject.toml"]


def test_the_report_can_be_read_back() -> None:
    """Every figure is in the file."""
    made = report()
    assert msgspec.json.decode(msgspec.json.encode(made), type=FootprintReport) == made
    assert json.loads(msgspec.json.encode(made))["start_up"]["answer_ms"]["median"] == 999.0

"""Imports go one way: which room may open which door, and which library belongs to which module."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "registry": set(),
    "server": {"registry"},
    "convert": {"registry", "server.session", "server.model"},
    "research": {"convert", "registry"},
    "bench": {"server", "registry"},
}
"""Room to what it may import of the other rooms."""
WALLS = {
    "litestar": ("server/app.py", "server/endpoints/"),
    "granian": ("server/process.py", "bench/targets/"),
    "onnxruntime": ("server/session.py", "bench/targets/"),
    "grpc": ("server/v2/rpc.py", "server/v2/wire/"),
    "google": ("server/v2/rpc.py", "server/v2/wire/"),
    "a2wsgi": ("server/front.py",),
    "simdjson": ("server/matrix.py",),
    "onnx": ("convert/", "bench/targets/large.py"),
    "skl2onnx": ("convert/",),
    "onnxmltools": ("convert/",),
    "sklearn": ("convert/", "research/", "bench/targets/"),
    "xgboost": ("convert/", "research/"),
    "lightgbm": ("convert/", "research/"),
    "pandas": ("convert/", "research/"),
    "pyarrow": ("convert/", "research/"),
    "joblib": ("convert/", "research/", "bench/targets/"),
    "pickle": (),
    "cloudpickle": (),
    "locust": ("bench/",),
    "matplotlib": ("bench/", "research/"),
    "scipy": ("research/validation/",),
    "fastapi": ("bench/targets/",),
    "pydantic": ("bench/targets/",),
    "uvicorn": ("bench/targets/",),
}
"""Library to the only places that may import it."""
TRAINING = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "onnx",
    "skl2onnx",
    "onnxmltools",
    "joblib",
    "cloudpickle",
    "scipy",
    "pandas",
    "pyarrow",
)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room: str) -> list[Path]:
    """Python files of a room."""
    return sorted((ROOT / room).rglob("*.py"))


def trespasses(room: str, module: str) -> bool:
    """Whether a room may not import a module."""
    target = module.partition(".")[0]
    if target not in ROOMS or target == room:
        return target == "tests"
    allowed = ROOMS[room]
    return not any(
        module == door or module.startswith(f"{door}.") or door.startswith(module) for door in allowed
    )


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_open_only_their_own_doors(room: str) -> None:
    """Goods move from the workshop to the pantry to the serving room, never back."""
    found = [
        (path.name, module) for path in files(room) for module in imports(path) if trespasses(room, module)
    ]
    assert files(room)
    assert found == []


@pytest.mark.parametrize("library", WALLS)
def test_libraries_stay_behind_their_walls(library: str) -> None:
    """Each third-party package is known to the modules listed here and to no other."""
    found = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in files(room)
        for module in imports(path)
        if module.partition(".")[0] == library and not str(path.relative_to(ROOT)).startswith(WALLS[library])
    ]
    assert found == []


@pytest.mark.parametrize(
    ("room", "module", "wrong"),
    [
        ("server", "convert.graphs.graph", True),
        ("registry", "server", True),
        ("convert", "server.plan", True),
        ("convert", "server.model", False),
        ("convert", "server.session", False),
        ("research", "server.session", True),
        ("bench", "convert", True),
        ("bench", "server.settings", False),
        ("server", "json", False),
    ],
)
def test_the_doors_can_be_shut(room: str, module: str, wrong: bool) -> None:
    """The rule above tells a forbidden import from an allowed one."""
    assert trespasses(room, module) is wrong


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    """Every file is named after its one noun, and after no library that it uses."""
    for room in ROOMS:
        for path in files(room):
            assert path.stem not in ("utils", "util", "helpers", "misc", "common")
            assert (
                path.stem not in {module.partition(".")[0] for module in imports(path)} or path.stem == room
            )


OPTIONAL = ("grpc", "google.protobuf")
"""Not loaded where the setting that needs it is not set."""


SERVE = """
import sys
unpickled = []
sys.addaudithook(lambda event, _: unpickled.append(event) if event == "pickle.find_class" else None)
from litestar.testing import TestClient
from server.app import create_app
from server.counters import Counters, create
from server.generation import Serving
from server.plan import draw
from server.settings import resolve
serving = Serving()
serving.commit(serving.prepare(draw(resolve({}, None, {}), 1)))
app = create_app(serving, Counters(create(1), 0), "nobody")
with TestClient(app) as client:
    body = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    for name in ("heuristic", "decision_tree", "random_forest", "xgboost"):
        assert client.post(f"/models/{name}/predict?probabilities=true", json=body).status_code == 200
        assert client.post(f"/models/{name}/explain", json=body).status_code == 200
    assert client.get("/openapi.json").status_code == client.get("/metrics").status_code == 200
print("loaded:", *sorted(set(sys.argv[1:]) & set(sys.modules)))
print("unpickled:", len(unpickled))
"""


def test_serving_loads_no_training_library_and_unpickles_nothing() -> None:
    """After start, answers of every model with reasons, the documents: none of them is there, and no gRPC.

    The standard library's ``pickle`` module itself is imported by numpy; so the interpreter's audit hook
    watches that it is never used.
    """
    script = [sys.executable, "-c", SERVE, *TRAINING, *OPTIONAL]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.splitlines() == ["loaded:", "unpickled: 0"], done.stderr


def test_onnxruntime_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry is off before it is imported: no device id is made, and the setting of a user stays."""
    script = [sys.executable, "-c", "import os, server.session; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    bare = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    bare["HOME"] = str(tmp_path)
    done = subprocess.run(script, env=bare, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "1\n", done.stderr
    assert list(tmp_path.rglob("*")) == []
    asked_for = {**bare, "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(script, env=asked_for, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "0\n", done.stderr


def test_the_check_for_loaded_libraries_can_fail() -> None:
    """A planted import and a planted pickle are both seen."""
    planted = SERVE.replace("import sys\n", "import sys\nimport joblib\n", 1)
    planted = planted.replace(
        "serving = Serving()",
        "import pickle, fractions\npickle.loads(pickle.dumps(fractions.Fraction(1)))\nserving = Serving()",
    )
    script = [sys.executable, "-c", planted, *TRAINING]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, cwd=ROOT)
    loaded, unpickled = done.stdout.splitlines()
    assert "joblib" in loaded
    assert unpickled != "unpickled: 0"

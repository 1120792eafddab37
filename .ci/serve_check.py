"""Does a serving-only install serve? Run by the interpreter that has it; ``--install`` makes one first.

Ends with code 1 when an extra is present or a request is not answered as the README says.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "onnx",
    "skl2onnx",
    "onnxmltools",
    "joblib",
    "locust",
    "scipy",
    "pandas",
    "pyarrow",
    "grpc",
)
REQUEST = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
START_S = 30


def main() -> int:
    """Check this interpreter's install, or make one in a temporary folder and check that."""
    if "--install" not in sys.argv:
        return check()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python, source = Path(folder) / "bin" / "python", Path(folder) / "source"
        # Two installs from one folder would write the same files at the same time.
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
        lock = str(source / "constraints.txt")
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "-c", lock, str(source)], check=True, cwd=folder
        )
        return subprocess.run([python, "-I", __file__], cwd=folder, check=False).returncode


def check() -> int:
    """Start ``mps serve`` for each shipped model and compare its answer."""
    present = [name for name in EXTRAS if importlib.util.find_spec(name)]
    if present:
        print(f"the serving install has {', '.join(present)}", file=sys.stderr)
        return 1
    for model in ("heuristic", "decision_tree", "random_forest", "xgboost"):
        answer = serve_once(model)
        print(f"serve check: {model}: {answer}")
        if answer != {"prediction": "setosa"}:
            return 1
        reasons = explain(model)
        print(f"serve check: mps explain {model}: {reasons}")
        if reasons != "setosa":
            return 1
    return 0


def explain(model: str) -> object:
    """What ``mps explain`` says is answered to the README's request."""
    command = [Path(sys.executable).parent / "mps", "explain", model, "--json", "--row", REQUEST.decode()]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["prediction"]


def serve_once(model: str) -> object:
    """The answer to the README's request from a fresh server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as state:
        environ = {
            **os.environ,
            "MPS_MODEL_TYPE": model,
            "MPS_API_PORT": str(port),
            "MPS_STATE_DIR": state,
            "MPS_API_HOST": "127.0.0.1",
        }
        server = subprocess.Popen([Path(sys.executable).parent / "mps", "serve"], env=environ)
        try:
            return ask(port)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def ask(port: int) -> object:
    """The answer, as soon as somebody listens."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", REQUEST, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while True:
        try:
            with opener.open(request, timeout=5) as response:
                return json.load(response)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())

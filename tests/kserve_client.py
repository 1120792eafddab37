"""KServe's published client, without the rest of KServe.

The package holds pandas below 3, protobuf below 7 and psutil below 6, and brings Kubernetes; its client
needs none of that. So it is installed without what it asks for, into a folder of its own, with three small
packages that the client imports and the tests have not. Its ``__init__``, which imports all of it, is
replaced by one that imports the client.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ("kserve==0.21.0", "cloudevents==1.13.0", "deprecation==2.1.0", "orjson==3.13.0")
INIT = """
from .inference_client import InferenceRESTClient, RESTConfig
from .protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
"""


def install(folder: Path) -> None:
    """Some seconds; needs the package index, as every install does."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), *PACKAGES], check=True)
    (folder / "kserve" / "__init__.py").write_text(INIT)


def run(folder: Path, script: str, *arguments: str) -> str:
    """What a script that imports ``kserve`` prints."""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout

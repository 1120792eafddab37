"""A process of its own weighs one model, and no library that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convert.publish import SHIPPED
from research.iris import EXAMPLE
from research.production import alone
from tests.research.production.conftest import HOME

ROW = json.dumps(list(EXAMPLE.values()))


@pytest.mark.parametrize(
    ("form", "file"), [("onnx", SHIPPED / "xgboost" / "1"), ("native", HOME / "models" / "xgboost.json")]
)
def test_moments(form: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three, in bytes, none below what a Python with numpy takes; also where all is loaded already."""
    alone.main([form, str(file), ROW])
    moments = json.loads(capsys.readouterr().out)
    assert len(moments) == 3
    assert min(moments) > 10e6


def test_no_library_of_another_form() -> None:
    """The graph is weighed without scikit-learn, and the rules without onnxruntime."""
    script = (
        "import sys; from research.production import alone; alone.main(sys.argv[1:]); "
        "print(*sorted({'sklearn', 'xgboost', 'onnxruntime', 'scipy', 'onnx'} & set(sys.modules)))"
    )

    def loaded(form: str, file: Path) -> list[str]:
        command = [sys.executable, "-c", script, form, str(file), ROW]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[1].split()

    assert loaded("onnx", SHIPPED / "heuristic" / "1") == ["onnxruntime"]
    assert loaded("native", HOME / "models" / "heuristic.json") == []

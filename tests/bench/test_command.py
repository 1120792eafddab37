"""The command line of the bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import main


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["guard", "--seconds", "0"],
        ["guard", "--seconds", "0.5"],
        ["guard", "--rate", "many"],
        ["guard", "--budget-ms", "inf"],
        ["guard", "--workers", "0"],
        ["table", "--requests", "1.5"],
        ["table", "--readme", "a", "--check", "b"],
        ["compare", "--rounds", "0"],
        ["compare", "--set", "interface"],
        ["compare", "--set", "=asgi"],
        ["ratio", "--floor", "-1"],
        ["http", "--connections", "1,,2"],
        ["open-loop", "--rate", "nan"],
        ["switch", "--every", "0"],
    ],
)
def test_wrong_usage_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What the command line does not allow ends with 2 and a usage line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: mps bench" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("guard", "--registry"),
        ("table", "--registry"),
        ("compare", "--only"),
        ("ratio", "--floor"),
        ("http", "--workers"),
        ("open-loop", "--rate"),
        ("switch", "--budget-ms"),
    ],
)
def test_help_is_enough(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each subcommand says what it does and writes."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert option in capsys.readouterr().out


def test_no_models_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty registry, or a model that is not there, fails before anything is started."""
    assert main(["guard", "--registry", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"mps bench guard: no model with a current version in {tmp_path}\n"
    assert main(["table", "--models", "nope"]) == 1
    assert capsys.readouterr().err.startswith("mps bench table: no model 'nope' in the registry")

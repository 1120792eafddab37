"""The ``mps`` command and its server-side subcommands."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from server.__main__ import COMMANDS, main
from server.settings import describe


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m server`` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``mps --help`` is the table of contents; ``mps`` alone is a usage error that shows it."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command}" in text for command in COMMANDS)
    assert main([]) == 2


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what there is."""
    assert main(["sevre"]) == 2
    assert "serve" in capsys.readouterr().err


def test_serve_help_is_enough_to_use_it() -> None:
    """Every setting with its meaning and default, the file, and a request to try."""
    done = run("serve", "--help")
    assert done.returncode == 0
    for variable, default, meaning in describe():
        assert variable in done.stdout
        assert meaning in done.stdout
        assert default in done.stdout
    assert "MPS_CONFIG" in done.stdout
    assert "curl" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["serve", "--nope"], ["reload", "model_type"], ["reload", "--url", "nonsense"], ["models"]]
)
def test_usage_errors_are_code_2(arguments: list[str]) -> None:
    """A command that is typed wrongly says so and does nothing."""
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_models_verify_runs_the_golden_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Through ``mps``, verification is more than digests: onnxruntime answers the golden rows."""
    assert main(["models", "verify", "xgboost"]) == 0
    assert "xgboost@1" in capsys.readouterr().out


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The serving install has no converters; the command says what to install."""
    for module in [name for name in sys.modules if name.split(".")[0] == "convert"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["convert", "--help"]) == 1
    assert "pip install 'ml-production-service[convert]'" in capsys.readouterr().err


def test_our_own_missing_module_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken serving install is not explained away."""
    monkeypatch.setitem(sys.modules, "server.reload", None)
    with pytest.raises(ModuleNotFoundError):
        main(["reload"])


def test_reload_without_a_server() -> None:
    """One line, code 1."""
    done = run("reload", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("mps reload: no answer from http://127.0.0.1:9")
    assert done.stderr.count("\n") == 1


class Stranger(BaseHTTPRequestHandler):
    """Some other server."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_reload_of_some_other_server() -> None:
    """What does not answer as this server does is no success."""
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.handle_request).start()
    done = run("reload", "--url", f"http://127.0.0.1:{server.server_port}")
    server.server_close()
    assert done.returncode == 1
    assert "not this server's" in done.stderr

"""Settings: layers, provenance, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.errors import SettingsError
from server.settings import HINTS, RUNTIME, check_override, describe, resolve


def test_defaults_hold_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The defaults are the documented ones, and say that they are defaults."""
    monkeypatch.chdir(tmp_path)
    resolved = resolve({}, None, {})
    settings = resolved.settings
    assert (settings.model_type, settings.log_level, settings.api_host) == ("heuristic", "INFO", "0.0.0.0")
    assert (settings.api_port, settings.workers, settings.admin_token) == (8000, 1, None)
    assert Path(settings.registry).name == "prd"
    assert set(resolved.sources.values()) == {"default"}


def test_each_layer_beats_the_one_below(tmp_path: Path) -> None:
    """default < file < environment < override, and each value says where it came from."""
    file = tmp_path / "some.toml"
    file.write_text('model_type = "a"\nworkers = 2\nlog_level = "warning"\nmax_batch_rows = 7\n')
    environ = {"MPS_MODEL_TYPE": "b", "MPS_WORKERS": "3", "HOME": "/"}
    resolved = resolve(environ, file, {"model_type": "c"})
    settings = resolved.settings
    assert (settings.model_type, settings.workers, settings.log_level) == ("c", 3, "WARNING")
    found = {name: resolved.sources[name] for name in ("model_type", "workers", "log_level", "api_port")}
    assert found == {
        "model_type": "override",
        "workers": "environment",
        "log_level": "file",
        "api_port": "default",
    }


def test_the_file_is_found_by_variable_and_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``MPS_CONFIG`` names a file; without it ``mps.toml`` in the working folder is read where it exists."""
    monkeypatch.chdir(tmp_path)
    assert resolve({}, None, {}).file == "mps.toml"  # looked for there, also while there is none
    Path("mps.toml").write_text("workers = 5")
    Path("other.toml").write_text("workers = 6")
    assert resolve({}, None, {}).settings.workers == 5
    assert resolve({"MPS_CONFIG": "other.toml"}, None, {}).settings.workers == 6
    assert resolve({"MPS_CONFIG": "other.toml"}, Path("mps.toml"), {}).settings.workers == 5
    start = resolve({"MPS_CONFIG": "other.toml"}, None, {})
    assert start.keep_fixed(start).file == start.file == "other.toml"


def test_models_may_be_a_comma_separated_list(tmp_path: Path) -> None:
    """Environment, file and override may all name models."""
    file = tmp_path / "some.toml"
    file.write_text('models = ["a", "b"]')
    assert resolve({}, file, {}).settings.models == ("a", "b")
    assert resolve({"MPS_MODELS": "x, y@2 ,"}, file, {}).settings.models == ("x", "y@2")
    assert resolve({}, file, {"models": "p,q"}).settings.models == ("p", "q")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"MPS_MODEL_TPYE": "a"}, ["environment", "MPS_MODEL_TPYE", "did you mean 'MPS_MODEL_TYPE'?"]),
        ({"MPS_XYZZY": "a"}, ["MPS_XYZZY", "known: model_type"]),
        ({"MPS_WORKERS": "many"}, ["MPS_WORKERS", "int", "'many'"]),
        ({"MPS_WORKERS": "0"}, ["MPS_WORKERS", ">= 1"]),
        ({"MPS_API_PORT": "70000"}, ["MPS_API_PORT", "<= 65535"]),
        ({"MPS_LOG_LEVEL": "loud"}, ["MPS_LOG_LEVEL", "LOUD"]),
        ({"MPS_CONFIG": "/nonexistent/mps.toml"}, ["mps.toml cannot be read"]),
    ],
)
def test_a_wrong_environment_is_refused_by_name(environ: dict[str, str], words: list[str]) -> None:
    """The refusal names the variable, what was expected, what came, and the nearest known name."""
    with pytest.raises(SettingsError) as refusal:
        resolve(environ, None, {})
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('modle_type = "a"', "did you mean 'model_type'?"),
        ("workers = 'two'", "workers"),
        ("workers = '2'", "int"),
        ("workers = ", "not TOML"),
        ("workers = 2\nworkers = 3", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, word: str) -> None:
    """Unknown keys, wrong types and half-written files are refused; nothing is guessed."""
    file = tmp_path / "some.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="file") as refusal:
        resolve({}, file, {})
    assert word in str(refusal.value)


def test_a_secret_is_not_repeated_in_its_refusal() -> None:
    """A token that is too short is refused without showing it."""
    with pytest.raises(SettingsError, match="MPS_ADMIN_TOKEN") as refusal:
        resolve({"MPS_ADMIN_TOKEN": "hush"}, None, {})
    assert "hush" not in str(refusal.value)


def test_an_empty_variable_counts_as_unset() -> None:
    """Container platforms set variables to nothing; that is no value."""
    assert resolve({"MPS_ADMIN_TOKEN": "", "MPS_CONFIG": ""}, None, {}).settings.admin_token is None


def test_service_links_of_kubernetes_are_left_alone() -> None:
    """A service called ``mps`` puts variables of its own into the environment."""
    links = {
        "MPS_SERVICE_HOST": "10.0.0.1",
        "MPS_SERVICE_PORT": "80",
        "MPS_SERVICE_PORT_HTTP": "80",
        "MPS_PORT": "tcp://10.0.0.1:80",
        "MPS_PORT_80_TCP": "tcp://10.0.0.1:80",
        "MPS_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert resolve(links, None, {}).settings.api_port == 8000


@pytest.mark.parametrize("name", sorted(set(HINTS) - RUNTIME))
def test_what_needs_a_restart_cannot_be_overridden(name: str) -> None:
    """A run-time override of a fixed setting is refused with the list of what can be set."""
    with pytest.raises(SettingsError, match="cannot be set at run time"):
        check_override({name: "x"})


@pytest.mark.parametrize(
    "change", [{"modle_type": "a"}, {"model_type": 3}, {"admin_token": "x" * 20}, {"nope": None}]
)
def test_a_wrong_override_is_refused(change: dict[str, Any]) -> None:
    """Unknown names and wrong types are refused before anything is read or loaded."""
    with pytest.raises(SettingsError, match="override"):
        check_override(change)


def test_none_removes_an_override() -> None:
    """None is no value but the wish to forget one."""
    check_override({"model_type": None})


def test_a_reload_keeps_what_only_a_restart_changes() -> None:
    """A changed port waits for a restart, and is said to; a changed model does not."""
    start = resolve({"MPS_API_PORT": "8001"}, None, {})
    now = resolve({"MPS_API_PORT": "8002", "MPS_MODEL_TYPE": "xgboost"}, None, {}).keep_fixed(start)
    assert (now.settings.api_port, now.settings.model_type) == (8001, "xgboost")
    assert now.needs_restart == ("api_port",)


def test_every_setting_is_described() -> None:
    """Help and documentation have a meaning for every setting."""
    rows = list(describe())
    assert {variable for variable, _, _ in rows} == {f"MPS_{name.upper()}" for name in HINTS}
    assert all(len(meaning) > 10 for _, _, meaning in rows)


def test_each_port_has_a_state_folder_of_its_own() -> None:
    """Two servers started in one folder do not share their overrides."""
    folders = {resolve({"MPS_API_PORT": port}, None, {}).settings.state_folder() for port in ("8001", "8002")}
    assert len(folders) == 2
    assert resolve({"MPS_STATE_DIR": "/x"}, None, {}).settings.state_folder() == Path("/x")


def test_a_token_with_a_line_end_is_none() -> None:
    """No header could carry it, so nobody could ever be let in."""
    with pytest.raises(SettingsError, match="admin_token"):
        resolve({}, None, {"admin_token": "x" * 20 + "\n"})

"""Settings: a frozen struct, where each value came from, and clear refusals.

Precedence, low to high: default, file, environment, run-time override.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

import registry
from server.errors import SettingsError

PREFIX = "MPS_"
DEFAULT_FILE = Path("mps.toml")
SHIPPED_REGISTRY = str(Path(registry.__file__).parent / "prd")
KUBERNETES_LINK = re.compile(r"MPS_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""Kubernetes puts these into every pod when a service is called ``mps``; they are no settings of ours."""

MAX_TIMEOUT_MS = 3_600_000
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Source = str
"""``default``, ``file``, ``environment`` or ``override``."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting, with its default. The description is what ``mps serve --help`` prints."""

    model_type: Annotated[
        str,
        Meta(min_length=1, description="registry model that /predict answers with (name or name@version)"),
    ] = "heuristic"
    models: Annotated[
        tuple[str, ...] | None,
        Meta(description="models to load, comma-separated; unset: all current versions in the registry"),
    ] = None
    log_level: Annotated[LogLevel, Meta(description="DEBUG, INFO, WARNING or ERROR")] = "INFO"
    api_host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "0.0.0.0"
    api_port: Annotated[int, Meta(ge=1, le=65535, description="port to listen on")] = 8000
    grpc_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="port of the Open Inference Protocol over gRPC, with the extra grpc; unset: none"),
    ] = None
    workers: Annotated[int, Meta(ge=1, le=256, description="worker processes")] = 1
    registry: Annotated[str, Meta(min_length=1, description="registry root folder")] = SHIPPED_REGISTRY
    admin_token: Annotated[
        Annotated[str, Meta(min_length=16, pattern=r"^[!-~]+\Z")] | None,
        Meta(description="bearer token for admin endpoints, 16 characters or more; unset: closed"),
    ] = None
    interface: Annotated[
        Literal["wsgi", "asgi"],
        Meta(description="wsgi: predictions by the short way; asgi: the plain Litestar application"),
    ] = "wsgi"
    threads: Annotated[
        int,
        Meta(
            ge=13,
            le=512,
            description="requests that a worker reads or answers at the same time (wsgi)",
        ),
    ] = 16
    request_timeout_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_TIMEOUT_MS,
            description="deadline of a request without X-Request-Timeout-Ms, in milliseconds",
        ),
    ] = 5_000
    explain_timeout_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_TIMEOUT_MS,
            description="deadline of an explanation without X-Request-Timeout-Ms, in milliseconds",
        ),
    ] = 2_000
    split: Annotated[
        dict[str, Annotated[float, Meta(ge=0, le=100)]] | None,
        Meta(description="percent of /predict by model, such as random_forest=90,xgboost=10; unset: none"),
    ] = None
    sticky_header: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")] | None,
        Meta(description="header whose value always meets the same model of the split; unset: none"),
    ] = None
    shadow: Annotated[
        tuple[str, ...],
        Meta(description="models that get copies of answered requests, comma-separated, in spare capacity"),
    ] = ()
    abort_error_percent: Annotated[
        float, Meta(ge=0, le=100, description="a variant with more answers of status 500 leaves the split")
    ] = 1
    abort_p99_ms: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="a variant with a higher p99 leaves the split; unset: its model's budget_ms"),
    ] = None
    abort_min_requests: Annotated[
        int, Meta(ge=1, description="a variant is not judged by fewer requests than these")
    ] = 100
    abort_window_s: Annotated[
        int, Meta(ge=1, le=3600, description="a variant is judged by its last requests, of so many seconds")
    ] = 30
    watch: Annotated[
        bool,
        Meta(description="reload by itself when the file or a current version in the registry changes"),
    ] = False
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="largest request body, in bytes")
    ] = 2 << 20
    max_batch_rows: Annotated[
        int, Meta(ge=1, le=10_000_000, description="most rows in one batch request")
    ] = 10_000
    reload_deadline_ms: Annotated[
        int,
        Meta(ge=100, le=3_600_000, description="time in which a reload must be prepared, in milliseconds"),
    ] = 30_000
    state_dir: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="folder for the run-time override; unset: .mps/<port> in the working folder"),
    ] = None

    def state_folder(self) -> Path:
        """Where the run-time override is kept."""
        return Path(self.state_dir or f".mps/{self.api_port}")


HINTS: dict[str, Any] = get_type_hints(Settings, include_extras=True)
RUNTIME = frozenset(
    {
        "model_type",
        "models",
        "log_level",
        "admin_token",
        "max_batch_rows",
        "reload_deadline_ms",
        "request_timeout_ms",
        "explain_timeout_ms",
        "split",
        "sticky_header",
        "shadow",
        "abort_error_percent",
        "abort_p99_ms",
        "abort_min_requests",
        "abort_window_s",
        "watch",
    }
)
"""Settings that a reload applies; the others hold from start to stop."""
OVERRIDABLE = RUNTIME - {"admin_token"}
"""Settings that a reload's body may set. The token is not one: it would be written to disk."""


class Resolved(msgspec.Struct, frozen=True):
    """Settings and where each came from."""

    settings: Settings
    sources: dict[str, Source]
    file: str
    """The configuration file, whether it is there or not."""
    needs_restart: tuple[str, ...] = ()
    """Settings whose new value waits for a restart."""

    def keep_fixed(self, start: Resolved) -> Resolved:
        """The same, with everything that only a restart can change as it was at the start."""
        fixed = {name: getattr(start.settings, name) for name in HINTS if name not in RUNTIME}
        waiting = tuple(name for name, value in fixed.items() if getattr(self.settings, name) != value)
        sources = {**self.sources, **{name: start.sources[name] for name in fixed}}
        return Resolved(msgspec.structs.replace(self.settings, **fixed), sources, self.file, waiting)


def resolve(environ: Mapping[str, str], file: Path | None, override: Mapping[str, Any]) -> Resolved:
    """Read every layer.

    Args:
        environ: the process's environment.
        file: a TOML file that must exist; None: ``MPS_CONFIG``, else ``mps.toml`` where it exists.
        override: what the reload endpoint set.

    Raises:
        SettingsError: names the layer, the setting, what was expected and what came.
    """
    named = file or environ.get("MPS_CONFIG")
    path = Path(named or DEFAULT_FILE)
    values: dict[str, Any] = {}
    sources: dict[str, Source] = dict.fromkeys(HINTS, "default")
    layers = [
        ("file", _file_items(path, must_exist=bool(named))),
        ("environment", _environment_items(environ)),
        ("override", override.items()),
    ]
    for source, items in layers:
        for name, raw in items:
            values[name] = convert(name, raw, source)
            sources[name] = source
    return Resolved(Settings(**values), sources, str(path))


def convert(name: str, raw: object, source: Source) -> Any:
    """One value to its setting's type.

    Raises:
        SettingsError: unknown name or unsuitable value.
    """
    spelled = PREFIX + name.upper() if source == "environment" else name
    if name not in HINTS:
        raise SettingsError(f"{source}: unknown setting {spelled!r}{_nearest(name, source)}")
    if name in ("models", "shadow") and isinstance(raw, str):
        raw = _parts(raw)
    if name == "split" and isinstance(raw, str):
        raw = _shares(raw, spelled, source)
    if name == "log_level" and isinstance(raw, str):
        raw = raw.upper()
    try:
        return msgspec.convert(raw, HINTS[name], strict=source == "file")
    except msgspec.ValidationError as error:
        shown = "" if name == "admin_token" else f" (came: {str(raw)[:80]!r})"
        raise SettingsError(f"{source}: {spelled}: {error}{shown}") from None


def check_override(change: Mapping[str, Any]) -> None:
    """Refuse what a reload's body cannot set. A value of None removes an override.

    Raises:
        SettingsError
    """
    for name, raw in change.items():
        if name in HINTS and name not in OVERRIDABLE:
            allowed = ", ".join(sorted(OVERRIDABLE))
            raise SettingsError(f"override: {name!r} cannot be set at run time; what can: {allowed}")
        if raw is not None or name not in HINTS:
            convert(name, raw, "override")


def describe() -> Iterator[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, for help and documentation."""
    for name, default in zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True):
        meaning = next(meta.description for meta in HINTS[name].__metadata__ if meta.description)
        shown = {None: "unset", (): "none", SHIPPED_REGISTRY: "the shipped registry/prd"}.get(
            default, str(default)
        )
        yield PREFIX + name.upper(), shown, meaning


def _file_items(file: Path, must_exist: bool) -> list[tuple[str, Any]]:
    try:
        return list(tomllib.loads(file.read_text("utf-8")).items())
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not must_exist:
            return []
        raise SettingsError(f"file: {file.name} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"file: {file.name} is not TOML: {error}") from None


def _environment_items(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Ours, in the order of the alphabet; an empty variable counts as unset."""
    for variable in sorted(environ):
        foreign = (
            not variable.startswith(PREFIX) or variable == "MPS_CONFIG" or KUBERNETES_LINK.fullmatch(variable)
        )
        if not foreign and environ[variable]:
            yield variable.removeprefix(PREFIX).lower(), environ[variable]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _shares(text: str, spelled: str, source: Source) -> dict[str, str]:
    """``a=90,b=10``."""
    found: dict[str, str] = {}
    for part in _parts(text):
        name, _, percent = map(str.strip, part.partition("="))
        if not percent or name in found:
            raise SettingsError(
                f"{source}: {spelled}: expected model=percent,model=percent, each model once "
                f"(came: {text[:80]!r})"
            )
        found[name] = percent
    return found


def _nearest(name: str, source: Source) -> str:
    near = difflib.get_close_matches(name.lower(), HINTS, n=1, cutoff=0.5)
    if not near:
        return f"; known: {', '.join(HINTS)}"
    return f"; did you mean {PREFIX + near[0].upper() if source == 'environment' else near[0]!r}?"

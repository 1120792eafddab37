"""The only module that knows granian: the main process and what each worker runs."""

from __future__ import annotations

import atexit
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.constants import Interfaces, Loops
from granian.server import Server

from server.errors import ServerError, SettingsError
from server.settings import Resolved, Settings, resolve
from server.switching.state import State
from server.switching.supervisor import Supervisor
from server.v2.wire import check_installed

if TYPE_CHECKING:
    from server.counters import Counters
    from server.generation import Serving
    from server.switching.member import Member

SWITCH_INTERVAL_S = 0.0005
"""How long the thread of a large batch keeps the interpreter while a single row waits (Python: 5 ms)."""
DRAIN_S = 10
"""A worker that has not finished its requests by then, after being told to stop, is killed."""


def run(config: Path | None, flags: Mapping[str, str]) -> None:
    """Serve until told to stop.

    Args:
        config: the TOML file, if one was named.
        flags: environment variables that the command line sets.

    Raises:
        ServerError, RegistryError: the server cannot start.
    """
    environ = {**os.environ, **flags}

    def resolver(override: Mapping[str, Any]) -> Resolved:
        return resolve(environ, config, override)

    settings = resolver({}).settings
    _configure_logging(settings.log_level)
    _check_ports(settings)
    state = State(settings.state_folder())
    state.claim()
    supervisor = Supervisor(resolver, state, on_fatal=lambda: os.kill(os.getpid(), signal.SIGTERM))
    address = supervisor.run()
    _serve(settings, address, supervisor)
    if supervisor.fatal is not None:
        raise ServerError(supervisor.fatal)


def _serve(settings: Settings, address: str, supervisor: Supervisor) -> None:
    # A fork of a process with threads may inherit a held lock, and every open descriptor with it.
    multiprocessing.set_start_method("spawn", force=True)
    server = Server(
        "server.process:load_worker",
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.WSGI if settings.interface == "wsgi" else Interfaces.ASGINL,
        blocking_threads=settings.threads if settings.interface == "wsgi" else 1,
        workers=settings.workers,
        loop=Loops.asyncio,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_S,
        log_enabled=False,
    )
    server.respawned_wrks = _Respawned(supervisor)
    # SIGHUP: granian's own answer to it would replace the processes, and has no setting.
    server.signal_handler_reload = supervisor.reload_soon  # type: ignore[method-assign]
    try:
        server.serve(target_loader=partial(load_worker, address, settings.log_level), wrap_loader=False)
    except SystemExit:  # granian gave up
        raise ServerError("the workers died while they were starting; what they said is above") from None


class _Respawned(dict[int, float]):
    """When each worker was replaced. granian ends the whole server when a replacement dies within seconds.

    That is right while the server starts. Once it has served, a worker that dies twice is replaced twice.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__()
        self._supervisor = supervisor

    def __setitem__(self, worker: int, when: float) -> None:
        if not self._supervisor.has_served:
            super().__setitem__(worker, when)


def load_worker(address: str, log_level: str) -> Any:
    """Runs in each worker before its socket opens: join, then build the application."""
    gc.disable()  # while so much is made that stays
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read while numpy is imported: no thread to spin
    # Here and not above: the main process neither predicts nor routes, and stays small.
    from server.generation import Serving
    from server.shadow import Shadows
    from server.switching.member import Member

    atexit.register(_leave)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which stops the workers
    _configure_logging(log_level)
    serving = Serving()
    member = Member(address, serving)
    counters = member.join()
    serving.shadows = Shadows(counters)
    answer = _callable(serving, counters, partial(_application, serving, counters, member, address))
    gc.freeze()  # what is there now stays: no later collection has to walk through it
    gc.enable()
    return answer


def _callable(serving: Serving, counters: Counters, build: Callable[[], Any]) -> Any:
    """What granian calls, for the interface that is set."""
    settings = serving.generation.plan.resolved.settings
    if settings.interface == "asgi":
        return build()
    from server.front import Front
    from server.reading import BodyReader

    # granian lays each request's headers over the environment: a copy of all of it for each request, in which
    # HTTP_X_REQUEST_ID would be a header. Nothing of ours reads it any more; C still can.
    os.environ = {}  # type: ignore[assignment]  # noqa: B003
    return Front(build, serving, counters, BodyReader(settings.max_body_bytes, settings.threads))


def _application(serving: Serving, counters: Counters, member: Member, address: str) -> Any:
    """The whole application. The worker is up when it is there; without it, it is no worker."""
    try:
        from server.app import create_app  # takes as long as everything else at the start together

        app = create_app(serving, counters, address)
        if serving.generation.plan.resolved.settings.grpc_port is not None:
            from server.v2.rpc import start

            # Before the threads of its calls are waited for, which is before anything of atexit.
            Finalize(None, start(serving, counters, address), exitpriority=0)
    except Exception:
        logging.getLogger("mps").exception("the application cannot be built")
        sys.stderr.flush()
        os._exit(1)  # from whichever thread
    gc.freeze()
    member.up()
    return app


def _leave() -> None:
    """End a drained worker at once: granian's threads may panic while the interpreter is taken down."""
    sys.stderr.flush()
    os._exit(0)


def _configure_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(process)d] %(message)s"))
    log = logging.getLogger("mps")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(level)


def _check_ports(settings: Settings) -> None:
    """See that the server can listen where it is to.

    Raises:
        SettingsError: an address cannot be had, or what listens there is not installed.
    """
    _check_port(settings.api_host, settings.api_port, "MPS_API_PORT")
    if settings.grpc_port is not None:
        check_installed()
        if settings.grpc_port == settings.api_port:
            raise SettingsError(f"MPS_GRPC_PORT and MPS_API_PORT are both {settings.api_port}; change one")
        _check_port(settings.api_host, settings.grpc_port, "MPS_GRPC_PORT")


def _check_port(host: str, port: int, variable: str) -> None:
    """The workers' sockets share a port silently; two servers would answer for each other.

    Raises:
        SettingsError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; set {variable}"
        ) from None

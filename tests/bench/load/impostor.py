"""A server whose every answer is written by the test, byte by byte."""

from __future__ import annotations

import itertools
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from bench.load.spec import Exchange, Load

HOST = "127.0.0.1"
EXCHANGE = Exchange("/predict", b'{"x":1}', b'{"prediction":"yes"}')


class Reply(NamedTuple):
    """What is sent back."""

    parts: list[bytes]
    """Sent one by one."""
    then_close: bool = False
    then_reset: bool = False
    """As a process that is killed does, with all that was under way."""


Script = Callable[[int, bytes], Reply | None]
"""(number of the request, from 1 over all connections; its body) to the reply; None: close at once."""


def right(body: bytes = EXCHANGE.expected, status: str = "200 OK", more: str = "") -> bytes:
    """An answer in one piece; ``more`` are lines of its head."""
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def load(
    port: int,
    exchanges: tuple[Exchange, ...] = (EXCHANGE,),
    connections: int = 1,
    seconds: float = 0.2,
    rate_rps: float | None = None,
) -> Load:
    """A short one."""
    return Load(port, exchanges, connections, seconds, 0.02, rate_rps)


class Impostor:
    """``with Impostor(script) as impostor: ... impostor.port``"""

    def __init__(self, script: Script) -> None:
        """Nothing listens yet."""
        self.bodies: list[bytes] = []
        """Of every request, in order of arrival."""
        self.connections = 0
        """That were opened."""
        numbers = itertools.count(1)

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(handler) -> None:
                while body := _read(handler):
                    self.bodies.append(body)
                    reply = script(next(numbers), body)
                    for part in reply.parts if reply else ():
                        handler.request.sendall(part)
                    if reply is not None and reply.then_reset:
                        handler.request.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                        handler.request.close()
                    if reply is None or reply.then_close or reply.then_reset:
                        return

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def verify_request(server, request: object, client_address: object) -> bool:
                self.connections += 1
                return True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that goes away in the middle is none."""

        self._server = Server((HOST, 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        """Listen."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self.leave()

    def leave(self) -> None:
        """Connections that are open stay so; there will be no new ones."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def nobody() -> int:
    """A port on which nobody listens."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _read(handler: socketserver.StreamRequestHandler) -> bytes:
    """The body of the next request; empty at the end."""
    length = 0
    while (line := handler.rfile.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return handler.rfile.read(length)

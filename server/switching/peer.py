"""A worker as the supervisor sees it: a connection, and the process at its other end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct

from server.switching import messages
from server.switching.messages import Answer, Commit, Message, Prepare

log = logging.getLogger("mps")


class Gone(Exception):
    """A worker's connection ended."""


def check_user(writer: asyncio.StreamWriter) -> None:
    """An abstract address has no permissions; the kernel says who is at the other end.

    Raises:
        PermissionError: another user, who is not root.
    """
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, user, _ = struct.unpack("3i", credentials)
    if user not in (os.getuid(), 0):
        raise PermissionError(f"user {user} has no business here")


class Peer:
    """A worker as the supervisor sees it."""

    def __init__(self, pid: int, writer: asyncio.StreamWriter) -> None:
        """One per connection."""
        self.pid = pid
        self.latest = 0
        """The newest attempt that it has answered."""
        self.asked = 0
        """The newest attempt that it was told of."""
        self._writer = writer
        self._gone = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)  # unlike a number, it never comes to mean another process
        asyncio.get_running_loop().add_reader(self._pidfd, self._exited)
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()

    def heard(self, answer: Answer | None) -> None:
        """Hand over what the worker said; None when it is gone."""
        self.latest = answer.attempt if answer else self.latest
        self._answers.put_nowait(answer)

    def tell(self, message: Message) -> None:
        """Send without waiting."""
        self._writer.write(messages.line(message))

    async def ask(self, message: Prepare | Commit) -> Answer:
        """Send and wait for the answer to this very attempt; late answers to older ones are dropped.

        Raises:
            Gone: the worker died.
        """
        self.asked = message.attempt
        self.tell(message)
        while True:
            answer = await self._answers.get()
            if answer is None:
                self.heard(None)  # for whoever asks next
                raise Gone
            if answer.attempt == message.attempt:
                return answer

    async def end(self, grace_s: float = 0.0) -> None:
        """Return when the process is gone. After ``grace_s`` it is killed: it can be told nothing."""
        try:
            await asyncio.wait_for(self._gone.wait(), grace_s)
        except TimeoutError:
            if not self._gone.is_set():
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                log.error("worker %d was killed: it could not be told what to serve", self.pid)
            await self._gone.wait()

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._gone.set()

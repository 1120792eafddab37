"""Something that answers, for as long as a ``with`` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from bench.process import ServerProcess
from bench.targets.child import Child
from bench.targets.shelf import NAME, Shelf

SINGLE_PATH, BATCH_PATH = "/predict", "/predict/batch"


class Target(ABC):
    """A way to serve the model. All take the same requests; the block begins when it answers.

    Attributes:
        name: in reports.
        about: what it is, in a line.
        batches: it answers many rows at once.
        constant: it answers everything with the same label.
        port: on loopback, while the block lasts.
        versions: of what it is made of and Python's packages do not tell.
    """

    name: str
    about: str
    batches = True
    constant = False
    port: int

    @property
    def versions(self) -> dict[str, str]:
        """Name to version; nothing by default."""
        return {}

    @abstractmethod
    def __enter__(self) -> Self:
        """Start.

        Raises:
            BenchError: it does not come to answer; with what it said.
        """

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; nothing is left behind."""


class Ours(Target):
    """This project's server."""

    def __init__(self, shelf: Shelf, settings: Mapping[str, Any], name: str = "ours") -> None:
        """Prepare.

        Args:
            shelf: has the model.
            settings: of ``ServerProcess``.
            name: in reports, where there are several.
        """
        self.name = name
        told = "".join(f", {setting}={value}" for setting, value in settings.items())
        self.about = f"this server{told}"
        given = {"registry": shelf.registry, "model_type": NAME, "models": [NAME], **settings}
        self._server = ServerProcess(**given)
        self.port = self._server.port

    def __enter__(self) -> Self:
        """Ready: the golden rows were answered as by the trainer."""
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.__exit__(kind, error, trace)


class Foreign(Target):
    """Something else, in a process of its own that is told its port as the last argument."""

    def __init__(self, command: list[str], environ: dict[str, str] | None = None) -> None:
        """Prepare.

        Args:
            command: without the port.
            environ: set in addition.
        """
        self._child = Child(command, environ or {})
        self.port = self._child.port

    def __enter__(self) -> Self:
        """It accepts connections."""
        self._child.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._child.__exit__(kind, error, trace)

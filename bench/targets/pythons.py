"""The targets that are written in Python."""

from __future__ import annotations

import sys

from bench.targets.shelf import Shelf
from bench.targets.target import Foreign

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}


class Bare(Foreign):
    """granian and a callable, nothing between them."""

    def __init__(self, kind: str, shelf: Shelf) -> None:
        """Prepare; ``kind`` is one of ``bench.targets.host.KINDS``."""
        super().__init__([sys.executable, "-m", "bench.targets.host", kind, str(shelf.entry)], NO_TELEMETRY)


class BareRsgi(Bare):
    """The asynchronous interface."""

    name = "bare rsgi"
    about = "granian RSGI callable, uvloop: typed msgspec decode, array, onnxruntime, msgspec encode"

    def __init__(self, shelf: Shelf) -> None:
        """Prepare."""
        super().__init__("bare-rsgi", shelf)


class BareWsgi(Bare):
    """The synchronous interface."""

    name = "bare wsgi"
    about = "the same over granian WSGI with one blocking thread"

    def __init__(self, shelf: Shelf) -> None:
        """Prepare."""
        super().__init__("bare-wsgi", shelf)


class ConstantRsgi(Bare):
    """What granian itself can do, asynchronously."""

    name = "constant rsgi"
    about = "granian RSGI callable that answers everything with the same bytes"
    batches, constant = False, True

    def __init__(self, shelf: Shelf) -> None:
        """Prepare."""
        super().__init__("constant-rsgi", shelf)


class ConstantWsgi(Bare):
    """What granian itself can do, synchronously."""

    name = "constant wsgi"
    about = "granian WSGI callable, one blocking thread, that answers everything with the same bytes"
    batches, constant = False, True

    def __init__(self, shelf: Shelf) -> None:
        """Prepare."""
        super().__init__("constant-wsgi", shelf)


class Popular(Foreign):
    """The design that people start with."""

    name = "fastapi"
    about = (
        "FastAPI, pydantic, the forest of scikit-learn itself from joblib, uvicorn with uvloop and httptools"
    )

    def __init__(self, shelf: Shelf) -> None:
        """Prepare."""
        environ = {"OMP_NUM_THREADS": "1"}
        super().__init__([sys.executable, "-m", "bench.targets.popular", str(shelf.pickle)], environ)

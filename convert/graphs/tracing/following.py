"""Runs a function on what stands for its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from convert.errors import Unconvertible
from convert.graphs.tracing.elementwise import Unfollowed
from convert.graphs.tracing.functions import NUMPYS_OWN, Beside


def follow(name: str, run: Callable[[], Any]) -> Any:
    """Run a function on what stands for its data.

    Raises:
        Unconvertible: it cannot be followed; the text names it and what it did.
    """
    try:
        with _columns_beside():
            return run()
    except Unfollowed as error:
        raise Unconvertible(f"the function {name!r} cannot be followed: {error}") from error
    except Exception as error:  # whatever a user's function may raise
        reason = f"{type(error).__name__}: {error}".split("\n")[0][:150]
        raise Unconvertible(f"the function {name!r} cannot be followed: {reason}") from error


@contextmanager
def _columns_beside() -> Iterator[None]:
    setattr(np, "c_", Beside())  # noqa: B010  mypy knows it as final
    try:
        yield
    finally:
        setattr(np, "c_", NUMPYS_OWN)  # noqa: B010

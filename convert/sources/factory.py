"""Gets a fitted estimator from a function, told as ``package.module:function``."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convert.errors import SourceError, one_line

REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_reference(text: str) -> bool:
    """Whether a text has the form ``package.module:function``."""
    return REFERENCE.fullmatch(text) is not None


def call(reference: str) -> Any:
    """What the function returns: a fitted estimator. Modules of the working directory can be imported.

    Raises:
        SourceError: there is no such module or function, it raised, or it returned something else.
    """
    module, _, name = reference.partition(":")
    with _working_directory_importable():
        function = _function(module, name)
        try:
            made = function()
        except (Exception, SystemExit) as error:  # the user's own code
            raise SourceError(f"{reference} raised {one_line(error)}") from error
    if isinstance(made, type) or not hasattr(made, "predict"):
        kind = made.__name__ if isinstance(made, type) else type(made).__name__
        what = "the class" if isinstance(made, type) else "a"
        raise SourceError(f"{reference} returned {what} {kind}; expected a fitted estimator")
    return made


def _function(module: str, name: str) -> Any:
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # importing runs the user's own code
        absent = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        if absent:
            raise SourceError(
                f"{module}:{name}: there is no module {module!r}, neither installed nor in {Path.cwd()}"
            ) from error
        raise SourceError(f"importing {module!r} for {module}:{name} raised {one_line(error)}") from error
    function = getattr(imported, name, None)
    if not callable(function):
        found = "no function" if function is None else f"no function, but a {type(function).__name__},"
        raise SourceError(f"{module}:{name}: module {module!r} has {found} {name!r}")
    return function


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    """As ``python -m`` has it; a console script does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)

"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Histogram boosting starts a thread per core, and these wait for each other on busy machines. Set before
# anything imports a library that reads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: examples run real sessions on busy machines. In CI the same examples every time, so that a red
# run is the change's doing; everywhere else new ones.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """What the tests of this module start is not measured by coverage, for modules that start much of what
    others cover already: tracing makes the imports of a process half again as dear, and every request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # what ``patch = ["subprocess"]`` sets
        yield

"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: examples run real sessions on busy machines. In CI the same examples every time, so that a red
# run is the change's doing; everywhere else new ones.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")

"""One run of the load generator, in its own process: it patches the whole interpreter that imports it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.errors import LoadFailed
from bench.process import ServerProcess
from bench.samples import Samples

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
USERS = 4
WARM_UP_S = 1
STOP_S = 5.0
"""What is still unanswered at the end gets this long, instead of being cut off."""
SLACK_S = 60.0
"""Beyond the run itself; after that it hangs."""


class Traffic(msgspec.Struct, frozen=True):
    """What is sent."""

    user: str
    """A class of the Locust file."""
    rate_rps: float
    """Requests a second, of all users together."""
    seconds: int
    """Measured, after the warm-up. Locust counts in whole ones."""
    model: str = ""
    """Asked by name; empty: ``/predict``."""
    switch_between: tuple[str, ...] = ()

    def arguments(self, url: str, samples: Path) -> list[str]:
        """For Locust's command line."""
        options = {
            "--host": url,
            "--users": USERS,
            "--spawn-rate": USERS,
            "--run-time": self.seconds + WARM_UP_S,
            "--stop-timeout": f"{STOP_S:g}",
            "--loglevel": "WARNING",
            "--rate": f"{self.rate_rps / USERS:g}",
            "--warm-up-s": WARM_UP_S,
            "--samples": samples,
            "--model": self.model,
            "--switch-between": ",".join(self.switch_between),
        }
        pairs = [f"{option}={value}" for option, value in options.items()]
        return ["-f", str(LOCUSTFILE), "--headless", "--only-summary", *pairs, self.user]


def drive(server: ServerProcess, traffic: Traffic) -> Samples:
    """Load the server and bring the samples home.

    Raises:
        LoadFailed: the load generator left no samples; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        samples = Path(folder) / "samples.json"
        command = [sys.executable, "-m", "locust", *traffic.arguments(server.url, samples)]
        # Locust reads settings from LOCUST_* and from files in the working folder; neither is meant here.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        environ["BENCH_ADMIN_TOKEN"] = server.token
        # Without being installed, this project is found only from its own folder; the run has another.
        inherited = environ.get("PYTHONPATH")
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(LOCUSTFILE.parent.parent), inherited]))
        limit_s = traffic.seconds + WARM_UP_S + STOP_S + SLACK_S
        try:
            done = subprocess.run(
                command, cwd=folder, env=environ, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"the load generator did not end within {limit_s:g} s") from None
        if not samples.exists():
            said = (done.stderr.strip() or "(silent)").splitlines()[-1]
            raise LoadFailed(f"the load generator ended with {done.returncode} and no samples: {said}")
        return msgspec.json.decode(samples.read_bytes(), type=Samples)

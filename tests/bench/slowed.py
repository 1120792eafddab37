"""``python -m tests.bench.slowed PORT``: this server with a planted fault: each request wastes time.

Only what a request runs through is wrapped, so it does not matter how the server is built around it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import process_time, thread_time
from typing import Any

from bench.targets.shelf import NAME, Shelf
from bench.targets.target import Foreign
from server import process

SHARE = "BENCH_WASTED_SHARE"
MOST_S = 0.001
"""What a start or a pause between two loads took is nobody's request."""
honest_load_worker = process.load_worker


class Slowed(Foreign):
    """Ours with the fault."""

    name = "slowed"
    about = "this server, wasting time"

    def __init__(self, shelf: Shelf, state: Path, share: float) -> None:
        """Prepare.

        Args:
            shelf: has the model.
            state: folder of the server.
            share: of the processor time that a request takes; so much is wasted in addition.
        """
        settings = {
            "MPS_REGISTRY": str(shelf.registry),
            "MPS_MODEL_TYPE": NAME,
            "MPS_MODELS": NAME,
            "MPS_API_HOST": "127.0.0.1",
            "MPS_STATE_DIR": str(state),
        }
        command = [sys.executable, "-m", "tests.bench.slowed"]
        super().__init__(command, {**settings, SHARE: str(share)})


def load_worker(*arguments: Any) -> Any:
    """What each worker runs, behind the fault.

    What is wasted is measured in the processor time of the whole worker since the last request: on a slow
    or a busy machine it grows with everything else.
    """
    share = float(os.environ[SHARE])  # before: a worker that has started leaves its environment behind
    answer = honest_load_worker(*arguments)
    since_s = process_time()

    def slowed(*request: Any) -> Any:
        nonlocal since_s
        end_s = thread_time() + share * min(process_time() - since_s, MOST_S)
        while thread_time() < end_s:
            pass
        since_s = process_time()
        return answer(*request)

    return slowed


def main() -> None:
    """Serve, with the wrapped callable in the place of the honest one."""
    from tests.bench import slowed  # under its own name: the workers look it up there

    setattr(process, "load_worker", slowed.load_worker)  # noqa: B010  a looser signature, on purpose
    os.environ["MPS_API_PORT"] = sys.argv[1]
    process.run(None, {})


if __name__ == "__main__":
    main()

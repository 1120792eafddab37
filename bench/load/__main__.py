"""``python -m bench.load``: one load generator.

stdin: a ``Load`` as a line of JSON; then, once ``ready`` came on stdout, a line for each run with the time to
begin at, on the clock of ``time.monotonic``, which is the machine's. stdout: ``ready``, then a line with
``Timings`` as JSON for each run. It ends with stdin.
"""

from __future__ import annotations

import gc
import signal
import sys

import msgspec

from bench.load.closed import ClosedLoop
from bench.load.generator import limit_s
from bench.load.paced import PacedLoop
from bench.load.spec import Load


def main() -> int:
    """Run; 0 done, 1 the server cannot be reached, with one line on stderr."""
    load = msgspec.json.decode(sys.stdin.buffer.readline(), type=Load)
    kind = ClosedLoop if load.rate_rps is None else PacedLoop
    gc.disable()  # nothing here makes cycles, and a collection would count as the server's time
    print("ready", flush=True)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, limit_s(load))  # it ends, whatever happens to who started it
        try:
            with kind(load) as loop:
                timings = loop.run(float(line))
        except OSError as error:
            print(f"{load.host}:{load.port}: {error.strerror or error}", file=sys.stderr)
            return 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.buffer.write(msgspec.json.encode(timings) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

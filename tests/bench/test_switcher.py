"""The one that switches, against a server that does what a test wants."""

from __future__ import annotations

import json
import time

from bench.process import ServerProcess
from bench.switcher import Switcher
from tests.bench.load.impostor import Impostor, Reply, right

CHANGES = ({"model_type": "a"}, {"model_type": "b"})


def test_switches_follow_each_other_and_refusals_are_kept() -> None:
    """In turn, the first before the block begins; what is refused or not answered is told, and it goes on."""

    def script(number: int, body: bytes) -> Reply | None:
        model = json.loads(body)["model_type"]
        said = {
            2: Reply([right(b"{}", "409 Conflict")]),
            3: None,
            4: Reply([right(json.dumps({"generation": 9, "model": "other"}).encode())]),
        }
        answer = json.dumps({"generation": number, "model": model}).encode()
        return said.get(number, Reply([right(answer)]))

    with Impostor(script) as impostor:
        with Switcher(ServerProcess(api_port=impostor.port), CHANGES, every_s=0.001) as switcher:
            assert [(reload.generation, reload.model) for reload in switcher.reloads] == [(1, "a")]
            deadline = time.monotonic() + 20
            while len(switcher.reloads) < 3 and time.monotonic() < deadline:
                time.sleep(0.005)
        asked = [json.loads(body)["model_type"] for body in impostor.bodies]
    assert asked[:6] == ["a", "b", "a", "b", "a", "b"]
    named = [(reload.generation, reload.model) for reload in switcher.reloads]
    assert named[:3] == [(1, "a"), (5, "a"), (6, "b")]
    assert len(named) + 3 == len(asked)  # the last was waited for
    first, second, *_ = switcher.reloads
    assert first.sent_s < first.acknowledged_s < second.sent_s
    assert switcher.faults == [
        "reload to b: status 409: {}",
        "reload to a: no answer: Remote end closed connection without response",
        'reload to b: expected a generation of b, came {"generation": 9, "model": "other"}',
    ]

"""Four ways to load a running server, for Locust. Every answer is checked, not only timed.

    pip install 'ml-production-service[bench]'
    mps serve &
    locust -f bench/locustfile.py --headless -u 4 -r 4 -t 10s --host http://localhost:8000 JsonPredict

``JsonPredict``  one row a request
``Batch``        ``--batch-rows`` rows a request
``Mixed``        nine single rows to one batch
``Switching``    single rows to ``/predict`` while the served model is switched to and fro; needs
                 ``BENCH_ADMIN_TOKEN`` (the server's ``MPS_ADMIN_TOKEN``) and ``--switch-between a,b``

Each user sends ``--rate`` requests a second: ``-u 4 --rate 25`` is 100 requests a second. The row sent is the
example of the model's own signature, so any model of a registry can be loaded. ``--samples FILE`` writes the
exact latencies as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import locust
from locust import FastHttpUser, constant_throughput, task
from locust.argument_parser import LocustArgumentParser
from locust.exception import StopUser

from bench.answers import (
    MODEL,
    Classes,
    Generations,
    Headers,
    batch_fault,
    header_fault,
    reload_fault,
    single_fault,
)
from bench.samples import Recorder

SWITCH_EVERY_S = 0.25
Check = Callable[[int, bytes, Headers], str | None]
"""(status, body, headers) of an answer to what is wrong with it, or None."""


def add_options(parser: LocustArgumentParser) -> None:
    """Options that Locust shows in its own ``--help``."""
    parser.add_argument(
        "--model", default="", help="model to ask by name; none: /predict, whatever it serves"
    )
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second of each user")
    parser.add_argument("--batch-rows", type=int, default=1000, help="rows in one batch request")
    parser.add_argument("--switch-between", default="heuristic,xgboost", help="two models, with a comma")
    parser.add_argument("--samples", default="", help="file for the exact latencies, as JSON")
    parser.add_argument("--warm-up-s", type=float, default=0.0, help="seconds at the start without latencies")


def record(environment: Any, **_: Any) -> None:
    """Keep every latency as it was measured, when ``--samples`` asks for it."""
    options, hooks = environment.parsed_options, environment.events
    if options.samples:
        recorder = Recorder(Path(options.samples), options.warm_up_s)
        hooks.test_start.add_listener(recorder.start)
        hooks.request.add_listener(recorder.request)
        hooks.quitting.add_listener(recorder.write)


HOOKS: Any = locust.events  # its methods carry no types
HOOKS.init_command_line_parser.add_listener(add_options)
HOOKS.init.add_listener(record)


class Caller(FastHttpUser):
    """What the four have in common: a pace, a model, and its example row.

    A user waits for an answer before it sends the next request. At 25 requests a second nothing is left out
    by that while answers take less than 40 ms; slower ones lower the rate, and break the budget anyway.
    """

    abstract = True
    connection_timeout = network_timeout = 10.0
    count = 0

    def __init__(self, environment: Any) -> None:
        """Take the pace from the command line."""
        super().__init__(environment)
        self.options = environment.parsed_options
        self._pace = constant_throughput(self.options.rate)
        Caller.count += 1
        self._phase = Caller.count * 0.618 % 1  # multiples of the golden ratio spread any number of users

    def wait_time(self) -> float:
        """Seconds until the next request is due."""
        return self._pace(self)

    def on_start(self) -> None:
        """Learn what to send, and where."""
        model = self.options.model
        self.path = f"/models/{model}/predict" if model else "/predict"
        self.classes = self.learn(model or self.fetch("/health")["model"])
        self.fall_out_of_step()

    def fall_out_of_step(self) -> None:
        """Begin at this user's part of the period.

        Users that start together would send together for ever, and each answer be read only when this thread
        has sent the other requests: the figure would be this queue's, not the server's.
        """
        gevent.sleep(self._phase / self.options.rate)

    def learn(self, model: str) -> Classes:
        """Prepare the bodies once, encoding them each time would be measured too; answers the classes."""
        about = self.fetch(f"/models/{model}")
        self.row = json.dumps(about["example"])
        instances = [list(about["example"].values())] * self.options.batch_rows
        self.rows = json.dumps({"instances": instances})
        return frozenset(about["classes"])

    def fetch(self, path: str) -> dict[str, Any]:
        """A JSON answer; without it this user can do nothing."""
        with self.client.get(path, catch_response=True) as response:
            if response.status_code == 200:
                answer: dict[str, Any] = response.json()
                return answer
            response.failure(f"status {response.status_code}")
        raise StopUser

    def send(self, kind: str, path: str, body: str, check: Check, **headers: str) -> None:
        """One request, whose answer is held against ``check``."""
        headers["Content-Type"] = "application/json"
        with self.client.post(path, data=body, headers=headers, name=kind, catch_response=True) as response:
            fault = check(response.status_code, response.content or b"", response.headers or {})
            if fault:
                response.failure(fault)

    def predict(self) -> None:
        """One row."""
        self.send("predict", self.path, self.row, self.check_single)

    def batch(self) -> None:
        """Many rows."""
        self.send("batch", f"{self.path}/batch", self.rows, self.check_batch)

    def check_single(self, status: int, body: bytes, headers: Headers) -> str | None:
        """Of an answer to one row."""
        return single_fault(status, body, self.classes) or header_fault(headers)

    def check_batch(self, status: int, body: bytes, headers: Headers) -> str | None:
        """Of an answer to many rows."""
        return batch_fault(status, body, self.classes, self.options.batch_rows) or header_fault(headers)


class JsonPredict(Caller):
    """One row a request."""

    tasks = [Caller.predict]  # noqa: RUF012  Locust declares and reads it so


class Batch(Caller):
    """Many rows a request."""

    tasks = [Caller.batch]  # noqa: RUF012  the same


class Mixed(Caller):
    """Single rows beside batches: a batch must not hold them up."""

    @task(9)
    def one(self) -> None:
        """One row."""
        self.predict()

    @task(1)
    def many(self) -> None:
        """Many rows."""
        self.batch()


class Switching(Caller):
    """Single rows while the served model is switched: none may fail, or be answered by what was switched off.

    What is set on the class is shared by all users: switches come one at a time, and bind the answers to all.
    """

    generations = Generations()
    due_at = 0.0
    """When the next switch is due, on the perf_counter clock."""
    turn = 0

    def on_start(self) -> None:
        """Learn both models; ``/predict`` answers with either."""
        self.models = self.options.switch_between.split(",")
        self.classes_of = {model: self.learn(model) for model in self.models}
        self.fall_out_of_step()

    @task
    def predict_or_switch(self) -> None:
        """Predict, unless a switch is due: then this user switches while the others go on."""
        if time.perf_counter() < Switching.due_at:
            self.predict_across()
            return
        Switching.due_at = float("inf")  # nobody else begins one before this one is answered
        self.switch()
        Switching.due_at = time.perf_counter() + SWITCH_EVERY_S

    def predict_across(self) -> None:
        """One row, held against the switches that were confirmed before it was sent."""
        floor = self.generations.floor

        def check(status: int, body: bytes, headers: Headers) -> str | None:
            classes = self.classes_of.get(headers.get(MODEL) or "")
            return single_fault(status, body, classes) or self.generations.fault(floor, headers)

        self.send("predict", "/predict", self.row, check)

    def switch(self) -> None:
        """Serve the other model."""
        Switching.turn += 1
        model = self.models[Switching.turn % len(self.models)]

        def check(status: int, body: bytes, _: Headers) -> str | None:
            return reload_fault(status, body, model, self.generations)

        token = os.environ.get("BENCH_ADMIN_TOKEN", "")
        body = json.dumps({"model_type": model})
        self.send("reload", "/config/reload", body, check, Authorization=f"Bearer {token}")

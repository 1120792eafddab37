"""``python -m research.production.alone native|onnx FILE``: one model in a process of its own.

Prints resident bytes as JSON at three moments: numpy is there, the library is there, an answer was given.
Nothing is imported before it is wanted, so that each library is weighed where it belongs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def resident_bytes() -> int:
    """Of this process, from the kernel's own books."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def native(file: Path, row: list[float]) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """The library is imported here; what is returned loads the model, and asks it one row."""
    rows = np.array([row])
    if file.suffix == ".joblib":
        import joblib
        import sklearn.ensemble
        import sklearn.tree  # noqa: F401  what the pickle will want

        return lambda: joblib.load(file), lambda model: model.predict(rows)
    if b'"learner"' in file.read_bytes()[:100]:
        import xgboost

        def load() -> Any:
            model = xgboost.XGBClassifier(n_jobs=1)
            model.load_model(file)
            return model

        return load, lambda model: model.predict(rows)
    from convert.sources.rules import parse

    return lambda: parse(file.read_bytes(), str(file)), lambda model: model.predict(rows)


def onnx(file: Path, row: list[float]) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """The same of a folder of the registry, by the session that serves."""
    import msgspec

    from convert.measure import opened
    from registry.manifest import Manifest

    def load() -> Any:
        manifest = msgspec.json.decode((file / "manifest.json").read_bytes(), type=Manifest)
        return opened((file / "model.onnx").read_bytes(), manifest.signature)

    return load, lambda session: session.one_answer(tuple(row))


def main(arguments: list[str]) -> None:
    """Weigh and print."""
    form, file, row = arguments[0], Path(arguments[1]), json.loads(arguments[2])
    moments = [resident_bytes()]
    load, ask = {"native": native, "onnx": onnx}[form](file, row)
    moments.append(resident_bytes())
    ask(load())
    moments.append(resident_bytes())
    print(json.dumps(moments))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Four things with a color and a size, and a pipeline that tells two kinds of them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from convert.sources.table import Table, read

ROWS = [("red", 1.0, "x"), ("blue", 2.0, "y"), ("red", 3.0, "x"), ("green", 4.0, "y")]


def table(folder: Path, *lines: str) -> Table:
    """CSV with the columns color, size and kind."""
    (folder / "rows.csv").write_text("\n".join(["color,size,kind", *lines]))
    return read(folder / "rows.csv")


def pipeline(unknown: str, named: bool = True) -> Any:
    """Fitted on ROWS, with or without names."""
    import pandas as pd

    frame = pd.DataFrame({"color": [row[0] for row in ROWS], "size": [row[1] for row in ROWS]})
    encoder = OneHotEncoder(handle_unknown=unknown)
    model = make_pipeline(
        ColumnTransformer([("color", encoder, [0])], remainder="passthrough"), LogisticRegression()
    )
    return model.fit(frame if named else frame.to_numpy(object), [row[2] for row in ROWS])


LINES = [f"{color},{size},{kind}" for color, size, kind in ROWS]

"""What a model answers as tensors."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from registry.manifest import Feature, Label, Signature
from server.errors import InvalidValues
from server.jsonarray import PIECE
from server.session import Answers
from server.v2.message import Inference, Output
from server.v2.outputs import Outputs, encode
from tests.server.v2.asking import unpacked

FEATURES = (Feature(name="a", dtype="float32"),)
CHANCES = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]], np.float32)


def of(*classes: Label, dtype: str = "float32") -> Outputs:
    """Of a classifier; without classes, of a regression."""
    session: Any = SimpleNamespace(number_dtype=dtype)
    return Outputs(session, Signature(features=FEATURES, classes=classes, probabilities=bool(classes)))


COLOURS = of("red", "grün", "blue")
ANSWERS = Answers(np.array([1, 2]), CHANCES)


def told(outputs: Outputs, answers: Answers, *wanted: Output, **parameters: Any) -> list[dict[str, Any]]:
    """Outputs as an answer has them; those that are binary are unpacked."""
    asked = outputs.asked(Inference(outputs=wanted, parameters=parameters))
    said, behind = outputs.encoded(asked, answers)
    raws = iter(behind)
    for output in said:
        if "parameters" in output:
            raw = next(raws)
            assert output.pop("parameters") == {"binary_data_size": len(raw)}
            output["data"] = unpacked(output["datatype"], bytes(raw)).tolist()
            output["binary"] = True
        else:
            output["data"] = msgspec.json.decode(msgspec.json.encode(output["data"]))
    assert not list(raws)
    return said


def test_all_outputs_where_none_is_named() -> None:
    """In the model's order, flat, with shapes."""
    assert told(COLOURS, ANSWERS) == [
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["grün", "blue"]},
        {
            "name": "probabilities",
            "datatype": "FP32",
            "shape": [2, 3],
            "data": CHANCES.reshape(-1).tolist(),
        },
    ]


def test_the_named_ones_in_their_order() -> None:
    """Nothing else is in the answer."""
    two = told(COLOURS, ANSWERS, Output("probabilities"), Output("label"))
    assert [output["name"] for output in two] == ["probabilities", "label"]
    assert [output["name"] for output in told(COLOURS, ANSWERS, Output("label"))] == ["label"]


@pytest.mark.parametrize(
    ("request_level", "own", "binary"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_an_output_decides_over_the_request(request_level: bool, own: bool | None, binary: bool) -> None:
    """Binary where the output says so, else where the request does; the same values in both forms."""
    wanted = [
        Output(name, {} if own is None else {"binary_data": own}) for name in ("label", "probabilities")
    ]
    label, chances = told(COLOURS, ANSWERS, *wanted, binary_data_output=request_level)
    assert ("binary" in label, "binary" in chances) == (binary, binary)
    assert label["data"] == ["grün", "blue"]
    assert np.array(chances["data"]).reshape(-1).tolist() == CHANCES.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("classes", "datatype"),
    [((False, True), "BOOL"), ((0, 2**60 + 1), "INT64"), ((0.5, 1.5), "FP64"), (("a", "b"), "BYTES")],
)
@pytest.mark.parametrize("binary", [False, True])
def test_a_label_has_the_datatype_that_the_trainer_gave_it(
    classes: tuple[Label, ...], datatype: str, binary: bool
) -> None:
    """Whole numbers beyond a double's keep their last digit, in both forms."""
    outputs = of(*classes)
    assert outputs.named[0].datatype == datatype
    (label,) = told(
        outputs, Answers(np.array([1, 0]), np.empty((2, 0))), Output("label", {"binary_data": binary})
    )
    assert label["data"] == [classes[1], classes[0]]


@pytest.mark.parametrize("binary", [False, True])
def test_classification_tells_the_most_probable(binary: bool) -> None:
    """``value:index:label``, the first of equals first, and no more than there are."""
    wanted = Output("probabilities", {"classification": 2, "binary_data": binary})
    (best,) = told(COLOURS, ANSWERS, wanted)
    assert (best["datatype"], best["shape"]) == ("BYTES", [2, 2])
    assert best["data"] == ["0.5:1:grün", "0.25:0:red", "1.0:2:blue", "0.0:0:red"]
    (every,) = told(COLOURS, ANSWERS, Output("probabilities", {"classification": 10**30}))
    assert every["shape"] == [2, 3]
    alike = Answers(np.zeros(1, np.int64), np.tile(np.array([[1, 2, 3, 2]], np.float32) / 128, 16))
    (same,) = told(of(*range(64)), alike, Output("probabilities", {"classification": 16}))
    assert [text.split(":")[1] for text in same["data"]] == [str(index) for index in range(2, 64, 4)]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([Output("variable")], "no output 'variable'; there are: label, probabilities"),
        ([Output("label"), Output("label")], "asked for twice"),
        ([Output("label", {"classification": 1})], "classification is for the output probabilities"),
        ([Output("probabilities", {"classification": -1})], "whole number"),
        ([Output("label", {"binary_data": 1})], "true or false"),
    ],
)
def test_outputs_that_cannot_be_had(wanted: list[Output], words: str) -> None:
    """Said before the session runs."""
    with pytest.raises(InvalidValues, match=words):
        COLOURS.asked(Inference(outputs=tuple(wanted)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_json_has_no_word_for(dtype: str) -> None:
    """NaN is null, an infinity is refused rather than lost; as bytes both are what they are."""
    outputs, binary = of(dtype=dtype), Output("value", {"binary_data": True})
    missing = Answers(np.empty(0, np.int64), np.array([[np.nan], [1.5]], dtype))
    (value,) = told(outputs, missing)
    assert json.loads(encode({"outputs": [value]}, [])[0])["outputs"][0]["data"] == [None, 1.5]
    endless = Answers(np.empty(0, np.int64), np.array([[np.inf]], dtype))
    with pytest.raises(InvalidValues, match="infinite; ask for binary data"):
        told(outputs, endless)
    assert told(outputs, endless, binary)[0]["data"] == [np.inf]
    assert np.isnan(told(outputs, missing, binary)[0]["data"][0])


def test_long_answers_are_encoded_in_pieces() -> None:
    """The numbers are those of one call, and none is lost where a piece ends."""
    for rows in (0, 1, PIECE // 3, PIECE // 3 + 1, PIECE):
        chances = np.arange(rows * 3, dtype=np.float32).reshape(-1, 3) / 7
        labels = np.arange(rows) % 3
        label, numbers = told(COLOURS, Answers(labels, chances), Output("label"), Output("probabilities"))
        assert numbers["data"] == chances.reshape(-1).tolist()
        assert label["data"] == [("red", "grün", "blue")[index] for index in labels.tolist()]

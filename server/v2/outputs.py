"""What a model answers as tensors: which are asked for, in which form, and their bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.manifest import Signature, label_text
from server.fragments import Fragments
from server.jsonarray import written
from server.session import Answers, Session
from server.v2.datatypes import BYTES, NAMES, NUMPY, of_labels
from server.v2.message import Inference, Output, flag, whole
from server.v2.refusal import refuse

LENGTH = struct.Struct("<I")
Buffer = bytes | memoryview
"""Bytes of a tensor; those of numbers are not copied before the body is put together."""


class Asked(NamedTuple):
    """An output that is to be in the answer."""

    name: str
    binary: bool
    top: int
    """Classes that the classification extension is asked for; 0: it is not asked."""


class Named(NamedTuple):
    """An output of the model."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """Without the rows, which vary."""


class Outputs:
    """Makes the answers of one model. Safe to call from several threads."""

    def __init__(self, session: Session, signature: Signature) -> None:
        """Say labels as the trainer named them."""
        self._classes = signature.classes
        numbers = NAMES[session.number_dtype] if session.number_dtype else ""
        self.named = _named(signature, numbers)
        """In the model's order."""
        if signature.classes:
            texts = [label_text(label).encode() for label in signature.classes]
            self._texts = [text.decode() for text in texts]
            self._told = Fragments([msgspec.json.encode(label) for label in signature.classes], b",")
            datatype = self.named[0].datatype
            if datatype == BYTES:
                packed = [LENGTH.pack(len(text)) + text for text in texts]
            else:
                packed = [NUMPY[datatype].type(label).tobytes() for label in signature.classes]
            self._packed = Fragments(packed, b"")

    def asked(self, request: Inference) -> list[Asked]:
        """In the asked order; all, in the model's, where none is named.

        Raises:
            InvalidValues: there is no such output, or it cannot be had like that.
        """
        by_default = flag(request.parameters, "binary_data_output", False)
        wanted = request.outputs or [Output(each.name) for each in self.named]
        known = {each.name for each in self.named}
        found = []
        for output in wanted:
            if output.name not in known:
                raise refuse(f"no output {output.name[:80]!r}; there are: {', '.join(sorted(known))}")
            top = whole(output.parameters, "classification") or 0
            if top and output.name != "probabilities":
                raise refuse(f"output {output.name!r}: classification is for the output probabilities")
            found.append(Asked(output.name, flag(output.parameters, "binary_data", by_default), top))
        if len({each.name for each in found}) < len(found):
            raise refuse("an output is asked for twice")
        return found

    def encoded(self, asked: Sequence[Asked], answers: Answers) -> tuple[list[dict[str, Any]], list[Buffer]]:
        """The outputs of a response, and the bytes behind its JSON.

        Raises:
            InvalidValues: a number that JSON has no word for; binary data would have.
        """
        told, behind = [], []
        for each in asked:
            output, raw = self._one(each, answers)
            told.append(output)
            if raw is not None:
                behind.append(raw)
        return told, behind

    def _one(self, asked: Asked, answers: Answers) -> tuple[dict[str, Any], Buffer | None]:
        if asked.top:
            return self._classification(asked, answers.numbers)
        if asked.name == "label":
            return self._label(asked.binary, answers.labels)
        datatype = next(each.datatype for each in self.named if each.name == asked.name)
        numbers = np.ascontiguousarray(answers.numbers, NUMPY[datatype])
        output = {"name": asked.name, "datatype": datatype, "shape": list(numbers.shape)}
        if asked.binary:
            return _with_bytes(output, numbers.reshape(-1).view(np.uint8).data)
        if np.isinf(numbers).any():
            raise refuse(f"output {asked.name!r}: the model's answer is infinite; ask for binary data")
        return output | {"data": msgspec.Raw(written(numbers.reshape(-1)))}, None

    def _label(self, binary: bool, labels: NDArray[np.int64]) -> tuple[dict[str, Any], Buffer | None]:
        datatype = self.named[0].datatype
        output = {"name": "label", "datatype": datatype, "shape": [len(labels)]}
        if binary:
            return _with_bytes(output, self._packed.joined(labels))
        return output | {"data": msgspec.Raw(b"[%b]" % self._told.joined(labels))}, None

    def _classification(self, asked: Asked, numbers: NDArray[Any]) -> tuple[dict[str, Any], Buffer | None]:
        """``value:index:label`` of the most probable classes, the first of equals first."""
        order = np.argsort(-numbers, axis=1, kind="stable")[:, : asked.top]
        texts = [
            f"{numbers[row, index]!s}:{index}:{self._texts[index]}"
            for row, indices in enumerate(order.tolist())
            for index in indices
        ]
        output = {"name": asked.name, "datatype": BYTES, "shape": list(order.shape)}
        if not asked.binary:
            return output | {"data": texts}, None
        raws = [text.encode() for text in texts]
        return _with_bytes(output, b"".join([LENGTH.pack(len(raw)) + raw for raw in raws]))


def _named(signature: Signature, numbers: str) -> tuple[Named, ...]:
    if not signature.classes:
        return (Named("value", numbers, (1,)),)
    label = Named("label", of_labels(signature.classes), ())
    chances = Named("probabilities", numbers, (len(signature.classes),))
    return (label, chances) if signature.probabilities else (label,)


def _with_bytes(output: dict[str, Any], raw: Buffer) -> tuple[dict[str, Any], Buffer]:
    return output | {"parameters": {"binary_data_size": len(raw)}}, raw


def encode(response: dict[str, Any], behind: Sequence[Buffer]) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON where bytes follow."""
    text = msgspec.json.encode(response)
    return (b"".join([text, *behind]), len(text)) if behind else (text, None)

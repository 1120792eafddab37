"""The proof of a model on the machine that serves it: its golden rows, together and one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from registry.errors import BrokenEntry
from registry.manifest import Bound, Golden, Signature, Value, label_text
from server.session import Answers, Floats, Rows, Session, within


def prove(session: Session, signature: Signature, golden: Golden, bound: Bound) -> None:
    """Run the golden rows and hold the answers against the training library's.

    Where the bound is zero, a row alone and the same row among others therefore get the same bits.

    Raises:
        BrokenEntry: a label differs, or a number is beyond the bound.
    """
    together = _run(session, signature, golden.inputs)
    each = [_run_alone(session, signature, row) for row in golden.inputs]
    alone = Answers(*(np.concatenate(column) for column in zip(*each, strict=True)))
    for answers, how in ((together, ""), (alone, ", asked alone")):
        _check_labels(signature, golden, answers.labels, how)
        _check_numbers(signature, golden, answers.numbers, bound, how)


def _run(session: Session, signature: Signature, rows: Rows) -> Answers:
    try:
        answers = session.answers(session.feed(rows))
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
        raise BrokenEntry(f"onnxruntime fails on golden rows ({type(error).__name__})") from error
    return _shaped(answers, signature, len(rows))


def typed(signature: Signature, row: Sequence[Value]) -> tuple[Value, ...]:
    """The row as a decoder gives it: golden rows are kept with floats for integers."""
    kinds = [feature.dtype for feature in signature.features]
    return tuple(
        int(value) if kind == "int64" and value is not None else value
        for kind, value in zip(kinds, row, strict=True)
    )


def _run_alone(session: Session, signature: Signature, row: Sequence[Value]) -> Answers:
    """By the way that a request of one row takes."""
    try:
        answers = session.one_answer(typed(signature, row))
    except Exception as error:
        raise BrokenEntry(f"onnxruntime fails on a golden row alone ({type(error).__name__})") from error
    return _shaped(answers, signature, 1)


def _shaped(answers: Answers, signature: Signature, count: int) -> Answers:
    """Answers of the shape that the rows and the signature ask for: numpy would stretch others to fit."""
    classes = len(signature.classes)
    width = (classes if signature.probabilities else 0) if classes else 1
    shapes = answers.labels.shape, answers.numbers.shape
    if shapes != ((count if classes else 0,), (count, width)):
        raise BrokenEntry(f"the model answers {count} golden rows with arrays of the shapes {shapes}")
    return answers


def _check_labels(signature: Signature, golden: Golden, labels: NDArray[np.int64], how: str) -> None:
    expected = [signature.classes.index(label) for label in golden.labels]
    wrong = labels != np.array(expected, np.int64)
    if wrong.any():
        came = int(labels[wrong][0])
        known = 0 <= came < len(signature.classes)
        shown = label_text(signature.classes[came]) if known else f"number {came} of no class"
        raise _failure(golden, wrong, f"the label is not the training library's ({shown}{how})")


def _check_numbers(signature: Signature, golden: Golden, served: Floats, bound: Bound, how: str) -> None:
    columns: Sequence[Sequence[float]] = golden.probabilities or [(value,) for value in golden.values]
    expected = np.array(columns, np.float64).reshape(served.shape)
    beyond: NDArray[np.bool_] = ~np.all(within(served, expected, bound), axis=1)
    if beyond.any():
        off = np.abs(served[beyond][0] - expected[beyond][0]).max()
        what = "a probability" if signature.classes else "the value"
        off_by = f"off by {off:.3g}, allowed: {bound.words}{how}"
        raise _failure(golden, beyond, f"{what} is not the training library's ({off_by})")


def _failure(golden: Golden, rows: NDArray[np.bool_], complaint: str) -> BrokenEntry:
    first = int(np.flatnonzero(rows)[0])
    return BrokenEntry(
        f"{rows.sum()} of {len(golden.inputs)} golden rows fail, first row {first} ({golden.kinds[first]}): "
        f"{complaint}"
    )

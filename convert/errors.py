"""What can go wrong in a conversion.

ConvertError
├── SourceError      the model, card or data cannot be read, or they do not fit together
│   └── Refused      the trained model does not answer rows that it is asked about
├── Unconvertible    there is no faithful graph for this kind of model
└── ParityError      the graph does not answer as the trained model does; nothing is published
"""


class ConvertError(Exception):
    """Root of the conversion's errors; the text is one line that says what is wrong and what to do."""


class SourceError(ConvertError):
    """The model, card or data cannot be read, or they do not fit together."""


class Refused(SourceError):
    """The trained model does not answer; its own words are the first argument of the cause."""


class Unconvertible(ConvertError):
    """There is no faithful graph for this kind of model."""


class ParityError(ConvertError):
    """The graph does not answer as the trained model does."""


MAX_REASON = 200


def one_line(error: BaseException) -> str:
    """Class and first line of what an error says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:MAX_REASON]}".removesuffix(": ")

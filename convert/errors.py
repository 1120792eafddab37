"""What can go wrong in a conversion.

ConvertError
├── SourceError      the model, card or data cannot be read, or they do not fit together
├── Unconvertible    there is no faithful graph for this kind of model
└── ParityError      the graph does not answer as the trained model does; nothing is published
"""


class ConvertError(Exception):
    """Root of the conversion's errors; the text is one line that says what is wrong and what to do."""


class SourceError(ConvertError):
    """The model, card or data cannot be read, or they do not fit together."""


class Unconvertible(ConvertError):
    """There is no faithful graph for this kind of model."""


class ParityError(ConvertError):
    """The graph does not answer as the trained model does."""

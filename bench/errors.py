"""What can go wrong while measuring.

BenchError
├── ServerDied     the server ended, or never became ready
├── LoadFailed     the load generator ended without figures
├── ToolMissing    a program that only this measurement needs is not there
└── BadDocument    a page without its markers, or figures that cannot be read
"""


class BenchError(Exception):
    """Root of the bench's errors; the text says what is wrong and what to do."""


class ServerDied(BenchError):
    """The server ended, or never became ready."""


class LoadFailed(BenchError):
    """The load generator ended without figures."""


class ToolMissing(BenchError):
    """A program that only this measurement needs is not there."""


class BadDocument(BenchError):
    """A page without its markers, or figures that cannot be read."""

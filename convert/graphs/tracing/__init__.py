"""Follows a user's function: run once on an array or DataFrame that only writes down what is done to it.

Whatever cannot be followed to the bit, or not at all, is refused with the name of the operation: a branch
that looks at the data, a loop over rows, a function that is not among those here.
"""

from convert.graphs.tracing.arrays import Trace, Traced
from convert.graphs.tracing.following import follow
from convert.graphs.tracing.frames import TracedFrame

__all__ = ("Trace", "Traced", "TracedFrame", "follow")

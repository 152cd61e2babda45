"""Calling a student's function: what it raised, and on which of its lines."""

import linecache
import traceback
from collections.abc import Callable


def attempt(call: Callable[[], object]) -> tuple[object, Exception | None]:
    """What `call()` returns and what it raises; one of the two is None.

    An error with a true `about_the_machine`, such as a missing compiler, passes: no function is to blame for it.
    """
    try:
        return call(), None
    except Exception as error:  # any error of a student's function belongs in the report
        if getattr(error, "about_the_machine", False):
            raise
        return None, error


def name_of(function: Callable) -> str:
    """The function's name; that of the wrapped function for `functools.partial`."""
    inner = getattr(function, "func", function)
    return getattr(inner, "__name__", type(inner).__name__)


def raised(error: Exception, function: Callable) -> str:
    """The error in words: type, message and the line of the student's own code it came from."""
    if isinstance(error, NotImplementedError):
        return f"{name_of(function)} is not written yet: it raised NotImplementedError."
    text = f"{name_of(function)} raised {type(error).__name__}: {error}"
    line = _line(error, function)
    return f"{text}\n{line}" if line else text


def _line(error: Exception, function: Callable) -> str:
    code = getattr(getattr(function, "func", function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not own:
        return "\n".join(getattr(error, "__notes__", ()))  # of a function that runs elsewhere, and says where
    frame = own[-1]
    source = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f"It happened in {frame.name}, line {frame.lineno}" + (f": {source}" if source else ".")

"""The answers of a submission as names that the checks can call: the calls happen in the sandboxed kernel."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable

import numpy as np

from segedu.grading.wire import WireError, arrays_in, decode, encode

_MISLEADING = (UnicodeError, ExceptionGroup, StopIteration, StopAsyncIteration)  # the last two would end a check's loop
Ask = Callable[[str], str]
"""Sends a request to the kernel and returns its response."""


class RemoteError(Exception):
    """What an answer raised, where it is no exception of Python's own: a kernel's fault found by the checker, say."""


class MissingNameError(BaseException):
    """An answer does not define what its question asks for. Passes through checks that report exceptions."""


class NotAttemptedError(BaseException):
    """An answer raises the NotImplementedError that it was handed out with. Passes through checks, too."""


class Remote:
    """A function of the submission. Arrays that it changes in place are changed here, too.

    `changed` then holds the numbers of those arrays: an answer that overwrites its input changes what a check computes
    from the input afterwards, and must not pass for that.
    """

    def __init__(self, name: str, ask: Ask) -> None:
        self.__name__ = self.__qualname__ = name
        self._ask = ask
        self.changed: set[int] = set()

    def __call__(self, *args: object, **kwargs: object) -> object:
        request = {"name": self.__name__, "args": encode(args), "kwargs": encode(kwargs)}
        response = _response(self._ask(json.dumps(request)))
        given = dict(enumerate(arrays_in([args, kwargs])))
        for number, array in response.get("changed", {}).items():
            target, new = given.get(int(number)), decode(array)
            if target is not None and isinstance(new, np.ndarray) and target.shape == new.shape:
                target[...] = new
                self.changed.add(int(number))
        return decode(response.get("value"))


def value(name: str, ask: Ask) -> object:
    """A value that the submission computed."""
    return decode(_response(ask(json.dumps({"name": name}))).get("value"))


def _response(text: str) -> dict:
    try:
        response = json.loads(text)
    except (ValueError, RecursionError):
        raise WireError("the kernel's response cannot be read") from None
    if not isinstance(response, dict):
        raise WireError("the kernel's response cannot be read")
    if "missing" in response:
        raise MissingNameError(str(response["missing"])[:200])
    if "error" in response:
        raise _exception(response["error"])
    return response


def _exception(about: object) -> BaseException:
    """The exception that was raised in the kernel, as far as it is one of Python's own."""
    about = about if isinstance(about, dict) else {}
    name, message = str(about.get("type", "")), str(about.get("message", ""))[:20_000]
    kind = getattr(builtins, name, None)
    if name == "NotImplementedError":
        return NotAttemptedError(message)
    ordinary = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _MISLEADING)
    error = kind(message) if ordinary else RemoteError(f"{name}: {message}" if name else message)
    if where := str(about.get("where", ""))[:500]:
        error.add_note(where)
    error.of_answer = True
    return error


def is_of_answer(error: BaseException) -> bool:
    """Whether an exception was raised in the kernel, and not by a check itself."""
    return getattr(error, "of_answer", False)

"""What the trusted process and the sandboxed kernel say to each other: calls and their results, as JSON. No pickle.

Runs on both sides. The kernel's side may be tampered with by a submission; `decode` therefore builds nothing but
numbers, strings, lists, tuples, dictionaries and arrays of numbers.
"""

from __future__ import annotations

import base64
import json
import os
import traceback
from collections.abc import Iterator

import numpy as np

LARGEST = 64 << 20  # bytes of one array
_KINDS = "biufc"


class WireError(ValueError):
    """A value that cannot be sent or a message that cannot be read."""


def encode(value: object) -> object:
    """A value as JSON can hold it.

    Raises:
        WireError: it is of a type that is not sent; the message names the type.

    >>> decode(encode((1, [2.5, None], {"a": "text"})))
    (1, [2.5, None], {'a': 'text'})
    >>> decode(encode(np.array([[1, 2]], np.uint8)))
    array([[1, 2]], dtype=uint8)
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _encode_array(value)
    if isinstance(value, int):
        return {"int": str(int(value))}
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    raise WireError(f"a {type(value).__name__} cannot be compared: return numbers, arrays, lists or tuples")


def _encode_array(value: np.ndarray | np.generic) -> dict:
    array = np.asarray(value)
    if array.dtype.kind not in _KINDS:
        raise WireError(f"an array of dtype {array.dtype} cannot be compared: return an array of numbers")
    if array.nbytes > LARGEST:
        raise WireError(f"an array of {array.nbytes >> 20} MiB is too large; at most {LARGEST >> 20} MiB are read")
    data, scalar = base64.b64encode(array.tobytes()).decode("ascii"), isinstance(value, np.generic)
    return {"array": data, "dtype": array.dtype.str, "shape": list(array.shape), "scalar": scalar}


def decode(value: object) -> object:
    """The value that `encode` was given.

    Raises:
        WireError: this is nothing that `encode` makes.
    """
    if value is None or isinstance(value, bool | str):
        return value
    try:
        return [decode(item) for item in value] if isinstance(value, list) else _decode_tagged(value)
    except WireError:
        raise
    except Exception as error:  # whatever a message made to confuse may cause
        raise WireError(f"a message that cannot be read: {type(error).__name__}") from None


def _decode_tagged(value: dict) -> object:
    if "array" in value:
        dtype = np.dtype(str(value["dtype"]))
        if dtype.kind not in _KINDS:
            raise WireError("an array that does not hold numbers")
        shape = tuple(int(n) for n in value["shape"])
        array = np.frombuffer(base64.b64decode(value["array"], validate=True), dtype).reshape(shape).copy()
        return array[()] if value.get("scalar") else array
    if "int" in value:
        return int(value["int"][:4000])
    if "float" in value:
        return float.fromhex(value["float"])
    if "tuple" in value:
        return tuple(decode(item) for item in value["tuple"])
    if "dict" in value:
        return {decode(key): decode(item) for key, item in value["dict"]}
    raise WireError("a message that cannot be read")


def arrays_in(value: object) -> Iterator[np.ndarray]:
    """The arrays in lists, tuples and dictionaries, in a fixed order: a launch has its arrays in a tuple."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(item)


def answer(request: str, namespace: dict) -> str:
    """In the kernel: do what a request asks, with the names of `namespace`; returns the response, always ASCII.

    A request is {"name": …} for a value, or {"name": …, "args": …, "kwargs": …} for a call. The response holds the
    `value` and the arrays that the call `changed`, by their number; or the `error`, and `where` in a cell it happened;
    or the name that is `missing`.
    """
    try:
        asked = json.loads(request)
        if asked["name"] not in namespace:
            return json.dumps({"missing": asked["name"]})
        found = namespace[asked["name"]]
        if "args" not in asked:
            return json.dumps({"value": encode(found)})
        args, kwargs = decode(asked["args"]), decode(asked["kwargs"])
        given = list(arrays_in([args, kwargs]))
        before = [array.tobytes() for array in given]
        value = found(*args, **kwargs)
        changed = {
            str(i): encode(array)
            for i, (array, old) in enumerate(zip(given, before, strict=True))
            if array.tobytes() != old
        }
        return json.dumps({"value": encode(value), "changed": changed})
    except BaseException as error:  # also what is meant to end the process: it ends this call only
        about = {"type": type(error).__name__, "message": str(error), "where": _where(error)}
        return json.dumps({"error": about})


def _where(error: BaseException) -> str:
    """The line of a cell that an exception comes from. What is no file and has lines is a cell."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.line and not os.path.exists(f.filename)]
    return f"It happened in {frames[-1].name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""

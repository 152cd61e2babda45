"""Checkpoints: one file of arrays and JSON, written whole or not at all. Nothing in it is code, so any may be opened.

The file is in the safetensors format; its note "state" is JSON with the names of arrays where they belong.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np

from segedu.training.problems import TrainingError, disk_is_full

FORMAT = "segedu training 1"


def write(path: str | Path, state: object) -> None:
    """Write nested dictionaries and lists of arrays, numbers and strings to `path`, in place of what was there.

    The new file is complete on the disk before it takes the old one's name: whatever happens, one of them is there.

    Raises:
        TrainingError: the disk is full; the old file is as it was.
        TypeError: there is something else in `state`.
    """
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_packed(state, "", arrays), allow_nan=True)
    replace(path, save(arrays, metadata={"format": FORMAT, "state": text}))


def read(path: str | Path) -> object:
    """What `write` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        TrainingError: it is not a checkpoint, or broken.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except SafetensorError as error:
        raise TrainingError(f"{path} is no checkpoint, or broken: {error}") from error
    if notes.get("format") != FORMAT:
        raise TrainingError(
            f"{path} holds weights alone, not the state of a run; segedu.models.weights.load_file reads it"
        )
    return _unpacked(json.loads(notes["state"]), arrays)


def replace(path: str | Path, content: bytes) -> None:
    """Write a file in one go: it holds either the old content or the new one.

    Raises:
        TrainingError: the disk is full.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(scratch, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        if not disk_is_full(error):
            raise
        kept = f"The one before is still there: {path}." if path.exists() else "There is none before it."
        raise TrainingError(
            f"The disk is full: no room for {len(content) / 2**20:.1f} MB of {path.name} in {path.parent}. {kept} "
            "Make room, then go on from there."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _packed(value: object, place: str, arrays: dict[str, np.ndarray]) -> object:
    """`value` for JSON; arrays go into `arrays` under the name of their place. Keys that are numbers stay numbers."""
    if isinstance(value, np.ndarray):
        arrays[place] = np.ascontiguousarray(value).reshape(value.shape)
        return {"array": place}
    if isinstance(value, dict):
        return {"items": [[key, _packed(part, f"{place}/{key}", arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(part, f"{place}/{number}", arrays) for number, part in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{place} is a {type(value).__name__}; a checkpoint holds arrays, numbers and strings")


def _unpacked(value: object, arrays: dict[str, np.ndarray]) -> object:
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {key: _unpacked(part, arrays) for key, part in value["items"]}
    return [_unpacked(part, arrays) for part in value] if isinstance(value, list) else value

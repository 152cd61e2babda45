"""A run from the command line: its options, and what is made of them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from segedu import arguments, data, engines, models
from segedu.engines.machine import Machine
from segedu.training import checkpoints
from segedu.training.kept import Kept
from segedu.training.problems import TrainingError
from segedu.training.settings import Settings
from segedu.training.trainer import BEST, LAST, Trainer

OPTIONS = "run.json"
"""The file of a run's folder that holds its options."""

AUGMENTATIONS = ("flip", "scale", "colour", "elastic")


def augmentation(names: Sequence[str], void: int | None) -> object | None:
    """The transforms of `segedu.data.augment` by their names, one after the other, with their own defaults.

    >>> augmentation(["flip", "scale"], None)
    Compose(transforms=(Flip(horizontal=0.5, vertical=0.0), Scale(smallest=0.5, largest=2.0)))
    """
    from segedu.data.augment import Colour, Compose, Elastic, Flip, Scale

    kinds = {"flip": Flip, "scale": Scale, "colour": Colour, "elastic": lambda: Elastic(void=void)}
    if unknown := [name for name in names if name not in kinds]:
        raise ValueError(f"augment={unknown[0]!r} must be one of {', '.join(AUGMENTATIONS)}")
    return Compose([kinds[name]() for name in names]) if names else None


def open_split(options: dict, split: str) -> Kept:
    """A split of the run's data set; `limit` takes its first images only."""
    scenes = options["data"] in data.SCENES
    given = data_options(options.get("data_option", []))
    if scenes and options["size"]:
        given["size"] = arguments.pair(options["size"], "size")
    if options["size"] and not scenes:
        raise ValueError(
            f"size={options['size']} is for drawn scenes; crop={options['size']} cuts images of a data set"
        )
    dataset = data.open_dataset(options["data"], split, options["root"], options["download"], **given)
    return Kept(dataset, options["limit"])


def data_options(texts: Sequence[str]) -> dict[str, object]:
    """Options of a data set, NAME=VALUE each; numbers, true and false are what they say, A,B is a list.

    >>> data_options(["target=species", "grey=true", "void=128,0,0", "leave_out=beagle_116,"])
    {'target': 'species', 'grey': True, 'void': [128, 0, 0], 'leave_out': ['beagle_116']}
    """
    if bad := [text for text in texts if "=" not in text]:
        raise ValueError(f"data-option {bad[0]!r} must be NAME=VALUE, such as target=species")
    return {name: _value(text) for name, _, text in (text.partition("=") for text in texts)}


def _value(text: str) -> object:
    if "," in text:
        return [_value(part) for part in text.split(",") if part]
    try:
        return json.loads(text)
    except ValueError:
        return text


def trainer_of(options: dict, folder: Path) -> Trainer:
    """The trainer that the options describe."""
    machine = engines.get(options["engine"]).machine(options["device"], options["amp"])
    with machine.first_alone() if options["download"] else contextlib.nullcontext():
        dataset = open_split(options, "train")
    has_validation = "val" in data.splits(options["data"])
    model = models.create(
        options["model"],
        len(dataset.classes),
        dataset.in_channels,
        options["width"],
        options["engine"],
        options["seed"],
        options["first_weights"],
    )
    if options["weights"]:
        begin_with(model, options["weights"])
    chosen = {field.name: options[field.name] for field in fields(Settings) if field.name in options}
    per_epoch = -(-len(dataset) // options["batch"])
    steps = options["steps"] if options["steps"] is not None else options["epochs"] * per_epoch
    return Trainer(
        model,
        dataset,
        open_split(options, "val") if has_validation else None,
        folder,
        augmentation(options["augment"], dataset.void),
        options["device"],
        options["amp"],
        options["every"],
        **{**chosen, "steps": steps},
    )


def begin_with(model: object, path: str | Path) -> None:
    """Begin with the weights in a file: a checkpoint, weights alone, or torchvision's as safetensors."""
    from safetensors.numpy import load_file

    try:
        found = checkpoints.read(path)["model"]
    except TrainingError:
        found = load_file(str(path))
    own = models.weights.arrays(model)
    if found.keys() == own.keys():
        models.weights.load(model, found)
    else:
        models.weights.load_torchvision(model, found)


def load(path: str | Path, engine: str | None = None) -> tuple[object, dict]:
    """The network of a run, ready to use, and the checkpoint that it comes from.

    Args:
        path: a run's folder, whose best checkpoint is taken (the last where there was no validation); or a checkpoint.
        engine: on which it computes; that of the run when None.

    Raises:
        FileNotFoundError: there is no checkpoint.
        TrainingError: the file is no checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in (BEST, LAST) if (path / name).exists()), path / BEST)
    state = checkpoints.read(path)
    if state["network"] is None:
        raise TrainingError(f"{path} does not say which network it belongs to: it was not made by segedu.models.create")
    model = models.create(**state["network"], engine=engine or state["engine"])
    models.weights.load(model, state["model"])
    return model, state


def about(state: dict, machine: Machine, split: str, dataset: Sequence) -> dict[str, object]:
    """What scores must say of themselves: of which network, on which images, and where and when they were found."""
    return {
        "network": state["network"],
        "trained_by": state["engine"],
        "settings": state["settings"],
        "checkpoint_step": state["step"],
        "data": dataset.name,
        "split": split,
        "images": len(dataset),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": repr(machine),
        "versions": {name: sys.modules[name].__version__ for name in ("numpy", "torch", "cupy") if name in sys.modules},
    }


def write_options(folder: Path, options: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.replace(folder / OPTIONS, (json.dumps(options, indent=2) + "\n").encode())


def read_options(folder: Path) -> dict:
    """The options with which a run was begun.

    Raises:
        FileNotFoundError: there is no run in the folder.
    """
    if not (folder / OPTIONS).is_file():
        raise FileNotFoundError(f"there is no run in {folder}: {folder / OPTIONS} is missing")
    return json.loads((folder / OPTIONS).read_text(encoding="utf-8"))

"""`python -m segedu train`, `evaluate` and `predict`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from segedu import data, engines, models
from segedu.models.initial import GAINS
from segedu.training import run
from segedu.training.checkpoints import replace
from segedu.training.evaluation import evaluate as scores_of
from segedu.training.pictures import save_curve, save_prediction
from segedu.training.problems import TrainingError
from segedu.training.progress import advancing
from segedu.training.settings import LOSSES, OPTIMIZERS, SCHEDULES, Settings
from segedu.training.trainer import LAST

EXPECTED = (TrainingError, ValueError, OSError)
"""Errors whose message says all: they are shown without a traceback."""


def train(arguments: Sequence[str]) -> int:
    """Train a network, or go on with a run."""
    given = vars(_train_parser().parse_args(arguments))
    return _explained(lambda: _train(given))


def evaluate(arguments: Sequence[str]) -> int:
    """Score the network of a run on a split."""
    given = _evaluate_parser().parse_args(arguments)
    given.command = shlex.join(["python", "-m", "segedu", "evaluate", *arguments])
    return _explained(lambda: _evaluate(given))


def predict(arguments: Sequence[str]) -> int:
    """Write what the network of a run sees in images."""
    given = _predict_parser().parse_args(arguments)
    return _explained(lambda: _predict(given))


def _explained(command: Callable[[], int]) -> int:
    try:
        return command()
    except EXPECTED as error:
        print(f"segedu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("segedu: stopped at once; the last checkpoint, if there is one, is whole", file=sys.stderr)
        return 130


# --- train --------------------------------------------------------------------------------------

DEFAULTS = {
    "model": "unet",
    "data": "street",
    "engine": "torch",
    "width": 1.0,
    "epochs": 10,
    "steps": None,
    "batch": Settings.batch,
    "crop": None,
    "size": None,
    "lr": Settings.lr,
    "optimizer": Settings.optimizer,
    "momentum": Settings.momentum,
    "weight_decay": Settings.weight_decay,
    "schedule": Settings.schedule,
    "loss": Settings.loss,
    "class_weights": None,
    "augment": [],
    "seed": 0,
    "amp": None,
    "device": None,
    "every": None,
    "limit": None,
    "data_option": [],
    "root": None,
    "download": False,
    "weights": None,
    "first_weights": "pytorch",
}

EXAMPLES = """examples:
  python -m segedu train --data street --size 64 --width 0.25 --engine numpy --limit 50 --out runs/streets
  python -m segedu train --model fcn8s --data camvid --crop 352 480 --augment flip scale --amp bf16 --out runs/fcn8s
  python -m segedu train --resume --out runs/fcn8s
  python -m segedu train --data pet --data-option target=species leave_out=known_broken --crop 256 --out runs/pets
  torchrun --nproc-per-node 2 -m segedu train --data camvid --batch 16 --out runs/two_gpus"""


def _train_parser() -> argparse.ArgumentParser:
    """Only what was given is among the results, so that a run that goes on keeps the rest."""
    parser = argparse.ArgumentParser(
        prog="python -m segedu train",
        description=train.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )

    def add(name: str, text: str, **options: object) -> None:
        default = DEFAULTS.get(name.strip("-").replace("-", "_"))
        shown = "" if default in (None, [], False) else f" ({default})"
        parser.add_argument(name, help=text + shown, **options)

    losses = [name.partition("_")[0] if name != "cross_entropy" else name for name in LOSSES]
    add("--model", "network", choices=models.names(), metavar="NAME")
    add("--data", "data set", choices=data.names(), metavar="NAME")
    add("--engine", "what computes", choices=engines.NAMES)
    add("--width", "factor on the channels of all layers", type=float)
    add("--epochs", "how often every image is seen", type=int)
    add("--steps", "how many steps, in place of epochs", type=int)
    add("--batch", "images a step, of all processes together", type=int)
    add("--crop", "height and width that are cut out of each image", type=int, nargs="+", metavar="PIXELS")
    add("--size", "height and width of drawn scenes", type=int, nargs="+", metavar="PIXELS")
    add("--lr", "learning rate", type=float)
    add("--optimizer", "optimiser", choices=list(OPTIMIZERS))
    add("--momentum", "of sgd", type=float)
    add("--weight-decay", "weight decay", type=float)
    add("--schedule", "of the learning rate", choices=SCHEDULES)
    add("--loss", "loss", choices=losses)
    add("--class-weights", "median-frequency balancing", choices=["median"])
    add("--augment", f"any of {', '.join(run.AUGMENTATIONS)}", nargs="*", choices=run.AUGMENTATIONS, metavar="NAME")
    add("--seed", "of weights, order, augmentation, dropout", type=int)
    add("--amp", "mixed precision, engine torch", choices=["bf16", "fp16"])
    add("--device", "cpu, cuda:0 …, engine torch (a GPU where there is one)")
    add("--every", "validate and save after so many steps (an epoch)", type=int, metavar="STEPS")
    add("--limit", "use the first images of each split only", type=int, metavar="N")
    add("--data-option", "of the data set itself, such as target=species", nargs="*", metavar="NAME=VALUE")
    add("--root", "folder of the data set, else SEGEDU_DATA, else the cache", metavar="FOLDER")
    add("--download", "fetch the data set where it is not found", action="store_true")
    add("--first-weights", "he: for deep networks without normalisation", choices=list(GAINS))
    add("--weights", "begin with these weights: a checkpoint, or torchvision's as safetensors", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", default=False, help="go on with the run in that folder")
    return parser


def _train(given: dict) -> int:
    folder, resume = given.pop("out"), given.pop("resume")
    if not resume and (folder / LAST).exists():
        raise FileExistsError(
            f"there is a run in {folder} already: --resume goes on with it, another --out begins anew"
        )
    options = {**DEFAULTS, **(run.read_options(folder) if resume else {}), **given}
    trainer = run.trainer_of(options, folder)
    first = trainer.machine.rank == 0
    if resume:
        changes = trainer.resume(changed=bool(given))
        _say(first, f"Going on after step {trainer.step} of {trainer.settings.steps}, on {trainer.machine!r}.")
        _say(first and changes, f"From here on: {', '.join(changes)}.")
    else:
        size = models.count_parameters(trainer.model)
        _say(first, f"{options['model']}, {size:,} parameters, on {trainer.machine!r}.")
        _say(first, f"{len(trainer.dataset)} images, {trainer.settings.steps} steps of {trainer.settings.batch}.")
    if first:
        run.write_options(folder, options)
    history = trainer.fit(show=True)
    trainer.machine.close()
    if first:
        _report(trainer, history, folder)
    return 0


def _report(trainer: object, history: object, folder: Path) -> None:
    save_curve(history, folder / "curve.png")
    if trainer.step < trainer.settings.steps:
        print(f"Saved after step {trainer.step}. To go on: python -m segedu train --resume --out {folder}")
        return
    best = f" Best validation mIoU: {100 * trainer.best:.1f} %." if trainer.best >= 0 else ""
    print(f"Done: step {trainer.step}.{best}")
    print(f"Next: python -m segedu evaluate {folder}, python -m segedu predict {folder}")


def _say(really: object, text: str) -> None:
    if really:
        print(text, flush=True)


# --- evaluate and predict -----------------------------------------------------------------------


def _of_a_run(name: str, text: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m segedu {name}", description=text)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run, its best network; or a checkpoint")
    parser.add_argument("--engine", choices=engines.NAMES, help="what computes (that of the run)")
    parser.add_argument("--device", help="cpu, cuda:0 …, engine torch (a GPU where there is one)")
    parser.add_argument("--split", help="train, val, test … of the run's data set (val)", default="val")
    parser.add_argument("--limit", type=int, metavar="N", help="the first images only")
    parser.add_argument("--root", metavar="FOLDER", help="folder of the data set (that of the run)")
    return parser


def _evaluate_parser() -> argparse.ArgumentParser:
    parser = _of_a_run("evaluate", evaluate.__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the scores go (scores_SPLIT.json in the run)")
    return parser


def _predict_parser() -> argparse.ArgumentParser:
    parser = _of_a_run("predict", predict.__doc__)
    parser.add_argument("images", type=Path, nargs="*", help="image files or folders of them; else those of the split")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the pictures go (predictions in the run)")
    return parser


def _folder_of(given: argparse.Namespace) -> Path:
    return given.run if given.run.is_dir() else given.run.parent


def _dataset_of(given: argparse.Namespace) -> object:
    options = run.read_options(_folder_of(given))
    options |= {"root": given.root or options["root"], "limit": given.limit or options["limit"]}
    return run.open_split(options, given.split)


def _evaluate(given: argparse.Namespace) -> int:
    model, state = run.load(given.run, given.engine)
    dataset = _dataset_of(given)
    machine = model.nn.machine(given.device)
    machine.place(model)
    with advancing("evaluating", len(dataset)) as advance:
        scores = scores_of(model, dataset, machine, advance)
    place = given.json or _folder_of(given) / f"scores_{given.split}.json"
    about = run.about(state, machine, given.split, dataset) | {"command": given.command}
    replace(place, (json.dumps({**about, **scores.as_dict()}, indent=1) + "\n").encode())
    print(f"{dataset.name}, {given.split}, {len(dataset)} images; the network of step {state['step']}; percent\n")
    print(f"{scores}\n\nWritten: {place}")
    return 0


def _predict(given: argparse.Namespace) -> int:
    model, state = run.load(given.run, given.engine)
    machine = model.nn.machine(given.device)
    machine.place(model)
    folder = given.out or _folder_of(given) / "predictions"
    images = _images(given, model.in_channels)
    with advancing("predicting", len(images)) as advance:
        for done, (name, read) in enumerate(images, 1):
            save_prediction(model, machine, read(), state["data"], folder / name)
            advance(done, len(images))
    print(f"Written: {len(images)} × …_overlay.png and …_labels.png in {folder}")
    return 0


def _images(given: argparse.Namespace, channels: int) -> list[tuple[str, object]]:
    """Pairs of a name and a function that reads the image."""
    from segedu.data.images import ENDINGS, read_image

    if not given.images:
        dataset = _dataset_of(given)
        return [(dataset.names[i], lambda i=i: dataset[i][0]) for i in range(len(dataset))]
    paths = [
        path
        for place in given.images
        for path in (sorted(p for p in place.iterdir() if p.suffix.lower() in ENDINGS) if place.is_dir() else [place])
    ]
    if not paths:
        raise FileNotFoundError(f"there are no images in {', '.join(str(place) for place in given.images)}")
    return [(path.stem, lambda path=path: read_image(path, channels)) for path in paths[: given.limit]]

"""`python -m segedu family`: train every network alike on one data set, score and time it, and write a record."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from benchmarks import machine as computer
from benchmarks import record, timing
from segedu import data, engines, models
from segedu.training import Scores, Trainer, TrainingError
from segedu.training.run import augmentation, open_split

SAMPLES = 7
SETTINGS = (
    *("data", "size", "crop", "limit", "split", "engine", "device", "amp", "threads"),
    *("width", "steps", "batch", "lr", "augment", "seeds"),
)
"""What makes two records comparable, network by network."""
EXPECTED = (TrainingError, ValueError, OSError)

EXAMPLES = """examples:
  python -m segedu family
  python -m segedu family --only unet fcn8s --steps 300 --seeds 0 1 2 --json my_record.json
  python -m segedu family --data camvid --crop 352 480 --width 1 --steps 20000 --batch 8 --lr 1e-3 \\
      --augment flip scale --amp bf16 --threads 8 --runs runs/family

A network that is done is kept: the same command again goes on with the next one; with --runs in the middle of one."""


def parser() -> argparse.ArgumentParser:
    """The options of the command: those of a run, alike for all networks, then which networks and where to."""
    result = argparse.ArgumentParser(
        prog="python -m segedu family",
        description=__doc__.partition(": ")[2],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    alike = result.add_argument_group("alike for all networks")
    alike.add_argument("--data", default="street", choices=data.names(), help="data set (street)")
    alike.add_argument("--size", type=int, nargs="+", help="height and width of drawn scenes (64)")
    alike.add_argument("--crop", type=int, nargs="+", help="height and width that is cut out of every image")
    alike.add_argument("--limit", type=int, help="so many images of each split (40 of drawn scenes, else all)")
    alike.add_argument("--split", default="test", help="the images that are scored, once, at the end (test)")
    alike.add_argument("--engine", default="torch", choices=engines.NAMES, help="what computes (torch)")
    alike.add_argument("--device", help="cpu, cuda:0 …; a GPU where there is one")
    alike.add_argument("--amp", choices=("bf16", "fp16"), help="mixed precision, engine torch")
    alike.add_argument("--threads", type=int, default=1, help="of the CPU (1: then processor time is measured)")
    alike.add_argument("--width", type=float, default=0.125, help="factor on the channels (0.125; published: 1)")
    alike.add_argument("--steps", type=int, default=150, help="of training (150)")
    alike.add_argument("--batch", type=int, default=4, help="images a step, at least 2 (4)")
    alike.add_argument("--lr", type=float, default=3e-3, help="Adam's first learning rate, poly schedule (0.003)")
    alike.add_argument("--augment", nargs="*", default=[], help="flip, scale, colour, elastic")
    alike.add_argument("--seeds", type=int, nargs="+", default=[0], help="each network is trained once with each (0)")
    result.add_argument("--root", help="folder of the data set")
    result.add_argument("--only", nargs="+", choices=models.names(), metavar="NAME", help="these networks")
    result.add_argument("--runs", type=Path, help="folder for checkpoints, to go on in the middle of a network")
    result.add_argument("--json", type=Path, help="the record (benchmarks/records/family-DATA-MACHINE.json)")
    result.add_argument("--again", action="store_true", help="begin the record anew")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a network failed or an option is wrong, 130 where the run was broken off."""
    options = parser().parse_args(arguments)
    try:
        return Family(options).run()
    except EXPECTED as error:
        print(f"segedu: {error}", file=sys.stderr)
        return 1


class Family:
    """All runs of one command, and the record that grows with each of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        drawn = options.data in data.SCENES
        options.size = (options.size or [64]) if drawn else options.size
        options.limit = (options.limit or 40) if drawn else options.limit
        if options.batch < 2:
            raise ValueError(f"batch={options.batch} must be at least 2: some networks normalise one value an image")
        self.options = options
        self.train, self.scored = self._open("train"), self._open(options.split)
        self.hardware = hardware(options)
        self.path = options.json or default_path(options.data, self.hardware)

    def run(self) -> int:
        """Train what the record lacks; after each network the record is written."""
        options = self.options
        result = self._begun()
        wanted = [(name, seed) for name in options.only or models.names() for seed in options.seeds]
        done = {(run["network"], run["seed"]) for run in result["runs"]}
        result["failed"] = [one for one in result["failed"] if (one["network"], one["seed"]) not in wanted]
        print(f"{len(wanted)} runs, {len(done.intersection(wanted))} of them done; record: {self.path}", flush=True)
        with timing.threads(options.threads):
            for name, seed in (pair for pair in wanted if pair not in done):
                try:
                    run = self._run(name, seed)
                except KeyboardInterrupt:
                    print(f"Broken off at {name}; the networks before it are kept. The same command goes on.")
                    return 130
                except EXPECTED as error:
                    run = {"network": name, "seed": seed, "reason": str(error)}
                result["failed" if "reason" in run else "runs"].append(run)
                self._write(result)
                print(line(run), flush=True)
        return 1 if result["failed"] else 0

    def _open(self, split: str) -> Sequence:
        given = {"data": self.options.data, "size": self.options.size, "root": self.options.root, "download": False}
        return open_split({**given, "limit": self.options.limit}, split)

    def _begun(self) -> dict:
        """The record of before, if it was made alike; else one without runs."""
        options = self.options
        fresh = {
            "format": record.FORMAT,
            "command": command(options),
            "date": now(),
            "settings": {name: getattr(options, name) for name in SETTINGS},
            "hardware": self.hardware,
            "machine": computer.describe(),
            "versions": computer.versions(),
            "load_before": computer.load(),
            "clock": clock_name(options, self.hardware),
            "classes": list(self.train.classes),
            "images": {"train": len(self.train), options.split: len(self.scored)},
            "commonest_class": commonest_class(self.train, self.scored).as_dict()["mean_iou"],
            "runs": [],
            "failed": [],
        }
        if options.again or not self.path.exists():
            return fresh
        before = record.read(self.path)
        fixed = ("settings", "hardware", "versions", "classes", "images")
        changed = [name for name in fixed if before.get(name) != fresh[name]]
        if changed:
            raise ValueError(
                f"{self.path} was made with other {', '.join(changed)}: all networks of a record are treated alike. "
                "--again begins it anew, --json takes another file."
            )
        return before

    def _run(self, name: str, seed: int) -> dict:
        """Train, score and time one network."""
        options, classes = self.options, len(self.train.classes)
        model = models.create(name, classes, self.train.in_channels, options.width, options.engine, seed)
        folder = options.runs and options.runs / f"{name}-{seed}"
        trainer = Trainer(
            model,
            self.train,
            folder=folder,
            augment=augmentation(options.augment, self.train.void),
            device=options.device,
            amp=options.amp,
            every=1000,
            steps=options.steps,
            batch=options.batch,
            crop=options.crop,
            lr=options.lr,
            schedule="poly",
            seed=seed,
        )
        if folder and (folder / "last.safetensors").exists():
            trainer.resume()
        history = trainer.fit(show=False)
        if trainer.step < options.steps:
            raise KeyboardInterrupt  # the trainer ended the step and saved
        scores = trainer.evaluate(self.scored).as_dict()
        clock = timing.CLOCKS[clock_name(options, self.hardware)]
        return {
            "network": name,
            "seed": seed,
            "parameters": models.count_parameters(model),
            "parameters_published_width": models.count_parameters(models.build(name, classes, self.train.in_channels)),
            "loss": statistics.fmean(one["loss"] for one in history.records[-10:]),
            "mean_iou": scores["mean_iou"],
            "pixel_accuracy": scores["pixel_accuracy"],
            "iou": {label: found["iou"] for label, found in scores["classes"].items()},
            "forward_s": seconds(forward(trainer), clock),
            "step_s": seconds(training_step(trainer), clock),
            "date": now(),
        }

    def _write(self, result: dict) -> None:
        """The record holds either what it held or all that is known now."""
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        record.write(result | {"date": now()}, scratch)
        scratch.replace(self.path)


def forward(trainer: Trainer) -> Callable[[], object]:
    """One image through the network, as when it is used, to scores in the memory of the CPU."""
    model, machine = trainer.model, trainer.machine
    images, _ = trainer.batches[0]

    def call() -> np.ndarray:
        with model.nn.no_grad(), machine.precision():
            return model.nn.array(model(x))

    model.eval()
    x = machine.tensor(images[:1])
    return call


def training_step(trainer: Trainer) -> Callable[[], object]:
    """Forward, loss, gradient and update with a batch that is ready. The network learns on, so it comes last."""
    model, machine = trainer.model, trainer.machine
    images, labels = trainer.batches[0]
    x = machine.tensor(images)

    def call() -> float:
        trainer.optimizer.zero_grad()
        with machine.precision():
            logits = model(x)
        loss = machine.loss("cross_entropy", logits, labels, None, trainer.dataset.void)
        machine.backward(loss)
        machine.update(trainer.optimizer)
        return loss.item()

    model.train()
    return call


def seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """The median of several calls, after one untimed."""
    call()
    samples = []
    for _ in range(SAMPLES):
        began = clock()
        call()
        samples.append(clock() - began)
    return statistics.median(samples)


def commonest_class(train: Sequence, scored: Sequence) -> Scores:
    """What calling every pixel by the commonest class of the training images gives: the floor of the table."""
    classes = len(train.classes)
    matrix = np.zeros((classes, classes), np.int64)
    matrix[:, pixels(train).argmax()] = pixels(scored)
    return Scores(matrix, tuple(train.classes))


def pixels(dataset: Sequence) -> np.ndarray:
    """How many each class has, void left out."""
    labels = np.concatenate([dataset[number][1].ravel() for number in range(len(dataset))])
    return np.bincount(labels[labels != dataset.void], minlength=len(dataset.classes))


def hardware(options: argparse.Namespace) -> str:
    """The name of what computes: the GPU, or the CPU."""
    engines.get(options.engine).machine(options.device, options.amp)  # refuses what it cannot take
    on_gpu = options.engine != "numpy" and options.device != "cpu" and torch.cuda.is_available()
    return torch.cuda.get_device_name(options.device) if on_gpu else computer.cpu_name()


def clock_name(options: argparse.Namespace, name: str) -> str:
    """Processor time leaves out waiting for a core; with several threads, or a GPU, only the wall's clock is true."""
    return "processor" if options.threads == 1 and name == computer.cpu_name() else "wall"


def default_path(name: str, where: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", where.lower()).strip("-")
    return record.RECORDS / f"family-{name}-{slug}.json"


def command(options: argparse.Namespace) -> str:
    """The command that does the same again, without where its output goes."""
    plain, words = vars(parser().parse_args([])), ["python", "-m", "segedu", "family"]
    for name, value in vars(options).items():
        if name in ("root", "only", "runs", "json", "again") or value == plain[name]:
            continue
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def line(run: dict) -> str:
    """A run in one line of the terminal."""
    if "reason" in run:
        return f"{run['network']:18} seed {run['seed']}: {run['reason']}"
    return (
        f"{run['network']:18} seed {run['seed']}  {run['parameters']:>11,} parameters  mIoU {run['mean_iou']:6.1%}  "
        f"image {1e3 * run['forward_s']:7.1f} ms  step {1e3 * run['step_s']:7.1f} ms"
    )

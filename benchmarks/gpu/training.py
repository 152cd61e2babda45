"""A short training of U-Net and of FCN-8s, by our kernels and by PyTorch: the same steps, losses side by side.

Weights, batches and optimiser are the same, dropout is off, float32 means float32. Every run leaves a checkpoint after
each piece, so that a check that ran out of time goes on there with --resume.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.gpu.setting import Setting, without_tf32
from segedu import cuda_ops, data, models
from segedu.training import Trainer
from segedu.training.kept import Kept
from segedu.training.trainer import LAST

NETWORKS, ENGINES = ("unet", "fcn8s"), ("torch", "cuda")
SETTINGS = {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "seed": 0}
FIRST, CLOSE = 10, 1e-2
"""In so many first steps losses must agree to this share; later rounding errors grow, as they do between two GPUs."""
PIECE = 20.0  # seconds of training from one checkpoint to the next
RESULT = "result.json"


def train_all(s: Setting) -> dict:
    """Every network on both engines; losses, mean IoU on validation images, seconds a step."""
    steps, faults, left_out = (3 if s.dry else 300), [], []
    train, validation, described = _data(s)
    with _folder(s) as folder, cuda_ops.mode(s.mode), without_tf32():
        for name in (f"{network} {engine}" for network in NETWORKS for engine in ENGINES):
            if not s.wants(name):
                continue
            try:
                done = s.left > 0 and _run(s, folder, name, train, validation, steps)
            except Exception as error:  # one run's failure is recorded, and the others still run
                faults.append({"run": name, "what": f"{type(error).__name__}: {error}"[:400]})
                s.say(f"  {name}: FAILED: {faults[-1]['what']}")
                if s.is_poisoned:
                    return _found(folder, described, faults, left_out) | {"poisoned": name, "done": [name]}
                continue
            if not done:
                left_out.append(name)
        return _found(folder, described, faults, left_out)


def _found(folder: Path, described: dict, faults: list, left_out: list) -> dict:
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"*/{RESULT}"))]
    compared = [pair for network in NETWORKS if (pair := compare([r for r in rows if r["network"] == network]))]
    ok = not faults and all(pair["agree"] for pair in compared)
    what = {"data": described, "runs": {r["network"] + " " + r["engine"]: r for r in rows}, "faults": faults}
    compared = {pair.pop("network"): pair for pair in compared}
    return what | {"compared": compared, "left_out": left_out, "ok": ok, "complete": not left_out}


def compare(rows: Sequence[dict]) -> dict | None:
    """Our run of a network beside PyTorch's, where there are both."""
    by_engine = {row["engine"]: row for row in rows}
    if by_engine.keys() < set(ENGINES):
        return None
    ours, pytorch = by_engine["cuda"], by_engine["torch"]
    apart = [abs(a - b) / abs(b) for a, b in zip(ours["losses"], pytorch["losses"], strict=True)]
    return {
        "network": ours["network"],
        "first_losses_apart": max(apart[:FIRST]),
        "last_losses_apart": statistics.fmean(apart[-FIRST:]),
        "miou_apart": ours["val_miou"] - pytorch["val_miou"],
        "ratio": ours["step_s"] / pytorch["step_s"],
        "agree": max(apart[:FIRST]) < CLOSE,
    }


def _run(s: Setting, folder: Path, name: str, train: Kept, validation: Kept, steps: int) -> bool:
    """Train from the last checkpoint to the end, or as long as there is time; whether the end was reached."""
    place = folder / name.replace(" ", "-")
    if (place / RESULT).exists():
        return True
    trainer = _trainer(s, place, *name.split(), train, steps)
    if (place / LAST).exists():
        trainer.resume()
    while trainer.step < steps:
        if s.left < 0:
            s.say(f"  {name}: no time left after step {trainer.step} of {steps}; --resume goes on there.")
            return False
        pace = trainer.seconds / max(1, trainer.step)
        wanted = max(1, int(PIECE / pace)) if trainer.step else (1 if s.dry else 10)
        trainer.fit(min(wanted, steps - trainer.step), show=False)
        s.say(f"  {name}: step {trainer.step} of {steps}, loss {trainer.history.last('loss'):.3f}")
    row = _row(trainer, *name.split(), validation)
    (place / RESULT).write_text(json.dumps(row), encoding="utf-8")
    (place / LAST).unlink()
    s.say(f"  {name}: {1e3 * row['step_s']:.1f} ms a step, mIoU {row['val_miou']:.3f} on validation images")
    s.free()
    return True


def _trainer(s: Setting, place: Path, network: str, engine: str, train: Kept, steps: int) -> Trainer:
    width, batch = (1 / 16, 2) if s.dry else (1.0, 4)
    model = models.create(network, len(train.classes), train.in_channels, width, engine, first_weights="he")
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0  # engines draw other numbers
    device = s.device if engine == "torch" else None
    return Trainer(model, train, None, place, device=device, every=10**9, steps=steps, batch=batch, **SETTINGS)


def _row(trainer: Trainer, network: str, engine: str, validation: Kept) -> dict:
    losses, clock = trainer.history.curve("loss")[1], np.array(trainer.history.curve("seconds")[1])
    taken = np.diff(clock, prepend=0.0)
    if not all(map(math.isfinite, losses)):
        raise ValueError("a loss is no number")
    return {
        "network": network,
        "engine": engine,
        "parameters": models.count_parameters(trainer.model),
        "settings": {**trainer.settings.as_dict(), "first_weights": "he", "dropout": 0},
        "losses": losses,
        "batch_miou": trainer.history.curve("miou")[1],
        "val_miou": trainer.evaluate(validation).miou,
        "step_s": float(np.median(taken[min(5, len(taken) - 1) :])),  # the first compile and choose
    }


def _data(s: Setting) -> tuple[Kept, Kept, dict]:
    """CamVid where it is, else drawn streets: images to train on, to validate on, and in words."""
    name, options = "camvid", {}
    try:
        if s.dry:
            raise FileNotFoundError
        data.open_dataset(name, "train")
    except FileNotFoundError:
        name, options = "street", {"size": (32, 48) if s.dry else (360, 480), "length": 4 if s.dry else 367}
    train, validation = (
        Kept(data.open_dataset(name, split, **options), 4 if s.dry else None) for split in ("train", "val")
    )
    return train, validation, {"name": name, "train": len(train), "validation": len(validation), **options}


@contextlib.contextmanager
def _folder(s: Setting) -> Iterator[Path]:
    """Where checkpoints go: one that stays, or one for this time."""
    if s.runs is not None:
        s.runs.mkdir(parents=True, exist_ok=True)
        yield s.runs
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)

"""The training loop: batch, loss, gradient, step; now and then a look at the validation images and a checkpoint."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from segedu import arguments
from segedu.engines.machine import Machine
from segedu.models import weights
from segedu.numpy_ops import mean_iou
from segedu.training import checkpoints, problems
from segedu.training.batches import Batches, Transform, median_frequency_weights, prepared
from segedu.training.evaluation import Scores, evaluate
from segedu.training.history import History
from segedu.training.kept import Kept
from segedu.training.problems import Stop, StoppedEarly, TrainingError, stopped_by_signals
from segedu.training.progress import Watcher
from segedu.training.settings import Settings, make_optimizer, make_schedule
from segedu.training.watchers import watcher

LAST, BEST, CURVE = "last.safetensors", "best.safetensors", "curve.jsonl"
"""The files of a run's folder."""


class Trainer:
    """A network, what it learns from, and how far it has come.

    Args:
        model: a network of `segedu.models`, on any engine.
        dataset: pairs to train on, see `segedu.data.open_dataset`.
        validation: pairs to validate on; the network that is best on them (mean IoU) is kept.
        folder: where checkpoints and the curve are written; None writes nothing.
        augment: a transform of `segedu.data.augment`, before the crop.
        device, amp: "cuda:0", "bf16" …; engine "torch" takes them.
        every: after how many steps to validate and save; an epoch when None.
        objective: a loss of one's own in place of that of the settings: `objective(machine, logits, labels)` returns a
            tensor of one number, from a tensor N×C×H×W and a NumPy array N×H×W. `machine.nn` is the engine,
            `machine.tensor(array)` puts an array beside the logits. With several processes: the mean over this one's
            part of the batch.
        settings: see `Settings`.

    >>> from segedu import models
    >>> from segedu.data import open_dataset
    >>> data = open_dataset("street", "train", length=8, size=32)
    >>> model = models.create("unet", len(data.classes), width=1 / 32)
    >>> history = Trainer(model, data, steps=3, batch=2, lr=0.01).fit(show=False)
    >>> len(history), sorted(history.records[0])
    (3, ['epoch', 'loss', 'lr', 'miou', 'seconds', 'step'])
    """

    def __init__(
        self,
        model: object,
        dataset: Sequence,
        validation: Sequence | None = None,
        folder: str | Path | None = None,
        augment: Transform | None = None,
        device: str | None = None,
        amp: str | None = None,
        every: int | None = None,
        objective: Callable[[Machine, object, np.ndarray], object] | None = None,
        **settings: object,
    ) -> None:
        self.settings, self.objective = Settings(**settings), objective or self._loss_of_settings
        self.model, self.dataset, self.validation = model, dataset, validation
        if model.num_classes != len(dataset.classes):
            raise ValueError(f"the model has {model.num_classes} classes, the data set {len(dataset.classes)}")
        self.machine = model.nn.machine(device, amp)
        self.placed = self.machine.place(model)
        self.optimizer = make_optimizer(model.nn, model, self.settings)
        self.schedule = make_schedule(model.nn, self.optimizer, self.settings)
        self.batches = Batches(
            dataset if isinstance(dataset, Kept) else Kept(dataset),
            self.settings.batch,
            with_crop(augment, self.settings.crop, dataset.void),
            self.settings.seed,
            self.machine.rank,
            self.machine.world,
        )
        epoch = max(1, math.ceil(len(dataset) / self.settings.batch))
        self.every = epoch if every is None else arguments.integer(every, "every", minimum=1)
        self.weights = self._class_weights()
        self.step, self.seconds, self.best, self.begun = 0, 0.0, -1.0, False
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        writes = self.folder is not None and self.machine.rank == 0
        self.history = History(self.folder / CURVE if writes else None)

    # --- training -------------------------------------------------------------------------------

    def fit(self, steps: int | None = None, show: bool | None = None) -> History:
        """Train for so many more steps, or to the end of the run; Ctrl-C stops after a step, and `fit` goes on later.

        Args:
            steps: how many; all that `settings.steps` leaves when None.
            show: a bar in a terminal, a live curve in a notebook; None shows them where there is one.

        Raises:
            TrainingError: the loss is no number, memory or the disk is full. The message says what to do; network and
                optimiser are as after the last good step.
        """
        if not self.begun and self.folder is not None and (self.folder / LAST).exists():
            raise FileExistsError(
                f"there is a run in {self.folder}: resume() goes on with it, another folder begins anew"
            )
        if not self.begun:
            self.history.rewind(0)  # a curve without a checkpoint is of a run that never came far
        self.begun = True
        last = self.settings.steps if steps is None else self.step + steps
        numbers = range(self.step, last)
        with stopped_by_signals() as stop, watcher(self, last, show) as watch:
            for images, labels in prepared(self.batches.__getitem__, numbers):
                record = self._step(images, labels)
                due = self.step % self.every == 0 or self.step == last
                if due:
                    record |= self._validate(record, watch, stop)
                self.history.add(record)
                watch.step(record)
                stopping = bool(self.machine.sum(np.array(stop.asked, np.int64)))
                if due or stopping:
                    self.save()
                if stopping:
                    break
        if stop.asked and self.folder is None:
            print(f"Stopped after step {self.step}; fit() goes on from here.")
        return self.history

    def _step(self, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Forward, backward, update; returns what is recorded of it."""
        began = time.perf_counter()
        labels, lr = inner(labels, self.model.margin), self.optimizer.param_groups[0]["lr"]
        with self._full_memory_explained():
            loss, matrix = self._gradient(images, labels)
        with self._full_memory_explained():
            self.machine.update(self.optimizer)
        if self.schedule is not None:
            self.schedule.step()
        self.step += 1
        self.seconds += time.perf_counter() - began
        record = {"step": self.step, "epoch": self.batches.epoch(self.step), "loss": loss, "lr": lr}
        return record | {"miou": float(mean_iou(matrix)), "seconds": self.seconds}

    def _gradient(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Forward and backward: (loss, confusion matrix). After an error everything is as before the step."""
        machine = self.machine
        machine.seed(self.model, self.settings.seed, self.step, machine.rank)
        self.model.train()
        self.optimizer.zero_grad()
        statistics = machine.buffers(self.model)
        try:
            with np.errstate(all="ignore"):  # what is not finite is seen in the loss
                with machine.precision():
                    logits = self.placed(machine.tensor(images))
                loss = self.objective(machine, logits, labels)
                value = float(machine.sum(np.array(loss.item(), np.float64))) / machine.world
                if not math.isfinite(value):
                    raise TrainingError(problems.not_a_number(self.step + 1, value, self.settings, self._kept()))
                machine.backward(loss)
                matrix = machine.confusion(logits, labels, len(self.dataset.classes), self.dataset.void)
        except BaseException as error:
            machine.restore(self.model, statistics)
            self.optimizer.zero_grad()
            if machine.out_of_memory(error):
                self.save()  # all steps so far; the checkpoint may be a while ago
            raise
        return value, machine.sum(matrix)

    def _loss_of_settings(self, machine: Machine, logits: object, labels: np.ndarray) -> object:
        return machine.loss(self.settings.loss, logits, labels, self.weights, self.dataset.void)

    @contextlib.contextmanager
    def _full_memory_explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self.machine.out_of_memory(error):
                raise
            text = problems.out_of_memory(self.step + 1, self.settings, error, self._kept())
            raise TrainingError(text) from error

    def _validate(self, record: dict[str, float], watch: Watcher, stop: Stop) -> dict[str, float]:
        """Scores on the validation images; the best network so far is written down. An error loses no step."""
        if self.validation is None:
            return {}

        def advance(done: int, total: int) -> None:
            watch.validating(done, total)
            if stop.asked and self.machine.world == 1:  # several processes stop together, after the step
                raise StoppedEarly

        try:
            scores = self.evaluate(self.validation, advance)
        except StoppedEarly:
            return {}
        except Exception as error:
            self.history.add(record)
            self.save()
            if not self.machine.out_of_memory(error):
                raise
            raise TrainingError(problems.out_of_memory_at_validation(self.step, error, self._kept())) from error
        if scores.miou > self.best:
            self.best = scores.miou
            self._write(BEST)
        return {"val_miou": scores.miou, "val_accuracy": scores.accuracy}

    def evaluate(self, dataset: Sequence, advance: Callable[[int, int], None] | None = None) -> Scores:
        """The network's scores on a data set: see `segedu.training.evaluate`."""
        return evaluate(self.model, dataset, self.machine, advance)

    def _class_weights(self) -> np.ndarray | None:
        wanted, classes = self.settings.class_weights, len(self.dataset.classes)
        if wanted == "median":
            return median_frequency_weights(self.batches.dataset, classes, self.dataset.void)
        if wanted is not None and len(wanted) != classes:
            raise ValueError(f"class_weights has {len(wanted)} numbers and must have one for each of {classes} classes")
        return None if wanted is None else np.array(wanted)

    # --- checkpoints ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint of this step, if there is a folder.

        Raises:
            TrainingError: the disk is full, or a weight is not a number; the checkpoint before stays.
        """
        self._write(LAST)

    def resume(self, path: str | Path | None = None, changed: bool = False) -> list[str]:
        """Go on exactly where a checkpoint was written: same batches, same augmentation, same numbers.

        The model, the data sets and `augment` must be those of the run; that is not looked at.

        Args:
            path: the checkpoint; that of the folder when None.
            changed: go on even though settings are others, such as a smaller batch. It is another run from here on: the
                schedule is where it would be after so many steps with the new settings.

        Returns:
            What was changed, in words.

        Raises:
            FileNotFoundError: there is none.
            TrainingError: the file is no checkpoint.
            ValueError: it is of another network, of another optimiser, or of other settings.
        """
        state = checkpoints.read(path or self.folder / LAST)
        changes = self.settings.changes(state["settings"])
        if changes and (not changed or self.settings.optimizer != state["settings"]["optimizer"]):
            raise ValueError(f"the run cannot go on with other settings: {', '.join(changes)}")
        weights.load(self.model, state["model"])
        optimizer = self.machine.from_arrays(state["optimizer"])
        if changes:
            optimizer = {**optimizer, "param_groups": self.optimizer.state_dict()["param_groups"]}
        self.optimizer.load_state_dict(optimizer)
        if self.schedule is not None and changes:
            self._replay_schedule(state["step"])
        elif self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.machine.load_state_dict(state["machine"])
        self.begun = True
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        if self.history.path is not None and self.history.path.exists():
            self.history = History.read(self.history.path)
            self.history.rewind(self.step)
        return changes

    def _replay_schedule(self, steps: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch misses the steps of the optimiser, which were loaded
            for _ in range(steps):
                self.schedule.step()

    def state_dict(self) -> dict[str, object]:
        """All that the next step depends on, as arrays, numbers and strings; beside it, what `predict` must know."""
        return {
            "model": weights.arrays(self.model),
            "optimizer": self.machine.to_arrays(self.optimizer.state_dict()),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "machine": self.machine.state_dict(),
            "settings": self.settings.as_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "engine": self.model.nn.name,
            "network": getattr(self.model, "recipe", None),
            "data": {
                "name": getattr(self.dataset, "name", ""),
                "classes": list(self.dataset.classes),
                "palette": np.asarray(self.dataset.palette),
                "void": self.dataset.void,
            },
        }

    def _write(self, name: str) -> None:
        if self.folder is None or self.machine.rank:
            return
        state = self.state_dict()
        bad = [key for key, array in state["model"].items() if not np.isfinite(array).all()]
        if bad:
            raise TrainingError(
                f"After step {self.step} the weights {', '.join(bad[:3])} hold values that are no numbers, so no "
                f"checkpoint of it was written. Try a lower learning rate than lr={self.settings.lr:g}. {self._kept()}"
            )
        checkpoints.write(self.folder / name, state)

    def _kept(self) -> str:
        """What is left after a mishap."""
        if self.folder is None or not (self.folder / LAST).exists():
            return f"There is no checkpoint yet; in memory the network is as after step {self.step}."
        return (
            f"The last checkpoint is kept, {self.folder / LAST}: --resume goes on from there, with other settings, too."
        )


def with_crop(augment: Transform | None, crop: tuple[int, int] | None, void: int | None) -> Transform | None:
    """The augmentation, and after it the crop."""
    if crop is None:
        return augment
    from segedu.data.augment import Compose, Crop

    return Compose([*([augment] if augment else []), Crop(crop, void)])


def inner(labels: np.ndarray, margin: int) -> np.ndarray:
    """Labels of the pixels that have logits, where a network has none for its margin."""
    around = margin // 2
    return labels[:, around : labels.shape[1] - around, around : labels.shape[2] - around]

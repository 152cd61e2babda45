"""Where and how a network is trained: device, precision, processes. What differs between engines in a training step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from segedu.autograd import Tensor

LOSSES = ("cross_entropy", "dice_loss", "jaccard_loss", "lovasz_softmax")


def gpu_name() -> str | None:
    """The name of the GPU that our kernels run on; None without one."""
    from segedu.cuda import gpu_available

    if not gpu_available():
        return None
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()


class Machine:
    """What trains a network on our tape: one process, one device, the precision of the parameters.

    `rank` is the number of this process among `world`. The machine of engine "torch" does the same on any device.

    >>> from segedu import engines, models
    >>> machine = engines.get("numpy").machine()
    >>> model = models.create("unet", num_classes=2, width=1 / 64)
    >>> logits = model(machine.tensor(np.zeros((1, 3, 16, 16), np.float32)))
    >>> loss = machine.loss("cross_entropy", logits, np.zeros((1, 16, 16), int), ignore_index=None)
    >>> machine.backward(loss)
    >>> machine.labels(logits).shape
    (1, 16, 16)
    """

    rank, world = 0, 1

    def __init__(self, nn: object, device: str | None = None, amp: str | None = None) -> None:
        for name, value, only in (("device", device, "such device"), ("amp", amp, "mixed precision")):
            if value not in (None, "cpu" if name == "device" else None):
                raise ValueError(f"{name}={value!r}: engine {nn.name!r} takes no {only}; engine 'torch' does")
        self.nn = nn

    def __repr__(self) -> str:
        place = gpu_name() if self.nn.name == "cuda" else None
        return f"engine {self.nn.name!r}" + (f" on {place}" if place else "")

    def place(self, model: object) -> Callable:
        """Put the network where it computes; returns what is called in a training step in its place."""
        return model

    def seed(self, model: object, *numbers: int) -> None:
        """Let everything that is drawn from here on, such as dropout, depend on these numbers alone."""
        rng = np.random.default_rng(numbers)
        for module in model.modules():
            if type(module).__name__ == "Dropout":
                self.nn.generator(module, rng)

    def precision(self) -> contextlib.AbstractContextManager:
        """Inside, a forward pass computes in mixed precision, where that was asked for."""
        return contextlib.nullcontext()

    def tensor(self, array: np.ndarray) -> object:
        return self.nn.tensor(array)

    def labels(self, logits: object) -> np.ndarray:
        """The class of the highest logit: N×H×W, a NumPy array."""
        return self.nn.array(logits.data.argmax(1))

    def confusion(
        self, logits: object, labels: np.ndarray, num_classes: int, ignore_index: int | None = None
    ) -> np.ndarray:
        """How many pixels of each class were taken for which: int64 C×C, counted where the logits are."""
        guess, truth = logits.data.argmax(1), self.tensor(labels)
        return self.nn.array(self.nn.ops.confusion_matrix(guess, truth, num_classes, ignore_index))

    def loss(
        self,
        name: str,
        logits: object,
        labels: np.ndarray,
        weight: np.ndarray | None = None,
        ignore_index: int | None = None,
    ) -> object:
        """One number from logits N×C×H×W and labels int64 N×H×W; `weight`, of C numbers, is for cross-entropy.

        Cross-entropy is the mean over the pixels of all processes, times their number: then the mean of the processes'
        gradients is the gradient of the whole batch. It is 0, not NaN, where no pixel counts. Other losses are those of
        the part of the batch that this process has.
        """
        if name != "cross_entropy":
            return self.region_loss(name, logits, self.tensor(labels), ignore_index)
        ignored = -100 if ignore_index is None else ignore_index
        counts = np.bincount(labels[labels != ignored], minlength=logits.shape[1])
        total = self.sum(np.array(counts.sum() if weight is None else counts @ weight, np.float64))
        share = self.world / total if total else 0.0
        return self.summed_cross_entropy(logits, self.tensor(labels), weight, ignored) * float(share)

    def summed_cross_entropy(
        self, logits: Tensor, labels: np.ndarray, weight: np.ndarray | None, ignore_index: int
    ) -> Tensor:
        weight = None if weight is None else self.tensor(weight.astype(logits.dtype)).data
        return self.nn.functional.cross_entropy(logits, labels, weight, ignore_index, "sum")

    def region_loss(self, name: str, logits: Tensor, labels: np.ndarray, ignore_index: int | None) -> Tensor:
        return getattr(self.nn.functional, name)(logits, labels, ignore_index=ignore_index)

    def buffers(self, model: object) -> list[dict[str, np.ndarray]]:
        """Copies of what a forward pass changes: the running statistics of batch normalisation."""
        return [{name: getattr(module, name).copy() for name in module._buffers} for module in model.modules()]

    def restore(self, model: object, buffers: list[dict[str, np.ndarray]]) -> None:
        """Put the copies back."""
        for module, copies in zip(model.modules(), buffers, strict=True):
            for name, array in copies.items():
                setattr(module, name, array)

    def backward(self, loss: object) -> None:
        loss.backward()

    def update(self, optimizer: object) -> None:
        """One step of the optimiser."""
        optimizer.step()

    def agree(self, model: object) -> None:
        """Let the running statistics of all processes be those of the first."""

    def sum(self, numbers: np.ndarray) -> np.ndarray:
        """The sum over all processes."""
        return numbers

    def out_of_memory(self, error: BaseException) -> bool:
        """Whether an error says that memory was full; on a GPU it is CuPy's `OutOfMemoryError`."""
        return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"

    def first_alone(self) -> contextlib.AbstractContextManager:
        """Inside, the first process runs alone, and the others when it is done: it downloads, they find."""
        return contextlib.nullcontext()

    def to_arrays(self, tree: object) -> object:
        """A nested state with NumPy arrays in place of tensors."""
        return tree

    def from_arrays(self, tree: object) -> object:
        return tree

    def state_dict(self) -> dict[str, object]:
        """What the machine itself must know to go on."""
        return {}

    def load_state_dict(self, saved: dict[str, object]) -> None:
        pass

    def close(self) -> None:
        """Leave the group of processes."""

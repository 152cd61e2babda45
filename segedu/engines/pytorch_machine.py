"""How PyTorch trains a network: on a GPU, in mixed precision, in several processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import torch
import torch.distributed
import torch.nn.functional as F

from segedu.engines import pytorch_losses
from segedu.engines.machine import Machine

PATIENCE = timedelta(days=1)
"""How long processes wait for a download of the first."""

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class PyTorchMachine(Machine):
    """Any device of PyTorch; without one given, a GPU where there is one.

    Started by `torchrun`, each process takes a part of every batch (DistributedDataParallel), on its own GPU, by NCCL,
    or on the CPU, by gloo. Batch normalisation then sees the part of its own process only.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps" …
        amp: "bf16" or "fp16" lets convolutions compute in half precision; parameters stay float32. With "fp16" the loss
            is scaled, so that small gradients do not vanish (Micikevicius et al., "Mixed precision training", 2018).
    """

    def __init__(self, nn: object, device: str | None = None, amp: str | None = None) -> None:
        if amp not in (None, *PRECISIONS):
            raise ValueError(f"amp={amp!r} must be one of {', '.join(PRECISIONS)}")
        self.nn, self.amp = nn, amp
        self.rank, self.world = (
            int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1))
        )
        self.device = _device(device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp == "fp16")
        if self.world > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def __repr__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)
        return f"engine 'torch' on {name}" + (f", {self.amp}" if self.amp else "")

    def place(self, model: torch.nn.Module) -> Callable:
        model.to(self.device)
        if self.world == 1:
            return model
        return torch.nn.parallel.DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def seed(self, model: torch.nn.Module, *numbers: int) -> None:
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def precision(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.device.type, PRECISIONS.get(self.amp), enabled=self.amp is not None)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return self.nn.tensor(array).to(self.device)

    def labels(self, logits: torch.Tensor) -> np.ndarray:
        return self.nn.array(logits.argmax(1))

    def confusion(
        self, logits: torch.Tensor, labels: np.ndarray, num_classes: int, ignore_index: int | None = None
    ) -> np.ndarray:
        guess, truth = logits.argmax(1), self.tensor(labels)
        if ignore_index is not None:
            guess, truth = guess[truth != ignore_index], truth[truth != ignore_index]
        pairs = (truth * num_classes + guess).flatten()
        return self.nn.array(torch.bincount(pairs, minlength=num_classes**2)).reshape(num_classes, num_classes)

    def summed_cross_entropy(
        self, logits: torch.Tensor, labels: torch.Tensor, weight: np.ndarray | None, ignore_index: int
    ) -> torch.Tensor:
        logits = _full(logits)
        weight = None if weight is None else torch.as_tensor(weight, dtype=logits.dtype, device=self.device)
        return F.cross_entropy(logits, labels, weight, ignore_index=ignore_index, reduction="sum")

    def region_loss(
        self, name: str, logits: torch.Tensor, labels: torch.Tensor, ignore_index: int | None
    ) -> torch.Tensor:
        return getattr(pytorch_losses, name)(_full(logits), labels, ignore_index)

    def buffers(self, model: torch.nn.Module) -> list[torch.Tensor]:
        return [buffer.clone() for buffer in model.buffers()]

    def restore(self, model: torch.nn.Module, buffers: list[torch.Tensor]) -> None:
        for buffer, copy in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(copy)

    def backward(self, loss: torch.Tensor) -> None:
        self.scaler.scale(loss).backward()

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        self.scaler.step(optimizer)
        self.scaler.update()

    def agree(self, model: torch.nn.Module) -> None:
        if self.world > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)

    def sum(self, numbers: np.ndarray) -> np.ndarray:
        if self.world == 1:
            return numbers
        tensor = torch.as_tensor(numbers, device=self.device)
        torch.distributed.all_reduce(tensor)
        return tensor.cpu().numpy()

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        if self.world == 1:
            yield
            return
        group = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)  # NCCL would wait ten minutes
        done = torch.zeros(1)
        if self.rank == 0:
            try:
                yield
                done += 1
            finally:
                torch.distributed.all_reduce(done, group=group)
            return
        torch.distributed.all_reduce(done, group=group)
        if not done:
            raise OSError(
                f"process {self.rank}: what the first process was to prepare is not there; its message says why"
            )
        yield

    def out_of_memory(self, error: BaseException) -> bool:
        words = ("out of memory", "not enough memory", "can't allocate memory")
        return super().out_of_memory(error) or any(word in str(error).lower() for word in words)

    def to_arrays(self, tree: object) -> object:
        return _mapped(tree, torch.Tensor, self.nn.array)

    def from_arrays(self, tree: object) -> object:
        return _mapped(tree, np.ndarray, lambda array: torch.from_numpy(array.copy()))

    def state_dict(self) -> dict[str, object]:
        return self.scaler.state_dict()

    def load_state_dict(self, saved: dict[str, object]) -> None:
        if self.scaler.is_enabled() and saved:
            self.scaler.load_state_dict(saved)

    def close(self) -> None:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _device(name: str | None) -> torch.device:
    if name is None:
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={name!r} cannot be used: {str(error).splitlines()[0]}") from error
    return device


def _full(logits: torch.Tensor) -> torch.Tensor:
    """Losses are computed in full precision."""
    return logits.float() if logits.dtype in PRECISIONS.values() else logits


def _mapped(tree: object, kind: type, change: Callable) -> object:
    if isinstance(tree, dict):
        return {key: _mapped(value, kind, change) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_mapped(value, kind, change) for value in tree]
    return change(tree) if isinstance(tree, kind) else tree

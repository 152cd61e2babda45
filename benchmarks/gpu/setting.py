"""What a stage works with: the GPU, or in a dry run the CPU, by the same calls."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Inside, PyTorch computes float32 as float32."""
    with contextlib.ExitStack() as stack:
        for switches in (torch.backends.cuda.matmul, torch.backends.cudnn):
            stack.callback(setattr, switches, "allow_tf32", switches.allow_tf32)
            switches.allow_tf32 = False
        yield


@dataclass
class Setting:
    """The machine, how much time is left, and random arrays on the machine.

    Args:
        dry: run on the CPU, small; the kernels in mode "fast".
        seconds: how long the whole check may take.
        repeat: samples of each call that is timed.
        small: leave out large shapes, as a dry run does.
        items: a regular expression that names the operators to look at; None for all.
        skip: names of operators to leave out.
        runs: where a training's checkpoints stay; a temporary folder when None.
    """

    dry: bool
    seconds: float = 1e9
    repeat: int = 7
    small: bool = False
    items: str | None = None
    skip: set[str] = field(default_factory=set)
    runs: Path | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.small = self.small or self.dry

    @property
    def mode(self) -> str:
        """What `segedu.cuda` runs kernels with."""
        return "fast" if self.dry else "gpu"

    @property
    def device(self) -> str:
        return "cpu" if self.dry else "cuda"

    @property
    def xp(self) -> Any:
        """NumPy or CuPy."""
        if self.dry:
            return np
        import cupy

        return cupy

    @property
    def times(self) -> int:
        """By how much batches that are timed grow where there is room: a call should last longer than its asking."""
        return 4 if not self.dry and torch.cuda.get_device_properties(0).total_memory > 40 * 2**30 else 1

    @property
    def left(self) -> float:
        """Seconds until no new work is begun."""
        return self.seconds - (time.monotonic() - self.started)

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"[gpu-check {time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def wants(self, name: str) -> bool:
        """Whether an operator is to be looked at."""
        return name not in self.skip and (self.items is None or re.search(self.items, name) is not None)

    @property
    def is_poisoned(self) -> bool:
        """Whether a kernel has made this process useless: after an illegal access all that follows fails."""
        try:
            self.wait()
        except Exception:  # PyTorch's and CuPy's errors differ
            return True
        return False

    def wait(self) -> None:
        """Until the GPU has done all that it was asked to."""
        if not self.dry:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Give unused memory of the GPU back, so that PyTorch's does not stand in the way of ours."""
        if not self.dry:
            torch.cuda.empty_cache()
            self.xp.get_default_memory_pool().free_all_blocks()

    # ---------------------------------------------------------------- arrays
    def array(self, tensor: torch.Tensor) -> Any:
        """An array over the tensor's memory, of NumPy or CuPy."""
        return self.xp.from_dlpack(tensor.detach().contiguous())

    def tensor(self, array: Any) -> torch.Tensor:
        """A tensor over the array's memory."""
        return torch.from_dlpack(array)

    def generator(self, *seed: int) -> torch.Generator:
        state = int(np.random.SeedSequence(seed).generate_state(1)[0])
        return torch.Generator(self.device).manual_seed(state)

    def normal(self, rng: torch.Generator, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Any:
        return self.array(torch.randn(tuple(shape), generator=rng, device=self.device, dtype=dtype))

    def labels(self, rng: torch.Generator, classes: int, shape: Sequence[int], void: float = 0.0) -> Any:
        """Random classes, int64; the share `void` of them is 255."""
        result = torch.randint(classes, tuple(shape), generator=rng, device=self.device)
        result[torch.rand(tuple(shape), generator=rng, device=self.device) < void] = 255
        return self.array(result)

    def host(self, result: object) -> np.ndarray:
        """A result as NumPy's, wherever it lies."""
        if isinstance(result, torch.Tensor):
            return result.detach().cpu().numpy()
        return result.get() if hasattr(result, "get") else np.asarray(result)

    # ---------------------------------------------------------------- time
    def sample(self, calls: Sequence[Callable[[], object]], rounds: int) -> tuple[float, float]:
        """Seconds a call, and the seconds that Python took to ask for it; `rounds` times through all of `calls`."""
        number, begun = rounds * len(calls), time.perf_counter()
        if self.dry:
            for _ in range(rounds):
                for call in calls:
                    call()
            seconds = (time.perf_counter() - begun) / number
            return seconds, seconds
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        for _ in range(rounds):
            for call in calls:
                call()
        last.record()
        asked = time.perf_counter() - begun
        last.synchronize()
        return first.elapsed_time(last) / 1e3 / number, asked / number

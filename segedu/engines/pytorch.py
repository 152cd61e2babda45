"""PyTorch, as an engine: the only module of the course, beside the comparator, that imports it.

Dropout draws from PyTorch's own generator: `torch.manual_seed` sets it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional
import torch.optim.lr_scheduler

from segedu.engines.base import Engine


class PyTorch(Engine):
    """torch.nn's layers, and the few functions beside them."""

    name = "torch"
    optim = torch.optim
    cat = staticmethod(torch.cat)
    interpolate = staticmethod(torch.nn.functional.interpolate)
    relu = staticmethod(torch.nn.functional.relu)
    no_grad = staticmethod(torch.no_grad)

    def __getattr__(self, name: str) -> object:
        return getattr(torch.nn, name)

    def pad(self, x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
        return torch.nn.functional.pad(x, pad)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array, order="C"))

    def array(self, tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy()

    def shapes_only(self) -> torch.device:
        return torch.device("meta")

    def assign(self, module: torch.nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            tensor = torch.from_numpy(np.array(array))
            if name in module._parameters:
                tensor = torch.nn.Parameter(tensor)
            setattr(module, name, tensor)

    def generator(self, module: torch.nn.Dropout, rng: np.random.Generator) -> None:
        pass

    def input_of(self, model: torch.nn.Module, array: np.ndarray) -> torch.Tensor:
        return self.tensor(array).to(next(model.parameters()).device)

    def machine(self, device: str | None = None, amp: str | None = None) -> object:
        from segedu.engines.pytorch_machine import PyTorchMachine

        return PyTorchMachine(self, device, amp)

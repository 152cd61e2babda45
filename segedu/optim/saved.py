"""What a saved state must hold, and how it comes back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segedu.autograd import Tensor, to_numpy


def restored(state: Mapping[str, object], like: Tensor) -> dict[str, object]:
    """Copies of a parameter's saved values, where the parameter is and with its dtype."""
    restored = {}
    for name, value in state.items():
        if name == "step":
            restored[name] = int(value)
        elif value is not None:  # PyTorch writes None for a momentum that is not used
            if tuple(value.shape) != like.shape:
                raise ValueError(f"the state has {name} of shape {tuple(value.shape)} for a parameter of {like.shape}")
            restored[name] = np.asarray(np.array(to_numpy(value), like.dtype), like=like.data)  # CuPy's, where that is
    return restored


def same_names(owner: object, own: Mapping[str, object], saved: Mapping[str, object]) -> None:
    """Refuse a state in which something is missing; PyTorch's hold more."""
    if missing := own.keys() - saved.keys():
        raise ValueError(f"the state is not one of {type(owner).__name__}: missing {', '.join(sorted(missing))}")

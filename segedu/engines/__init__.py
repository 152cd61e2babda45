"""What a network computes with: one small namespace, provided by our tape over a set of operators, or by PyTorch.

An engine has the layers of torch.nn by their names (`Conv2d`, `ConvTranspose2d`, `BatchNorm2d`, `MaxPool2d`,
`MaxUnpool2d`, `AvgPool2d`, `AdaptiveAvgPool2d`, `Upsample`, `ReLU`, `Dropout`, `Sequential`, `ModuleList`, `Module`,
`Identity`, `CrossEntropyLoss`), `cat`, `interpolate`, `pad`, `relu`, `no_grad`, and

    name                    "numpy", "cuda" or "torch"
    tensor(array)           an array as the input of a network; labels stay int64
    array(tensor)           a tensor, parameter or gradient as a NumPy array
    shapes_only()           modules made inside have parameters of the right shape that take no memory
    assign(module, arrays)  parameters and buffers of a module from NumPy arrays, by name
    generator(module, rng)  where the random numbers of a dropout layer come from
"""

from __future__ import annotations

import importlib
import importlib.util

from segedu.engines.tape import Tape

NAMES = ("numpy", "cuda", "torch")


def get(name: str) -> object:
    """The engine called "numpy", "cuda" or "torch".

    Raises:
        ValueError: there is no such engine; or it needs a package that is not installed.

    >>> get("numpy").Conv2d.__name__
    'Conv2d'
    """
    if name not in NAMES:
        raise ValueError(f"engine={name!r} must be one of {', '.join(NAMES)}")
    if name == "torch":
        if importlib.util.find_spec("torch") is None:
            raise ValueError("engine='torch' needs PyTorch, which is not installed")
        return importlib.import_module("segedu.engines.pytorch").ENGINE
    if name not in _tapes:
        operators = f"segedu.{name}_ops"
        if importlib.util.find_spec(operators) is None:
            raise ValueError(f"engine={name!r} needs {operators}, which is not there")
        _tapes[name] = Tape(name, importlib.import_module(operators))
    return _tapes[name]


_tapes: dict[str, Tape] = {}

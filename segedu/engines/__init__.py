"""What a network computes with: one small namespace, provided by our tape over a set of operators, or by PyTorch.

An engine has the layers of torch.nn by their names (`Conv2d`, `ConvTranspose2d`, `BatchNorm2d`, `MaxPool2d`,
`MaxUnpool2d`, `AvgPool2d`, `AdaptiveAvgPool2d`, `Upsample`, `ReLU`, `Dropout`, `Sequential`, `ModuleList`, `Module`,
`Identity`, `CrossEntropyLoss`), `cat`, `interpolate`, `pad`, `relu`, `no_grad`, and

    optim                   SGD, Adam, AdamW; lr_scheduler.PolynomialLR, StepLR, CosineAnnealingLR
    name                    "numpy", "cuda" or "torch"
    tensor(array)           an array as the input of a network; labels stay int64
    input_of(model, array)  … as the input of this network, where its parameters are
    array(tensor)           a tensor, parameter or gradient as a NumPy array
    shapes_only()           modules made inside have parameters of the right shape that take no memory
    assign(module, arrays)  parameters and buffers of a module from NumPy arrays, by name
    machine(device, amp)    what trains a network: device, precision, processes
    generator(module, rng)  where the random numbers of a dropout layer come from
"""

from __future__ import annotations

import importlib

from segedu.engines.base import Engine
from segedu.engines.tape import Tape, operators

__all__ = ["NAMES", "Engine", "Tape", "get", "operators"]

NAMES = ("numpy", "cuda", "torch")


def get(name: str | Engine) -> Engine:
    """The engine called "numpy", "cuda" or "torch"; an engine is returned as it is, such as one of one's own operators.

    Raises:
        ValueError: there is no such engine; or it needs a package that is not installed.

    >>> get("numpy").Conv2d.__name__
    'Conv2d'
    """
    if isinstance(name, Engine):
        return name
    if name not in NAMES:
        raise ValueError(f"engine={name!r} must be one of {', '.join(NAMES)}")
    if name not in _engines:
        place, need = ("segedu.engines.pytorch", "PyTorch") if name == "torch" else (f"segedu.{name}_ops",) * 2
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise ValueError(f"engine={name!r} needs {need}: {error}") from error
        _engines[name] = module.PyTorch() if name == "torch" else Tape(name, module)
    return _engines[name]


_engines: dict[str, Engine] = {}

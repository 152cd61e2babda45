"""Weights as NumPy arrays: from engine to engine, to files and back, and from torchvision's files.

A network has the same names and shapes on every engine, so that `load(theirs, arrays(ours))` moves its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from segedu.models.blocks import Block
from segedu.nn.module import check_state

TORCHVISION_PREFIXES = ("vgg.", "backbone.", "")
"""Where our networks keep what torchvision's classifiers begin with: VGG16, ResNet; VGG16 with batch norm, AlexNet."""


def arrays(model: Block) -> dict[str, np.ndarray]:
    """Copies of all parameters and buffers by their names, from a network on any engine."""
    return {name: np.array(model.nn.array(value)) for name, value in model.state_dict().items()}


def load(model: Block, state: Mapping[str, np.ndarray]) -> None:
    """Put arrays into a network on any engine, in the dtype of its parameters.

    Raises:
        ValueError: names are missing or unknown, or shapes differ; the message lists them. Nothing is loaded then.
    """
    check_state(_shapes(model), state)
    model.load_state_dict({name: model.nn.tensor(np.asarray(array)) for name, array in state.items()})


def save_file(model: Block, path: str | Path, **notes: object) -> None:
    """Write the weights as safetensors, with notes such as the name and width of the network (kept as text)."""
    from safetensors.numpy import save_file as save

    save(arrays(model), str(path), metadata={key: str(value) for key, value in notes.items()})


def load_file(model: Block, path: str | Path) -> None:
    """Read weights that `save_file` wrote, on this engine or another.

    Raises:
        ValueError: the file does not fit the network; see `load`.
        FileNotFoundError: there is no such file.
    """
    from safetensors.numpy import load_file as read

    load(model, read(str(path)))


def load_torchvision(model: Block, state: Mapping[str, np.ndarray]) -> list[str]:
    """Begin with weights of torchvision's `vgg16`, `vgg16_bn`, `alexnet`, `resnet50`, `fcn_resnet50` … .

    `state` holds what a user has of them as arrays: from a .safetensors file by `safetensors.numpy.load_file`, from a
    .pth file by `{k: v.numpy() for k, v in torch.load(path, weights_only=True).items()}`.

    =====================  ==========================  ====================================================
    torchvision            network                     what is loaded
    =====================  ==========================  ====================================================
    vgg16                  fcn32s, 16s, 8s,            features.*, and classifier.0 and .3: fully connected
                           hypercolumns                4096×25088 becomes 4096×512×7×7, 4096×4096 … ×1×1
    vgg16_bn               segnet                      features.*
    alexnet                alexnet                     features.*, classifier.1, .4, and .6 for 1000 classes
    resnet50, 101, 152     fcn_resnet50, deeplabv3,    all but fc
                           deeplabv3plus, pspnet
    fcn_resnet50,          fcn_resnet50,               all but the auxiliary head; the scores, too, where
    deeplabv3_resnet50     deeplabv3                   the number of classes is the same
    =====================  ==========================  ====================================================

    Args:
        model: a network of width 1, on any engine; what is not in the table keeps its values.
        state: arrays by torchvision's names.

    Returns:
        The names of the network's parameters and buffers that were not found.

    Raises:
        ValueError: shapes differ, or not a single name is found.
    """
    found, shapes = {}, _shapes(model)
    for name, shape in shapes.items():
        for prefix in TORCHVISION_PREFIXES:
            array = state.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
            if array is not None:
                found[name] = _as_convolution(np.asarray(array), shape)
                break
    scores = _last_layer(shapes)
    found = {k: v for k, v in found.items() if v.shape == shapes[k] or not k.startswith(scores)}
    if not found:
        given, wanted = (", ".join(list(names)[:4]) for names in (state, shapes))
        raise ValueError(f"none of the names fits: {given} …; expected {wanted} …")
    check_state(shapes, found, strict=False)
    kept = arrays(model)
    load(model, kept | found)
    return [name for name in shapes if name not in found]


def _as_convolution(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A fully connected layer's K × C·h·w as a convolution's K×C×h×w, where that is what is wanted."""
    fully_connected = array.ndim == 2 and len(shape) == 4 and array.shape[0] == shape[0]
    return array.reshape(shape) if fully_connected and array.size == np.prod(shape) else array


def _last_layer(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return list(shapes)[-1].rpartition(".")[0] + "."


def _shapes(model: Block) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}

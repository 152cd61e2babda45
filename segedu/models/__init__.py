"""Networks for semantic segmentation, one file each, each written once for every engine (lectures 11 to 14).

>>> from segedu import models
>>> model = models.create("fcn8s", num_classes=3, width=0.02)
>>> models.predict(model, np.zeros((1, 3, 40, 50), np.float32)).shape
(1, 3, 40, 50)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from segedu import arguments, engines, numpy_ops
from segedu.models.alexnet import AlexNet
from segedu.models.blocks import Block, Network, mirrored
from segedu.models.deeplab import DeepLabV3, DeepLabV3Plus, FCNResNet
from segedu.models.fcn import FCN
from segedu.models.hrnet import HRNet
from segedu.models.hypercolumns import Hypercolumns
from segedu.models.initial import initialise
from segedu.models.patch_classifier import PatchClassifier
from segedu.models.pspnet import PSPNet
from segedu.models.pyramid import Pyramid
from segedu.models.refinenet import RefineNet
from segedu.models.segnet import SegNet
from segedu.models.unet import UNet

NETWORKS: dict[str, Callable] = {
    "patch_classifier": PatchClassifier,
    "alexnet": AlexNet,
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": partial(FCN, stride=8),
    "hypercolumns": Hypercolumns,
    "segnet": SegNet,
    "unet": UNet,
    "pyramid": Pyramid,
    "pspnet": PSPNet,
    "refinenet": RefineNet,
    "fcn_resnet50": FCNResNet,
    "deeplabv3": DeepLabV3,
    "deeplabv3plus": DeepLabV3Plus,
    "hrnet_w18": partial(HRNet, channels=18),
    "hrnet_w48": partial(HRNet, channels=48),
}


def names() -> list[str]:
    """The names of all networks.

    >>> "fcn8s" in names()
    True
    """
    return list(NETWORKS)


def create(
    name: str,
    num_classes: int,
    in_channels: int = 3,
    width: float = 1.0,
    engine: str | engines.Engine = "numpy",
    seed: int = 0,
    first_weights: str = "pytorch",
    **options: object,
) -> Network:
    """A network with its first, random weights: the same ones on every engine.

    Args:
        name: one of `names()`.
        num_classes: channels of the logits.
        in_channels: channels of the images.
        width: factor on the number of channels of all layers between, rounded; 1.0 is the published network.
        engine: "numpy", "cuda" or "torch" (then the network is a torch.nn.Module); or an engine over one's own
            operators, see `segedu.engines.Tape`.
        seed: of the first weights, and of dropout on our engines.
        first_weights: "pytorch", or "he" for deep networks without normalisation; see `segedu.models.initial`.
        **options: of the network itself; its class names them.

    Returns:
        A module that takes N×in_channels×H×W, float32, and returns logits N×num_classes×H×W.

    Raises:
        ValueError: there is no such network or engine, or a number is out of its range.
        TypeError: the network has no such option.
    """
    model = build(name, num_classes, in_channels, width, engine, **options)
    return initialise(model, np.random.default_rng(seed), first_weights)


def build(
    name: str,
    num_classes: int,
    in_channels: int = 3,
    width: float = 1.0,
    engine: str | engines.Engine = "numpy",
    **options: object,
) -> Network:
    """A network whose parameters have shapes but no values, and take no memory; arguments as for `create`.

    Its `recipe` is the arguments: `create(**model.recipe)` builds one like it.
    """
    if name not in NETWORKS:
        raise ValueError(f"name={name!r} is no network; there are {', '.join(NETWORKS)}")
    arguments.integer(num_classes, "num_classes", minimum=1)
    arguments.integer(in_channels, "in_channels", minimum=1)
    if not width > 0:
        raise ValueError(f"width={width} must be above 0")
    nn, sizes = engines.get(engine), {"num_classes": num_classes, "in_channels": in_channels, "width": width}
    with nn.shapes_only():
        model = NETWORKS[name](nn, **sizes, **options)
    model.recipe = {"name": name, **sizes, **options}
    return model


def count_parameters(model: Block) -> int:
    """How many numbers are trained.

    >>> count_parameters(build("fcn8s", num_classes=21))
    134489759
    """
    return sum(math.prod(parameter.shape) for parameter in model.parameters())


def predict(model: Network, images: np.ndarray) -> np.ndarray:
    """Probabilities of the classes: the softmax of the logits, in evaluation mode, off the tape.

    Args:
        model: from `create`, on any engine; it is left in the mode it was in.
        images: N×C×H×W, of the dtype of the model.

    Returns:
        N×num_classes×H×W, a NumPy array of the same dtype; `.argmax(1)` gives labels. For a network whose logits are
        smaller than the image (U-Net without padding), the image is mirrored at its edges first.
    """
    height, width = images.shape[-2:]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with model.nn.no_grad():
            logits = model.nn.array(model(model.nn.input_of(model, mirrored(model, images))))
    finally:
        for module, mode in modes:
            module.training = mode
    return numpy_ops.softmax(logits[:, :, :height, :width], 1)

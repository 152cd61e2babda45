"""A network computes with the set of operators that it is given, and with nothing else; PyTorch is not needed."""

import ast
import copy
from pathlib import Path

import numpy as np
import pytest

import segedu
import segedu.numpy_ops
from segedu import engines, models
from tests.models.conftest import gradients, loss_of, scene
from tests.test_import_alone import run_blocked


def counting():
    """The NumPy operators, each of which counts its calls in `calls`."""
    calls = {}

    def counted(name, function):
        def call(*arguments, **options):
            calls[name] = calls.get(name, 0) + 1
            return function(*arguments, **options)

        return call

    functions = {
        name: counted(name, getattr(segedu.numpy_ops, name))
        for name in segedu.numpy_ops.__all__
        if callable(getattr(segedu.numpy_ops, name)) and name.islower()
    }
    return engines.Tape("counting", engines.operators("counting", **functions)), calls


def test_forward_and_backward_call_the_given_operators_once_a_layer():
    engine, calls = counting()
    model = models.create("segnet", 4, width=1 / 64, engine=engine)
    images, labels = scene((32, 32))
    loss_of(model, images.astype(np.float32), labels)
    expected = {"conv2d": 26, "batch_norm": 25, "relu": 25, "max_pool2d": 5, "max_unpool2d": 5, "cross_entropy": 1}
    assert calls == expected | {f"{name}_backward": count for name, count in expected.items()}


def test_results_are_those_of_the_operators_themselves(rng):
    engine, _ = counting()
    images, labels = scene((32, 32))
    ours, theirs = (models.create("unet", 4, width=1 / 32, engine=e).double().eval() for e in (engine, "numpy"))
    assert loss_of(ours, images, labels)[1] == loss_of(theirs, images, labels)[1]
    expected = gradients(theirs)
    assert all(np.array_equal(grad, expected[name]) for name, grad in gradients(ours).items())


def test_a_wrong_operator_of_ones_own_shows_in_the_loss():
    def relu(x):
        return np.abs(x)

    images, labels = scene((32, 32))
    losses = [
        float(loss_of(models.create("unet", 4, width=1 / 32, engine=engine).double().eval(), images, labels)[1])
        for engine in ("numpy", engines.Tape("mine", engines.operators(relu=relu)))
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)


def test_an_operator_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"conv3d: no such operator in segedu\.numpy_ops"):
        engines.operators(conv3d=None)


def test_a_network_on_operators_of_ones_own_can_be_copied():
    engine, _ = counting()
    model = models.create("unet", 2, width=1 / 64, engine=engine)
    other = copy.deepcopy(model)
    assert other.nn is engine
    other.score.weight.data[...] = 7
    assert not (model.score.weight.data == 7).any()


def test_networks_need_numpy_alone():
    code = """
import numpy as np
from segedu import models, optim

model = models.create("unet", 2, width=1 / 64)
logits = model(model.nn.tensor(np.ones((1, 3, 20, 20), np.float32)))
loss = model.nn.CrossEntropyLoss()(logits, np.ones((1, 20, 20), int))
loss.backward()
optim.AdamW(model.parameters()).step()
print(models.predict(model, np.ones((1, 3, 20, 20), np.float32)).shape)
"""
    assert run_blocked(code) == "(1, 2, 20, 20)"


def test_without_pytorch_its_engine_says_so():
    code = """
from segedu import models
try:
    models.create("unet", 2, engine="torch")
except ValueError as error:
    print(error)
"""
    assert run_blocked(code) == "engine='torch' needs PyTorch: torch is not installed"


def test_only_the_engine_called_torch_imports_pytorch():
    package = Path(segedu.__file__).parent
    rooms = [package / "autograd.py"]
    rooms += [path for room in ("nn", "optim", "models", "engines") for path in (package / room).glob("*.py")]
    guilty = {path.name for path in rooms if "torch" in imported(path)}
    assert "pytorch.py" in guilty
    assert all(name.startswith("pytorch") for name in guilty)


def imported(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names

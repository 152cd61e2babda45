"""What a step is made of: batches, losses, precision; the same on every engine."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from segedu import engines, models, numpy_ops, training
from segedu.training.batches import Batches, prepared
from tests.training.conftest import weights_of

LOSSES = ("cross_entropy", "dice_loss", "jaccard_loss", "lovasz_softmax")


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "jaccard", "lovasz"])
def test_engines_learn_alike(loss, streets):
    curves = []
    for engine in ("numpy", "torch"):
        model = models.create("unet", len(streets.classes), width=1 / 16, engine=engine)
        without_dropout(model)
        weights = "median" if loss == "cross_entropy" else None
        trainer = training.Trainer(model, streets, steps=5, batch=2, lr=0.003, loss=loss, class_weights=weights)
        curves.append(trainer.fit().curve("loss")[1])
    np.testing.assert_allclose(*curves, rtol=1e-4)
    assert curves[0][0] != curves[0][-1]


def without_dropout(model):
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0


def test_a_network_learns_a_picture_by_heart(engine, streets):
    """Loss and mean IoU go where they should: most of one picture is known after a few steps."""
    one = training.kept.Kept(streets, 1)
    model = models.create("unet", len(streets.classes), width=1 / 8, engine=engine)
    without_dropout(model)
    trainer = training.Trainer(model, one, steps=60, batch=1, lr=0.003)
    history = trainer.fit()
    assert history.last("loss") < history.records[0]["loss"] / 2
    assert trainer.evaluate(one).accuracy > 0.75


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("void", [None, 255])
def test_losses_and_gradients_of_engine_torch_are_those_of_the_operators(name, void, rng):
    logits = rng.standard_normal((2, 5, 4, 7))
    labels = rng.integers(0, 4, (2, 4, 7))  # class 4 is absent
    if void:
        labels[rng.random(labels.shape) < 0.3] = void
    machine = engines.get("torch").machine("cpu")
    x = torch.tensor(logits, requires_grad=True)
    loss = machine.loss(name, x, labels, ignore_index=void)
    loss.backward()
    expected, gradient = getattr(numpy_ops, f"{name}_with_gradient")(
        logits, labels, **({} if void is None else {"ignore_index": void})
    )
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-10)
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_void_alone_teaches_nothing(name, engine):
    machine = engines.get(engine).machine()
    x = engines.get(engine).tensor(np.ones((1, 3, 2, 2), np.float32))
    x.requires_grad = True
    loss = machine.loss(name, x, np.full((1, 2, 2), 255), ignore_index=255)
    machine.backward(loss)
    assert loss.item() == 0
    np.testing.assert_array_equal(machine.nn.array(x.grad), 0)


def test_a_loss_of_one_s_own_may_weigh_every_pixel(streets):
    """With the weights of void 0 and those of the classes elsewhere it is the weighted cross-entropy."""
    by_class = np.append(training.median_frequency_weights(streets, 9, 255), np.zeros(247))

    def weighed(machine, logits, labels):
        weights = by_class[labels].astype(np.float32)
        target = machine.tensor(np.where(labels == 255, 0, labels))
        losses = machine.nn.functional.cross_entropy(logits, target, reduction="none")
        return (losses * machine.tensor(weights)).sum() * float(1 / weights.sum())

    curves = []
    for engine in ("numpy", "torch"):
        for options in ({"objective": weighed}, {"class_weights": "median"}):
            model = models.create("unet", len(streets.classes), width=1 / 16, engine=engine)
            without_dropout(model)
            curves.append(training.Trainer(model, streets, steps=3, batch=2, **options).fit().curve("loss")[1])
    np.testing.assert_allclose(curves[1:], [curves[0]] * 3, rtol=1e-4)


def test_each_image_is_seen_once_an_epoch_in_another_order(streets):
    batches = Batches(streets, 3, seed=1)
    epochs = [[batches.index(7 * epoch + place) for place in range(7)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [Batches(streets, 3, seed=2).index(place) for place in range(7)] != epochs[0]
    assert batches.epoch(7) == 3


def test_batches_do_not_depend_on_the_threads_that_prepare_them(streets, changing):
    batches = Batches(streets, 1, changing)
    for threads in (1, 3):
        for step, (images, labels) in enumerate(prepared(batches.__getitem__, range(2, 6), threads), 2):
            np.testing.assert_array_equal(images, batches[step][0])
            np.testing.assert_array_equal(labels, batches[step][1])


def test_images_become_what_torchvision_s_encoders_expect(rng):
    image = rng.integers(0, 256, (3, 4, 3), np.uint8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = (torch.from_numpy(image).permute(2, 0, 1).float() / 255 - mean) / std
    np.testing.assert_allclose(training.as_input(image), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_weights_of_classes_are_those_counted_by_hand():
    """Lecture 06: pictures of ten pixels, with 8, 2, 0 and 9, 0, 1 of three classes; f = 17/20, 2/10, 1/10."""
    pictures = [(None, np.repeat([0, 1, 255], [8, 2, 3])[None]), (None, np.repeat([0, 2], [9, 1])[None])]
    np.testing.assert_allclose(training.median_frequency_weights(pictures, 4, 255), [4 / 17, 1, 2, 0])


def test_mixed_precision_computes_in_halves_and_keeps_whole_weights(streets):
    curves = {}
    for amp in (None, "bf16", "fp16"):
        model = models.create("unet", len(streets.classes), width=1 / 16, engine="torch")
        without_dropout(model)
        trainer = training.Trainer(model, streets, steps=4, batch=2, lr=0.003, amp=amp)
        seen = []
        model.score.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output.dtype))
        curves[amp] = trainer.fit().curve("loss")[1]
        assert set(seen) == {{None: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]}
        assert trainer.state_dict()["machine"].get("scale") == (65536 if amp == "fp16" else None)
        assert {array.dtype.name for array in weights_of(trainer).values()} == {"float32"}
    for amp in ("bf16", "fp16"):
        np.testing.assert_allclose(curves[amp], curves[None], rtol=0.02)
        assert curves[amp] != curves[None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amp": "bf16"}, "amp='bf16': engine 'numpy' takes no mixed precision; engine 'torch' does"),
        ({"device": "cuda"}, "device='cuda': engine 'numpy' takes no such device; engine 'torch' does"),
        ({"batch": 0}, "batch=0 must be at least 1"),
        ({"lr": 0}, "lr=0 must be above 0"),
        ({"loss": "mse"}, "loss='mse' must be one of"),
        ({"optimizer": "lion"}, "optimizer='lion' must be one of"),
        ({"class_weights": [1, 2]}, "class_weights has 2 numbers and must have one for each of 9 classes"),
        ({"class_weights": "median", "loss": "dice"}, "class_weights are for loss='cross_entropy'"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(options, message, trainer):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        trainer(**options)


def test_a_device_that_is_not_there_is_named(trainer):
    with pytest.raises(ValueError, match="device='cuda:99' cannot be used"):
        trainer("torch", device="cuda:99")


def test_a_network_of_other_classes_is_refused(streets):
    with pytest.raises(ValueError, match="the model has 4 classes, the data set 9"):
        training.Trainer(models.create("unet", 4, width=1 / 32), streets)


ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "cupy", "IPython", "anywidget", "traitlets", "matplotlib"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from segedu import data, models, training

streets = data.open_dataset("street", "train", length=2, size=32)
model = models.create("unet", len(streets.classes), width=1 / 64)
trainer = training.Trainer(model, streets, streets, sys.argv[1], steps=1, batch=1)
print(len(trainer.fit()), trainer.evaluate(streets).matrix.sum())
"""


@pytest.mark.slow
def test_engine_numpy_trains_without_pytorch_and_jupyter(tmp_path):
    command = [sys.executable, "-c", ALONE, tmp_path]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"1 {2 * 32 * 32}", done.stderr


def test_numbers_that_json_does_not_know_become_none(tmp_path):
    history = training.History(tmp_path / "curve.jsonl")
    history.add({"step": 1, "loss": 0.5, "miou": math.nan})
    assert training.History.read(tmp_path / "curve.jsonl").records == [{"step": 1, "loss": 0.5, "miou": None}]
    assert history.curve("miou") == ([], [])

"""Weights move between engines, through files, and from torchvision's names; what does not fit is named."""

import itertools

import numpy as np
import pytest
import torch

from segedu import models
from segedu.models import weights

WIDTH = 1 / 32


def output(model, images):
    nn = model.nn
    with nn.no_grad():
        return nn.array(model.eval()(nn.tensor(images)))


@pytest.mark.parametrize("name", ["fcn8s", "segnet", "pyramid"])
@pytest.mark.parametrize("there", [True, False], ids=["to PyTorch", "from PyTorch"])
def test_weights_move_both_ways(engine, rng, name, there):
    ours, theirs = (models.create(name, 3, width=WIDTH, engine=e, seed=s) for e, s in ((engine, 1), ("torch", 2)))
    source, target = (ours, theirs) if there else (theirs, ours)
    images = rng.standard_normal((1, 3, 33, 40)).astype(np.float32)
    assert output(target, images) != pytest.approx(output(source, images), rel=1e-3)
    weights.load(target, weights.arrays(source))
    assert output(target, images) == pytest.approx(output(source, images), rel=1e-4, abs=1e-5)


def test_plain_state_dicts_move_both_ways_too(engine):
    ours, theirs = (models.create("unet", 3, width=WIDTH, engine=e, seed=s) for e, s in ((engine, 1), ("torch", 2)))
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    assert all(np.array_equal(theirs.state_dict()[key], value) for key, value in ours.state_dict().items())
    other = models.create("unet", 3, width=WIDTH, engine="torch", seed=5)
    ours.load_state_dict(other.state_dict())
    assert all(np.array_equal(ours.state_dict()[key], value) for key, value in other.state_dict().items())


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_a_file_gives_the_same_weights_on_every_engine(engine, tmp_path, dtype):
    pytest.importorskip("safetensors")
    source = getattr(models.create("segnet", 3, width=WIDTH, engine=engine, seed=1), dtype)()
    weights.save_file(source, tmp_path / "segnet.safetensors", name="segnet", width=WIDTH)
    for target_engine in (engine, "torch"):
        target = getattr(models.create("segnet", 3, width=WIDTH, engine=target_engine, seed=2), dtype)()
        weights.load_file(target, tmp_path / "segnet.safetensors")
        for key, value in weights.arrays(source).items():
            loaded = weights.arrays(target)[key]
            assert loaded.dtype == value.dtype
            assert np.array_equal(loaded, value)


def test_a_file_keeps_notes(engine, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    weights.save_file(models.create("unet", 2, width=WIDTH, engine=engine), tmp_path / "w.safetensors", name="unet")
    with safetensors.safe_open(tmp_path / "w.safetensors", framework="numpy") as file:
        assert file.metadata() == {"name": "unet"}


@pytest.mark.parametrize("where", ["numpy", "torch"])
def test_a_state_that_does_not_fit_is_refused_by_name_and_changes_nothing(where):
    model = models.create("unet", 3, width=WIDTH, engine=where)
    before = weights.arrays(model)
    state = {k: v + 1 for k, v in before.items()}
    state["scroe.weight"] = state.pop("score.weight")
    state["score.bias"] = np.zeros(7, np.float32)
    with pytest.raises(
        ValueError, match=r"missing score\.weight; unknown scroe\.weight; score\.bias has shape \(7,\), ex"
    ):
        weights.load(model, state)
    assert all(np.array_equal(value, before[key]) for key, value in weights.arrays(model).items())


def vgg16(rng, width, batch_norm=False):
    """torchvision's names and shapes of VGG16, its channels times `width`, for images of 224×224."""
    state, number, inputs = {}, 0, 3
    for group in ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3):
        for channels in group:
            outputs = int(channels * width)
            state |= {f"features.{number}.weight": (outputs, inputs, 3, 3), f"features.{number}.bias": (outputs,)}
            if batch_norm:
                for name in ("weight", "bias", "running_mean", "running_var"):
                    state[f"features.{number + 1}.{name}"] = (outputs,)
                state[f"features.{number + 1}.num_batches_tracked"] = ()
            number, inputs = number + 2 + batch_norm, outputs
        number += 1
    hidden = int(4096 * width)
    for place, shape in ((0, (hidden, inputs * 49)), (3, (hidden, hidden)), (6, (1000, hidden))):
        state |= {f"classifier.{place}.weight": shape, f"classifier.{place}.bias": shape[:1]}
    return drawn(rng, state)


def alexnet(rng, width):
    c = [3] + [int(n * width) for n in (64, 192, 384, 256, 256, 4096)]
    state = {}
    for place, k, (a, b) in zip((0, 3, 6, 8, 10), (11, 5, 3, 3, 3), itertools.pairwise(c[:6]), strict=True):
        state |= {f"features.{place}.weight": (b, a, k, k), f"features.{place}.bias": (b,)}
    for place, shape in ((1, (c[6], c[5] * 36)), (4, (c[6], c[6])), (6, (1000, c[6]))):
        state |= {f"classifier.{place}.weight": shape, f"classifier.{place}.bias": shape[:1]}
    return drawn(rng, state)


def resnet50(rng, width):
    def bn(name, channels):
        vectors = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
        return vectors | {f"{name}.num_batches_tracked": ()}

    inputs = int(64 * width)
    state = {"conv1.weight": (inputs, 3, 7, 7)} | bn("bn1", inputs)
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        c = int(64 * 2 ** (layer - 1) * width)
        for block in range(blocks):
            at = f"layer{layer}.{block}"
            for number, shape in enumerate([(c, inputs, 1, 1), (c, c, 3, 3), (4 * c, c, 1, 1)], start=1):
                state |= {f"{at}.conv{number}.weight": shape} | bn(f"{at}.bn{number}", shape[0])
            if block == 0:
                state |= {f"{at}.downsample.0.weight": (4 * c, inputs, 1, 1)} | bn(f"{at}.downsample.1", 4 * c)
            inputs = 4 * c
    return drawn(rng, state | {"fc.weight": (1000, inputs), "fc.bias": (1000,)})


def drawn(rng, shapes):
    return {
        name: rng.standard_normal(shape).astype(np.float32) if shape else np.array(3) for name, shape in shapes.items()
    }


CASES = [
    ("fcn8s", vgg16, {}, lambda name: not name.startswith("vgg.")),
    ("hypercolumns", vgg16, {}, lambda name: not name.startswith("vgg.")),
    ("segnet", vgg16, {"batch_norm": True}, lambda name: not name.startswith("features.")),
    ("alexnet", alexnet, {}, lambda name: name.startswith("classifier.6.")),
    ("deeplabv3", resnet50, {}, lambda name: not name.startswith("backbone.")),
    ("deeplabv3plus", resnet50, {}, lambda name: not name.startswith("backbone.")),
    ("pspnet", resnet50, {}, lambda name: not name.startswith("backbone.")),
    ("fcn_resnet50", resnet50, {}, lambda name: not name.startswith("backbone.")),
]


@pytest.mark.parametrize(("name", "fixture", "options", "own"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("where", ["numpy", "torch"])
def test_torchvision_s_names_are_understood(where, rng, name, fixture, options, own):
    model = models.create(name, 5, width=WIDTH, engine=where)
    state = fixture(rng, WIDTH, **options)
    missing = weights.load_torchvision(model, state)
    after = weights.arrays(model)
    assert missing == [key for key in after if own(key)]
    for key in set(after) - set(missing):
        theirs = state[key.removeprefix("vgg.").removeprefix("backbone.")]
        assert np.array_equal(after[key].ravel(), theirs.ravel()), key


def test_torchvision_s_1000_scores_are_taken_by_a_network_of_1000_classes(rng):
    model = models.create("alexnet", 1000, width=WIDTH)
    assert weights.load_torchvision(model, alexnet(rng, WIDTH)) == []


def test_torchvision_s_segmentation_networks_have_our_names(rng):
    """Their names begin with backbone. and classifier., as ours do; the auxiliary head is left out."""
    source = weights.arrays(models.create("deeplabv3", 21, width=WIDTH, seed=3))
    model = models.create("deeplabv3", 21, width=WIDTH)
    assert weights.load_torchvision(model, source | {"aux_classifier.0.weight": np.zeros(3)}) == []
    assert all(np.array_equal(source[key], value) for key, value in weights.arrays(model).items())
    for key in ("classifier.0.convs.0.0.weight", "classifier.0.convs.4.1.weight", "classifier.0.project.0.weight"):
        assert key in source
    assert source["classifier.4.weight"].shape == (21, 8, 1, 1)


def test_a_fully_connected_layer_becomes_the_same_convolution(rng):
    model = models.create("alexnet", 1000, width=WIDTH)
    state = alexnet(rng, WIDTH)
    weights.load_torchvision(model, state)
    maps = rng.standard_normal((1, 8, 6, 6)).astype(np.float32)
    expected = state["classifier.1.weight"] @ maps.ravel() + state["classifier.1.bias"]
    layer = model.classifier[1]
    assert model.nn.array(layer(model.nn.tensor(maps))).ravel() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_weights_of_another_width_or_network_are_refused(rng):
    model = models.create("fcn8s", 5, width=WIDTH)
    with pytest.raises(ValueError, match=r"vgg\.features\.0\.weight has shape \(4, 3, 3, 3\), expected \(2, 3, 3, 3\)"):
        weights.load_torchvision(model, vgg16(rng, 2 * WIDTH))
    with pytest.raises(ValueError, match=r"none of the names fits: conv1\.weight"):
        weights.load_torchvision(model, resnet50(rng, WIDTH))

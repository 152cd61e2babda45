"""The networks have as many parameters as published, on every engine; nothing is allocated to count them."""

import tracemalloc

import pytest

from segedu import engines, models
from segedu.models.vgg import VGG16

PUBLISHED = [
    ("unet", 2, {"in_channels": 1}, 31_030_658),
    ("unet", 2, {"in_channels": 1, "padding": "valid"}, 31_030_658),
    ("fcn32s", 21, {}, 136_152_917),
    ("fcn16s", 21, {}, 134_815_994),
    ("fcn8s", 21, {}, 134_489_759),
    ("fcn8s", 21, {"padding": "published"}, 134_489_759),
    ("segnet", 21, {}, 29_455_125),
    ("segnet", 11, {}, 29_449_355),
    ("alexnet", 1000, {}, 61_100_840),
    ("fcn_resnet50", 21, {}, 32_957_013),
    ("deeplabv3", 21, {}, 39_638_869),
    ("hrnet_w18", 19, {}, 9_641_119),
    ("hrnet_w48", 19, {}, 65_859_379),
]


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize(("name", "num_classes", "options", "count"), PUBLISHED, ids=str)
def test_a_network_has_the_published_number_of_parameters(engine, name, num_classes, options, count):
    assert models.count_parameters(models.build(name, num_classes, engine=engine, **options)) == count


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_vgg16_with_its_1000_classes_has_the_published_number(engine):
    nn = engines.get(engine)
    with nn.shapes_only():
        vgg = VGG16(nn)
        score = nn.Conv2d(vgg.channels[-1], 1000, 1)
    assert models.count_parameters(vgg) + models.count_parameters(score) == 138_357_544


# From the papers' figures, layer by layer: (inputs · kernel² + bias) · outputs.
def test_the_patch_classifier_has_the_parameters_of_n4():
    conv = (1 * 16 + 1) * 48 + (48 * 25 + 1) * 48 + 2 * (48 * 16 + 1) * 48
    full = (48 * 9 + 1) * 200 + (200 + 1) * 2
    assert models.count_parameters(models.build("patch_classifier", 2, in_channels=1)) == conv + full


def test_pyramid_pooling_adds_to_the_dilated_resnet_what_the_paper_says():
    backbone = 23_508_032  # ResNet-50 without its classifier
    levels = 4 * (2048 * 512 + 2 * 512)
    head = 4096 * 512 * 9 + 2 * 512 + 512 * 21 + 21
    assert models.count_parameters(models.build("pspnet", 21)) == backbone + levels + head


def test_the_pyramid_network_has_the_layers_of_its_document():
    model = models.build("pyramid", 4)
    conv, twice = 256 * 256 * 9 + 2 * 256, 16 * 256
    levels, coarser = 4 * conv, 3 * conv
    enlarged = 4 * 256 * twice + 256 * twice + 2 * 2 * 256 + 256 * 4 + 4
    assert models.count_parameters(model) == models.count_parameters(model.backbone) + levels + coarser + enlarged


def test_the_decoder_of_v3plus_has_the_parameters_of_its_figure():
    plus, plain = (models.count_parameters(models.build(name, 21)) for name in ("deeplabv3plus", "deeplabv3"))
    decoder = 256 * 48 + 2 * 48 + 304 * 256 * 9 + 2 * 256  # beside the 3×3 convolution and the scores that both have
    assert plus - plain == decoder


def test_hypercolumns_add_one_linear_classifier_to_vgg16():
    vgg = models.count_parameters(models.build("fcn32s", 21)) - (4096 * 21 + 21) - 21 * 21 * 64 * 64
    assert models.count_parameters(models.build("hypercolumns", 21)) == vgg + (128 + 512 + 4096) * 21 + 21


def test_counting_allocates_no_weights():
    tracemalloc.start()
    models.count_parameters(models.build("fcn32s", 21))  # 545 MB of weights
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("name", models.names())
def test_width_multiplies_channels_down_to_one(name):
    counts = [models.count_parameters(models.build(name, 3, width=width)) for width in (1e-6, 0.25, 0.5, 1.0)]
    assert counts == sorted(counts)
    assert counts[1] < counts[2] / 2 < counts[3] / 5
    narrow = models.build(name, 3, width=1e-6)
    assert all(min(parameter.shape) >= 1 for parameter in narrow.parameters())

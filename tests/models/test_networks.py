"""What each network is: sizes, and facts that hold only if it is put together as published."""

import numpy as np
import pytest

from segedu import engines, models
from segedu.models import patch_classifier
from segedu.models.initial import bilinear_kernel, initialise
from segedu.models.pspnet import PyramidPooling
from segedu.models.refinenet import ChainedResidualPooling, ResidualConvUnit
from segedu.models.resnet import ResNet
from segedu.models.resnet_v2 import PreActivation


@pytest.fixture
def nn(engine):
    return engines.get(engine)


def evaluated(model, *arrays):
    """The output of a module for arrays, in evaluation mode, as an array or a list of them."""
    nn = model.nn
    with nn.no_grad():
        y = model.eval()(*(nn.tensor(array) for array in arrays))
    return [nn.array(one) for one in y] if isinstance(y, list) else nn.array(y)


def moved(nn, module):
    """A module made by hand, on the operators of its engine."""
    return module.to(ops=nn.ops) if hasattr(nn, "ops") else module


@pytest.mark.parametrize("name", models.names())
def test_logits_have_the_size_of_the_image(engine, rng, name):
    model = models.create(name, 3, in_channels=1, width=1 / 64, engine=engine)
    sizes = [(37, 70)] if name.startswith("hrnet") else [(1, 1), (37, 70), (64, 32)]
    for height, width in sizes:
        images = rng.standard_normal((1, 1, height, width)).astype(np.float32)
        assert evaluated(model, images).shape == (1, 3, height, width)


@pytest.mark.parametrize(("name", "size"), [("fcn8s", (32, 64)), ("unet", (32, 48)), ("pyramid", (32, 40))])
def test_images_are_filled_up_with_zeros_below_and_to_the_right(engine, rng, name, size):
    model = models.create(name, 3, width=1 / 16, engine=engine).double()
    images = rng.standard_normal((1, 3, 31, 37))
    filled = np.zeros((1, 3, *size))
    filled[:, :, :31, :37] = images
    logits = evaluated(model, filled)[:, :, :31, :37]
    assert evaluated(model, images) == pytest.approx(logits, rel=1e-9, abs=1e-12)
    assert logits.std() > 1e-4


@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
def test_published_fcn_takes_any_size(engine, rng, name):
    model = models.create(name, 3, width=1 / 64, engine=engine, padding="published")
    for height, width in [(1, 1), (33, 70), (64, 47)]:
        images = rng.standard_normal((1, 3, height, width)).astype(np.float32)
        assert evaluated(model, images).shape == (1, 3, height, width)


class TestPatchClassifier:
    def test_every_pixel_gets_the_scores_of_its_own_window(self, engine, nn, rng):
        model = models.create("patch_classifier", 3, in_channels=1, width=1 / 16, engine=engine).double()
        plain = moved(nn, patch_classifier.layers(nn, 3, 1, 1 / 16).double())
        plain.load_state_dict(model.layers.state_dict())
        image = rng.standard_normal((1, 1, 20, 23))
        logits, bordered = evaluated(model, image), np.pad(image, [(0, 0), (0, 0), (47, 47), (47, 47)])
        for i, j in [(0, 0), (19, 22), (7, 11), (8, 11), (13, 2)]:
            window = nn.tensor(bordered[:, :, i : i + 95, j : j + 95])
            assert nn.array(plain(window))[0, :, 0, 0] == pytest.approx(logits[0, :, i, j], rel=1e-12)


class TestAlexNet:
    def test_scores_appear_every_32_pixels(self, engine, nn):
        model = models.create("alexnet", 5, width=1 / 64, engine=engine)
        for size, scores in [(223, 1), (224, 1), (254, 1), (255, 2), (287, 3)]:
            x = nn.tensor(np.zeros((1, 3, size, 223), np.float32))
            assert model.scores(x).shape == (1, 5, scores, 1)


class TestFCN:
    def test_every_enlargement_begins_as_bilinear_interpolation(self, engine, nn, rng):
        model = models.create("fcn8s", 2, width=1 / 64, engine=engine)
        for layer, factor in zip(model.enlarge, (2, 2, 8), strict=True):
            scores = rng.standard_normal((1, 2, 5, 6)).astype(np.float32)
            y = nn.array(layer(nn.tensor(scores)))
            expected = nn.interpolate(nn.tensor(scores), scale_factor=factor, mode="bilinear", align_corners=False)
            edge = factor  # beyond the outermost centres interpolation repeats, a transposed convolution fades out
            inside = (..., slice(edge, -edge), slice(edge, -edge))
            assert y[inside] == pytest.approx(nn.array(expected)[inside], rel=1e-5, abs=1e-6)

    @pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
    def test_published_cuts_put_the_scores_where_they_belong(self, engine, nn, name):
        model = models.create(name, 1, width=1 / 64, engine=engine, padding="published")
        height = 96
        bordered = height + 198
        maps = [np.zeros((1, 1, n, n), np.float32) for n in sizes_after_pooling(bordered)]
        # Every score is the row, in the image, of the centre of the pixels that its map cell sees.
        rows = [(np.arange(m.shape[2]) + 0.5) * 2 ** (level + 1) - 0.5 - 99 for level, m in enumerate(maps)]
        top = rows[4][3:-3]
        y = fused(model, nn, {32: [top], 16: [top, rows[3]], 8: [top, rows[3], rows[2]]}[model.stride], height)
        inner = slice(32, -32)  # away from the edges, where a transposed convolution fades out
        ramp = np.arange(height)[:, None] * np.ones((1, height)) * len(model.enlarge)
        assert y[inner, inner] == pytest.approx(ramp[inner, inner], abs=1e-3)


def sizes_after_pooling(pixels):
    sizes = []
    for _ in range(5):
        pixels = -(-pixels // 2)
        sizes.append(pixels)
    return sizes


def fused(model, nn, rows, height):
    """The logits of a network whose score layers give these rows."""
    from segedu.models.fcn import FIRST_ROWS, cut

    def plane(values):
        return nn.tensor(np.repeat(values[:, None], len(values), 1)[None, None].astype(np.float32))

    scores = plane(rows[0])
    for enlarge, values, first in zip(model.enlarge, rows[1:], FIRST_ROWS[model.stride], strict=False):
        scores = enlarge(scores)
        scores = scores + cut(nn, plane(values), scores, first)
    image = nn.tensor(np.zeros((1, 1, height, height), np.float32))
    return nn.array(cut(nn, model.enlarge[-1](scores), image, FIRST_ROWS[model.stride][-1]))[0, 0]


class TestHypercolumns:
    def test_scores_added_after_enlarging_are_the_classifier_on_the_stacked_features(self, engine, nn, rng):
        model = models.create("hypercolumns", 3, width=1 / 32, engine=engine).double().eval()
        x = nn.tensor(rng.standard_normal((1, 3, 64, 32)))
        column = nn.array(model.hypercolumn(x))
        weights = np.concatenate([nn.array(score.weight)[:, :, 0, 0] for score in model.score], axis=1)
        expected = np.einsum("kc,nchw->nkhw", weights, column) + nn.array(model.score[0].bias)[:, None, None]
        assert nn.array(model(x)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


class TestUNet:
    def test_without_padding_572_pixels_become_388(self, engine):
        model = models.create("unet", 2, in_channels=1, width=1 / 64, engine=engine, padding="valid")
        assert evaluated(model, np.zeros((1, 1, 572, 188), np.float32)).shape == (1, 2, 388, 4)

    @pytest.mark.parametrize(("pixels", "fitting"), [(185, 188), (188, 188), (189, 204), (572, 572), (573, 588)])
    def test_without_padding_sizes_are_filled_up_to_16k_and_12(self, engine, pixels, fitting):
        model = models.build("unet", 2, padding="valid", engine=engine)
        assert model.fitting(pixels) == fitting

    def test_without_padding_images_of_184_pixels_are_refused(self, engine):
        model = models.create("unet", 2, width=1 / 64, engine=engine, padding="valid")
        with pytest.raises(ValueError, match="x is 184×300; both must be above 184"):
            evaluated(model, np.zeros((1, 3, 184, 300), np.float32))

    def test_skips_are_cut_where_they_belong(self, engine, rng):
        """Far from the edges, padding or not makes no difference."""
        same, valid = (
            models.create("unet", 2, in_channels=1, width=1 / 16, engine=engine, padding=p) for p in ("same", "valid")
        )
        image = rng.standard_normal((1, 1, 400, 400))
        expected = evaluated(same.double(), image)
        logits = evaluated(valid.double(), image[:, :, 2:382, 2:382])  # so that the windows of the poolings coincide
        expected = expected[:, :, 104:280, 104:280]
        assert logits[:, :, 10:-10, 10:-10] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert expected.std() > 1e-3  # the image is seen

    def test_predict_mirrors_the_image_at_its_edges(self, engine, rng):
        model = models.create("unet", 2, in_channels=1, width=1 / 16, engine=engine, padding="valid").double()
        image = rng.standard_normal((1, 1, 20, 135))
        probabilities = models.predict(model, image)
        logits = evaluated(model, np.pad(image, [(0, 0), (0, 0), (92, 92), (92, 105)], mode="reflect"))[..., :135]
        assert probabilities == pytest.approx(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rel=1e-9)
        assert probabilities.std() > 1e-3  # the image is seen


class TestSegNet:
    def test_unpooling_uses_the_indices_of_its_own_pooling(self, engine, nn, rng):
        """With convolutions that pass the first channel on, what comes out is the image's maxima in their places."""
        model = models.create("segnet", 1, in_channels=1, width=1e-6, engine=engine).eval()
        for module in model.modules():
            if type(module).__name__ == "Conv2d":
                kernel = np.zeros((1, 1, 3, 3), np.float32)
                kernel[0, 0, 1, 1] = 1
                nn.assign(module, {"weight": kernel, "bias": np.zeros(1, np.float32)})
        image = rng.permutation(32 * 40).reshape(1, 1, 32, 40).astype(np.float32) + 1
        y = evaluated(model, image)
        kept = y > 0.5
        assert kept.sum() == 1  # five poolings leave 1×1 of 32×40
        # Each of the 26 batch normalisations divides by √(1 + ε).
        assert y[kept] == pytest.approx(image[:, :, :32, :32].max(), rel=1e-3)
        assert kept[image == image[:, :, :32, :32].max()].all()


class TestResNet:
    @pytest.mark.parametrize(("output_stride", "sizes"), [(32, [16, 8, 4, 2]), (16, [16, 8, 4, 4]), (8, [16, 8, 8, 8])])
    def test_dilation_in_place_of_strides_computes_the_same_features_more_densely(self, nn, rng, output_stride, sizes):
        plain, dilated = (
            initialise(ResNet(nn, width=1 / 32, output_stride=s), np.random.default_rng(1)).double()
            for s in (32, output_stride)
        )
        image = rng.standard_normal((1, 3, 64, 64))
        expected, maps = evaluated(plain, image), evaluated(dilated, image)
        assert [m.shape[-1] for m in maps] == sizes
        for coarse, fine in zip(expected, maps, strict=True):
            step = fine.shape[-1] // coarse.shape[-1]
            assert fine[:, :, ::step, ::step] == pytest.approx(coarse, rel=1e-9, abs=1e-12)

    def test_the_way_round_a_block_of_version_2_has_nothing_on_it(self, nn, rng):
        block = initialise(PreActivation(nn, 8, 2), np.random.default_rng(0))
        nn.assign(block.conv3, {"weight": np.zeros((8, 2, 1, 1), np.float32)})
        x = rng.standard_normal((2, 8, 5, 6)).astype(np.float32)
        assert np.array_equal(evaluated(block, x), x)


@pytest.mark.parametrize(("output_stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18))])
def test_the_dilations_of_the_pyramid_are_the_paper_s(engine, output_stride, rates):
    for name, part in (("deeplabv3", "classifier"), ("deeplabv3plus", "aspp")):
        model = models.build(name, 2, width=1 / 64, engine=engine, output_stride=output_stride)
        pyramid = getattr(model, part)
        convs = (pyramid[0] if name == "deeplabv3" else pyramid).convs
        assert tuple(np.ravel(conv[0].dilation)[0] for conv in list(convs)[1:4]) == rates


class TestRefineNet:
    def test_a_residual_unit_without_weights_changes_nothing(self, nn, rng):
        unit = moved(nn, ResidualConvUnit(nn, 3))
        nn.assign(unit.conv2, {"weight": np.zeros((3, 3, 3, 3), np.float32), "bias": np.zeros(3, np.float32)})
        x = rng.standard_normal((1, 3, 5, 6)).astype(np.float32)
        assert np.array_equal(evaluated(unit, x), x)

    def test_chained_pooling_adds_each_link_to_the_rectified_map(self, nn, rng):
        chain = ChainedResidualPooling(nn, 1)
        kernel = np.zeros((1, 1, 3, 3), np.float32)
        kernel[0, 0, 1, 1] = 1
        for conv in chain.convs:
            nn.assign(conv, {"weight": kernel, "bias": np.zeros(1, np.float32)})
        x = rng.standard_normal((1, 1, 20, 20)).astype(np.float32)
        rectified = np.maximum(x, 0)
        wide = [window_maximum(rectified, 2), window_maximum(rectified, 4)]  # two poolings of 5×5 see 9×9
        assert evaluated(chain, x) == pytest.approx(rectified + wide[0] + wide[1], rel=1e-6)


def window_maximum(x, reach):
    padded = np.pad(x, [(0, 0), (0, 0), (reach, reach), (reach, reach)], constant_values=-np.inf)
    size = 2 * reach + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3)).max((-2, -1))


def test_pyramid_pooling_puts_the_map_itself_first(nn, rng):
    pyramid = initialise(PyramidPooling(nn, 8), np.random.default_rng(0))
    x = rng.standard_normal((2, 8, 7, 9)).astype(np.float32)
    y = evaluated(pyramid, x)
    assert y.shape == (2, pyramid.channels, 7, 9) == (2, 16, 7, 9)
    assert [level[0].output_size for level in pyramid.levels] == [1, 2, 3, 6]
    assert np.array_equal(y[:, :8], x)
    assert np.ptp(y[:, 8:10], axis=(2, 3)).max() < 1e-6  # the whole map's mean, everywhere


class TestMistakes:
    def test_an_unknown_name_lists_the_names(self):
        with pytest.raises(ValueError, match=r"name='unit' is no network; there are patch_classifier, .*unet"):
            models.create("unit", 2)

    def test_wrong_channels_say_what_the_network_takes(self, engine, nn):
        model = models.create("unet", 2, in_channels=1, width=1 / 64, engine=engine)
        for shape in [(1, 3, 32, 32), (1, 32, 32)]:
            with pytest.raises(ValueError, match=r"x has shape .*; this UNet was created for images N×1×H×W"):
                model(nn.tensor(np.zeros(shape, np.float32)))

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"num_classes": 0}, "num_classes=0 must be at least 1"),
            ({"in_channels": 0}, "in_channels=0 must be at least 1"),
            ({"width": 0}, "width=0 must be above 0"),
            ({"engine": "jax"}, "engine='jax' must be one of numpy, cuda, torch"),
            ({"padding": "some"}, "padding='some' must be 'same' or 'valid'"),
        ],
        ids=str,
    )
    def test_illegal_arguments_are_named(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            models.create("unet", **{"num_classes": 2, **arguments})

    def test_illegal_options_of_a_resnet_are_named(self):
        with pytest.raises(ValueError, match="depth=34 must be one of 50, 101, 152"):
            models.create("deeplabv3", 2, depth=34)
        with pytest.raises(ValueError, match="output_stride=4 must be 8, 16 or 32"):
            models.create("pspnet", 2, output_stride=4)

    def test_an_illegal_stride_of_fcn_is_named(self):
        with pytest.raises(ValueError, match="stride=4 must be 8, 16 or 32"):
            models.create("fcn8s", 2, stride=4)

    def test_an_option_that_a_network_lacks_is_refused(self):
        with pytest.raises(TypeError, match="depth"):
            models.create("unet", 2, depth=50)


class TestPredict:
    def test_probabilities_sum_to_one_and_the_mode_is_kept(self, engine, rng):
        model = models.create("segnet", 3, width=1 / 64, engine=engine)
        model.features.eval()
        images = rng.standard_normal((2, 3, 33, 40)).astype(np.float32)
        probabilities = models.predict(model, images)
        assert probabilities.sum(1) == pytest.approx(np.ones((2, 33, 40)), rel=1e-5)
        assert (model.training, model.features.training, model.decoder.training) == (True, False, True)
        assert np.array_equal(models.predict(model, images), probabilities)  # no statistics moved


def test_hes_first_weights_keep_the_size_of_maps_through_a_deep_network(rng):
    x = rng.standard_normal((1, 3, 64, 64), dtype=np.float32)
    sizes = {}
    for first_weights in ("pytorch", "he"):
        model = models.create("fcn8s", 5, width=1 / 8, first_weights=first_weights)
        maps = [np.sqrt((map.data**2).mean()) for map in model.vgg.eval()(model.nn.tensor(x))]
        sizes[first_weights] = maps[4] / maps[0]
        np.testing.assert_array_equal(model.enlarge[0].weight.data, bilinear_kernel(5, 4))
    assert sizes["he"] > 0.5
    assert sizes["pytorch"] < 0.1


def test_other_first_weights_are_refused():
    with pytest.raises(ValueError, match="first_weights"):
        models.create("unet", 2, width=1 / 64, first_weights="zeros")

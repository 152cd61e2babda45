"""Scores of a whole split, and the pictures of what a network sees."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from segedu import models, training
from segedu.training import evaluation
from segedu.training.kept import Kept


class Pairs(list):
    """A data set of given pairs."""

    name, classes, palette, void, in_channels = "pairs", ("a", "b", "c", "d"), np.eye(4, 3, dtype=np.uint8), 255, 3
    names = property(lambda self: [f"pair_{number}" for number in range(len(self))])


@pytest.fixture
def pairs(rng):
    """Five images of odd, different sizes; labels with void, and without class d."""
    sizes = [tuple(rng.integers(17, 50, 2)) for _ in range(5)]
    labels = [rng.choice([0, 1, 2, 255], size) for size in sizes]
    return Pairs((rng.integers(0, 256, (*size, 3), np.uint8), label) for size, label in zip(sizes, labels, strict=True))


def network(engine, **options):
    return models.create("unet", 4, width=1 / 16, engine=engine, **options)


def test_scores_are_those_of_scikit_learn_over_all_pixels_that_are_not_void(engine, pairs):
    model = network(engine)
    scores = training.evaluate(model, pairs)
    guess = np.concatenate([training.predict(model, image).ravel() for image, _ in pairs])
    truth = np.concatenate([labels.ravel() for _, labels in pairs])
    guess, truth = guess[truth != 255], truth[truth != 255]
    np.testing.assert_array_equal(scores.matrix, sklearn.metrics.confusion_matrix(truth, guess, labels=range(4)))
    found = scores.as_dict()
    present = np.union1d(guess, truth)
    iou = dict(zip(present, sklearn.metrics.jaccard_score(truth, guess, labels=present, average=None), strict=True))
    for label, name in enumerate("abcd"):
        assert found["classes"][name]["iou"] == (pytest.approx(iou[label]) if label in iou else None)
    assert found["mean_iou"] == pytest.approx(np.mean(list(iou.values())))
    assert found["pixel_accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, guess))
    assert found["classes"]["d"]["accuracy"] is None  # it is in no label
    assert found["mean_accuracy"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, guess))
    json.dumps(found, allow_nan=False)


def test_the_table_has_a_line_for_each_class(pairs):
    scores = training.Scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("sky", "road", "car"))
    lines = [line.split() for line in str(scores).splitlines()]
    assert lines[1:4] == [["sky", "75.0", "75.0", "4"], ["road", "80.0", "100.0", "4"], ["car", "–", "–", "0"]]
    assert lines[4] == ["mean", "77.5", "87.5"]
    assert math.isclose(scores.accuracy, 7 / 8)


def test_labels_are_the_highest_of_the_probabilities(engine, pairs):
    model = network(engine)
    image = pairs[0][0]
    probabilities = models.predict(model, training.as_input(image)[None])
    np.testing.assert_array_equal(training.predict(model, image), probabilities[0].argmax(0))


def test_images_go_where_the_network_is(pairs):
    """PyTorch's device without memory stands for a GPU: nothing is computed there, but what is elsewhere is refused."""
    model = network("torch").to("meta")
    assert model(model.nn.input_of(model, training.as_input(pairs[0][0])[None])).device.type == "meta"
    assert evaluation.machine_of(model).device.type == "meta"
    assert evaluation.machine_of(network("torch")).device.type == "cpu"


def test_a_network_without_padding_labels_the_whole_image(pairs):
    image = pairs[0][0]
    assert training.predict(network("torch", padding="valid"), image).shape == image.shape[:2]


def test_a_network_without_padding_is_trained_on_the_pixels_that_have_logits(engine, rng):
    image, labels = rng.integers(0, 256, (193, 192, 3), np.uint8), np.full((193, 192), 255)
    labels[92:101, 92:100] = rng.integers(0, 4, (9, 8))  # 184 pixels at the edges cost 92 on every side
    trainer = training.Trainer(network(engine, padding="valid"), Pairs([(image, labels)]), batch=1)
    counted = []
    trainer.machine.sum = lambda numbers: counted.append(numbers) or numbers
    trainer.fit(1)
    assert 9 * 8 in [int(numbers.sum()) for numbers in counted if numbers.shape == (4, 4)]


def test_evaluation_leaves_the_mode_and_the_running_statistics(engine, pairs):
    model = models.create("segnet", 4, width=1 / 32, engine=engine)
    model.train()
    before = models.weights.arrays(model)
    training.evaluate(model, pairs)
    assert model.training
    for name, array in models.weights.arrays(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_best_network_on_the_validation_is_kept(trainer, streets, tmp_path):
    from segedu.training import run

    first = Kept(streets, 2)
    trained = trainer(folder=tmp_path, validation=first, every=1, optimizer="sgd", lr=0.1)
    steps, values = trained.fit().curve("val_miou")
    model, state = run.load(tmp_path)
    assert state["step"] == steps[int(np.argmax(values))]
    assert training.evaluate(model, first).miou == pytest.approx(max(values))
    assert run.load(tmp_path / "last.safetensors")[1]["step"] == 6


def test_a_label_picture_holds_the_labels_and_shows_the_palette(rng, tmp_path):
    from segedu.training.pictures import save_labels

    labels, palette = rng.integers(0, 4, (5, 7)), rng.integers(0, 256, (4, 3), np.uint8)
    save_labels(labels, palette, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), labels)
        np.testing.assert_array_equal(np.array(picture.convert("RGB")), palette[labels])

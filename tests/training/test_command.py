"""`python -m segedu train`, `evaluate`, `predict`, as a user types them."""

import json
import os
import shlex

import numpy as np
import pytest
from PIL import Image

from segedu import __main__ as command_line
from segedu import data, models, training
from segedu.training import run

SMALL = "--data street --size 40 48 --width 0.05 --limit 4 --batch 2 --crop 32"


def segedu(line, **places) -> int:
    return command_line.main([word.format(**places) for word in shlex.split(line)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    assert segedu(f"train {SMALL} --engine numpy --epochs 2 --augment flip colour --out {{out}}", out=folder) == 0
    return folder


def test_a_run_leaves_its_options_its_curve_and_its_networks(finished):
    assert sorted(path.name for path in finished.iterdir() if path.is_file()) == [
        *("best.safetensors", "curve.jsonl", "curve.png", "last.safetensors", "run.json"),
    ]
    history = training.History.read(finished / "curve.jsonl")
    assert [record["epoch"] for record in history.records] == [0.5, 1, 1.5, 2]
    assert history.curve("val_miou")[0] == [2, 4]


def test_evaluate_scores_the_best_network_on_a_split(finished, capsys):
    assert segedu("evaluate {run} --split test", run=finished) == 0
    written = json.loads((finished / "scores_test.json").read_text())
    model, state = run.load(finished)
    split = data.open_dataset("street", "test", size=(40, 48), length=4)
    expected = training.evaluate(model, split)
    assert written["confusion_matrix"] == expected.matrix.tolist()
    assert (written["images"], written["checkpoint_step"]) == (4, state["step"])
    assert (written["network"], written["settings"]["seed"], written["trained_by"]) == (model.recipe, 0, "numpy")
    assert written["command"] == shlex.join(["python", "-m", "segedu", "evaluate", str(finished), "--split", "test"])
    assert written["device"] == "engine 'numpy'"
    assert written["versions"]["numpy"] == np.__version__
    shown = capsys.readouterr().out
    assert str(expected) in shown
    assert "street, test, 4 images" in shown


def test_predict_labels_pictures_of_any_folder_and_size(finished, rng, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, size in (("a.png", (33, 47, 3)), ("b.jpg", (40, 31, 3))):
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    assert segedu("predict {run} {pictures} --out {out}", run=finished, pictures=pictures, out=tmp_path / "out") == 0
    model, _ = run.load(finished)
    for name in ("a.png", "b.jpg"):
        image = np.array(Image.open(pictures / name))
        with Image.open(tmp_path / "out" / f"{name[0]}_labels.png") as labels:
            np.testing.assert_array_equal(np.array(labels), training.predict(model, image))
        with Image.open(tmp_path / "out" / f"{name[0]}_overlay.png") as overlay:
            assert overlay.width > 300
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_predict_without_images_takes_those_of_the_split(finished):
    assert segedu("predict {run} --limit 2 --engine torch --device cpu", run=finished) == 0
    names = sorted(path.name for path in (finished / "predictions").iterdir())
    assert names == [f"street_{seed}_{kind}.png" for seed in (1, 4) for kind in ("labels", "overlay")]


def test_resume_goes_on_with_the_options_of_the_run(finished, tmp_path, capsys):
    halves, whole = tmp_path / "halves", run.load(finished / "last.safetensors")[1]
    line = f"train {SMALL} --engine numpy --augment flip colour --out {{out}}"
    segedu(f"{line} --epochs 1", out=halves)
    assert segedu("train --resume --epochs 2 --out {out}", out=halves) == 0
    said = capsys.readouterr().out
    assert "Going on after step 2 of 4" in said
    assert "From here on: steps=4 was 2." in said
    np.testing.assert_equal(run.load(halves / "last.safetensors")[1]["model"], whole["model"])


def test_options_of_the_data_set_are_those_of_the_run_and_of_its_evaluation(tmp_path):
    line = f"train {SMALL} --engine numpy --steps 1 --data-option void_width=3 length=3 --out {{out}}"
    assert segedu(line, out=tmp_path) == 0
    assert segedu("evaluate {run}", run=tmp_path) == 0
    split = data.open_dataset("street", "val", size=(40, 48), length=3, void_width=3)
    counted = sum(int((labels != split.void).sum()) for _, labels in split)
    written = json.loads((tmp_path / "scores_val.json").read_text())
    assert (written["images"], np.sum(written["confusion_matrix"])) == (3, counted)


def test_a_run_may_begin_with_the_weights_of_another(finished, tmp_path):
    last, alone = run.load(finished / "last.safetensors")[0], tmp_path / "alone.safetensors"
    models.weights.save_file(last, alone)
    for path in (finished / "last.safetensors", alone):
        other = models.create(**last.recipe, engine="torch", seed=5)
        run.begin_with(other, path)
        for key, array in models.weights.arrays(last).items():
            np.testing.assert_array_equal(models.weights.arrays(other)[key], array)


def test_a_run_may_begin_with_an_encoder_of_torchvision_s_names(tmp_path):
    from safetensors.numpy import save_file

    encoder = models.create("segnet", 9, width=1 / 32, seed=5)
    state = {k.removeprefix("backbone.").removeprefix("vgg."): v for k, v in models.weights.arrays(encoder).items()}
    features = {key: array for key, array in state.items() if key.startswith("features.")}
    save_file(features, tmp_path / "vgg.safetensors")
    begun = models.create("segnet", 9, width=1 / 32)
    run.begin_with(begun, tmp_path / "vgg.safetensors")
    found = models.weights.arrays(begun)
    assert features
    for key, array in features.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train --out {run}", "there is a run in {run} already: --resume goes on with it"),
        ("train --resume --out {none}", "there is no run in {none}: {none}/run.json is missing"),
        ("evaluate {none}", "there is no checkpoint {none}"),
        ("train --data camvid --root {none} --out {none}", "CamVid was not found in {none}."),
        ("train --data camvid --size 64 --root {none} --out {none}", "size=[64] is for drawn scenes; crop=[64] cuts"),
        (
            "train --engine numpy --amp bf16 --limit 2 --out {none}",
            "amp='bf16': engine 'numpy' takes no mixed precision",
        ),
        (
            "train --data-option target=pet --out {none}",
            "option 'target' is unknown: data set 'street' takes length, size, ",
        ),
        ("train --data-option target --out {none}", "data-option 'target' must be NAME=VALUE"),
        ("evaluate {run} --split all", "split='all' must be one of train, val, test"),
        ("predict {run} {none}", "{none}"),
        ("predict {run} {run}/run.json", "run.json cannot be read as an image"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(line, message, finished, tmp_path, capsys):
    places = {"run": finished, "none": tmp_path / "none"}
    assert segedu(line, **places) == 1
    said = capsys.readouterr().err
    assert said.startswith("segedu: ")
    assert message.format(**places).replace("/", os.sep) in said


def test_a_mishap_in_a_run_ends_it_with_code_1(tmp_path, capsys):
    line = f"train {SMALL} --engine numpy --optimizer sgd --lr 1e12 --epochs 9 --out {{out}}"
    assert segedu(line, out=tmp_path / "x") == 1
    assert "Most often the learning rate is too high" in capsys.readouterr().err

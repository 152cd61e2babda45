"""A run that stopped goes on as if it had not."""

import json

import numpy as np
import pytest

from segedu import training
from segedu.training import checkpoints
from tests.training.conftest import weights_of


@pytest.mark.parametrize("settings", [{"optimizer": "sgd", "schedule": "poly"}, {"schedule": "cosine"}], ids=str)
def test_six_steps_are_three_and_three_more_after_a_pause(engine, settings, trainer, changing, tmp_path):
    options = {"crop": (32, 32), "augment": changing, "class_weights": "median", **settings}
    whole = trainer(engine, **options)
    whole.fit()
    trainer(engine, folder=tmp_path, **options).fit(3)
    resumed = trainer(engine, folder=tmp_path, **options)
    resumed.resume()
    resumed.fit()
    exactly = np.testing.assert_array_equal if engine == "numpy" else np.testing.assert_allclose
    for name, array in weights_of(whole).items():
        exactly(weights_of(resumed)[name], array)
    curves = [[(r["step"], r["loss"], r["lr"], r["miou"]) for r in t.history.records] for t in (resumed, whole)]
    exactly(*curves)
    written = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert written == resumed.history.records


def test_a_pause_in_the_same_trainer_changes_nothing(trainer):
    whole, paused = trainer(), trainer()
    whole.fit()
    paused.fit(2)
    paused.fit()
    assert whole.step == paused.step == 6
    for name, array in weights_of(whole).items():
        np.testing.assert_array_equal(weights_of(paused)[name], array)


def test_a_run_is_not_begun_anew_in_the_folder_of_another(trainer, tmp_path):
    trainer(folder=tmp_path).fit(1)
    with pytest.raises(FileExistsError, match=r"resume\(\) goes on with it, another folder begins anew"):
        trainer(folder=tmp_path).fit()


def test_a_curve_without_a_checkpoint_is_begun_anew(trainer, tmp_path):
    (tmp_path / "curve.jsonl").write_text('{"step": 1, "loss": 9.0}\n')  # the process was killed before it saved
    trainer(folder=tmp_path).fit(1)
    assert len(training.History.read(tmp_path / "curve.jsonl")) == 1


def test_what_was_recorded_after_the_checkpoint_is_forgotten(trainer, tmp_path):
    first = trainer(folder=tmp_path, every=2)
    first.fit(2)
    with open(tmp_path / "curve.jsonl", "a") as file:
        file.write('{"step": 3, "loss": 9.0}\n{"step": 4, "lo')  # the process was killed while it wrote
    resumed = trainer(folder=tmp_path, every=2)
    resumed.resume()
    assert [record["step"] for record in training.History.read(tmp_path / "curve.jsonl").records] == [1, 2]
    assert resumed.history.records == first.history.records


def test_other_settings_are_refused_or_taken_knowingly(trainer, tmp_path):
    trainer(folder=tmp_path, schedule="poly").fit(3)
    other = trainer(folder=tmp_path, schedule="poly", batch=1, lr=0.002)
    with pytest.raises(ValueError, match=r"batch=1 was 2, lr=0.002 was 0.01"):
        other.resume()
    assert other.resume(changed=True) == ["batch=1 was 2", "lr=0.002 was 0.01"]
    assert other.fit(1).last("lr") == pytest.approx(0.002 * (1 - 3 / 6) ** 0.9)
    with pytest.raises(ValueError, match="optimizer='sgd' was 'adam'"):
        trainer(folder=tmp_path, schedule="poly", optimizer="sgd").resume(changed=True)


def test_a_checkpoint_of_another_network_is_refused(trainer, tmp_path):
    from segedu import data, models

    trainer(folder=tmp_path).fit(1)
    cells = data.open_dataset("cells", "train", length=2, size=32)
    model = models.create("unet", 2, 1, width=1 / 32)
    other = training.Trainer(model, cells, folder=tmp_path, batch=2, lr=0.01, steps=6)
    with pytest.raises(ValueError, match=r"the state does not fit: .*score.weight has shape \(9, 2, 1, 1\)"):
        other.resume()


@pytest.mark.parametrize(("first", "second"), [("numpy", "torch"), ("torch", "numpy")])
def test_a_run_goes_on_on_another_engine(first, second, trainer, tmp_path):
    trainer(first, folder=tmp_path).fit(3)
    moved, stayed = trainer(second, folder=tmp_path), trainer(first, folder=tmp_path)
    losses = []
    for one in (moved, stayed):
        for module in one.model.modules():
            if type(module).__name__ == "Dropout":
                module.p = 0.0  # each engine draws other numbers
        one.resume(tmp_path / "last.safetensors")
        one.folder, one.history = None, training.History()
        losses.append(one.fit().curve("loss")[1])
    np.testing.assert_allclose(*losses, rtol=1e-3)


@pytest.mark.parametrize(
    "state",
    [
        {"a": np.array(3.0), "b": [np.zeros((0, 2), np.float32), {"c": np.arange(3)}], 0: "zero", "none": None},
        {"big": 2**127 + 1, "nan": float("nan"), "flag": True, "number": np.int64(4)},
    ],
    ids=["arrays", "numbers"],
)
def test_what_is_read_is_what_was_written(state, tmp_path):
    checkpoints.write(tmp_path / "x", state)
    np.testing.assert_equal(checkpoints.read(tmp_path / "x"), state)


def test_only_arrays_numbers_and_strings_are_written(tmp_path):
    with pytest.raises(TypeError, match=r"/a/0 is a set; a checkpoint holds arrays, numbers and strings"):
        checkpoints.write(tmp_path / "x", {"a": [{1}]})
    assert not list(tmp_path.iterdir())


def test_a_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "x.safetensors"
    checkpoints.write(path, {"a": np.ones(1000)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(training.TrainingError, match=r"x.safetensors is no checkpoint, or broken"):
        checkpoints.read(path)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        checkpoints.read(tmp_path / "y")

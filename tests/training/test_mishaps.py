"""What goes wrong is explained, and nothing that was good is lost. Each mishap is made to happen."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from segedu import training
from segedu.training import checkpoints
from segedu.training.problems import stopped_by_signals
from tests.training.conftest import weights_of

ROOT = Path(__file__).resolve().parents[2]


class Broken:
    """A data set whose images make the loss NaN from a step on."""

    def __init__(self, dataset, breaks):
        self.dataset, self.breaks = dataset, breaks

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        if index in self.breaks:
            raise self.breaks[index]
        return self.dataset[index]


def good_checkpoint(folder, step):
    state = checkpoints.read(folder / "last.safetensors")
    assert state["step"] == step
    assert all(np.isfinite(array).all() for array in state["model"].values())
    return state


def test_a_loss_that_is_no_number_is_explained_and_the_checkpoint_before_stays(engine, trainer, tmp_path, monkeypatch):
    run = trainer(engine, folder=tmp_path, every=2, optimizer="sgd", lr=0.5)
    whole = run.machine.tensor

    def spoilt(array):
        return whole(np.full_like(array, np.nan) if run.step == 3 and array.dtype == np.float32 else array)

    monkeypatch.setattr(run.machine, "tensor", spoilt)
    with pytest.raises(training.TrainingError) as caught:
        run.fit()
    assert "The loss of step 4 is nan" in str(caught.value)
    assert "lr=0.5; try 0.05" in str(caught.value)
    assert str(tmp_path / "last.safetensors") in str(caught.value)
    good_checkpoint(tmp_path, 2)
    assert all(np.isfinite(array).all() for array in weights_of(run).values())


def test_a_learning_rate_that_is_too_high_stops_before_a_bad_checkpoint(engine, trainer, tmp_path):
    run = trainer(engine, folder=tmp_path, every=1, optimizer="sgd", lr=1e12, steps=20)
    with pytest.raises(training.TrainingError, match=r"(The loss of step|After step) .*lr=1e\+12"):
        run.fit()
    for path in tmp_path.glob("*.safetensors"):
        assert all(np.isfinite(array).all() for array in checkpoints.read(path)["model"].values())


def test_running_statistics_stay_good_when_the_loss_is_no_number(engine, streets, monkeypatch):
    from segedu import models

    model = models.create("segnet", len(streets.classes), width=1 / 32, engine=engine)
    run = training.Trainer(model, streets, steps=2, batch=2, crop=32)
    run.fit(1)
    before = weights_of(run)
    whole = run.machine.tensor
    monkeypatch.setattr(run.machine, "tensor", lambda a: whole(a * np.float32("nan") if a.dtype == np.float32 else a))
    with pytest.raises(training.TrainingError, match="The loss of step 2 is nan"):
        run.fit()
    for name, array in weights_of(run).items():
        np.testing.assert_array_equal(array, before[name])


ERRORS = {
    "numpy": MemoryError("Unable to allocate 9.00 GiB for an array"),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_full_memory_is_explained_and_the_state_before_the_step_is_saved(kind, trainer, tmp_path, monkeypatch):
    engine = "torch" if kind == "gpu" else kind
    run = trainer(engine, folder=tmp_path, every=2)
    backward = run.machine.backward

    def fails_once(loss):
        if run.step == 3:
            monkeypatch.setattr(run.machine, "backward", backward)
            raise ERRORS[kind]
        backward(loss)

    monkeypatch.setattr(run.machine, "backward", fails_once)
    with pytest.raises(training.TrainingError) as caught:
        run.fit()
    assert "Memory was full in step 4, with batch=2 and whole images" in str(caught.value)
    assert str(ERRORS[kind]) in str(caught.value)
    good_checkpoint(tmp_path, 3)
    run.fit()
    undisturbed = trainer(engine)
    undisturbed.fit()
    for name, array in weights_of(undisturbed).items():
        np.testing.assert_array_equal(weights_of(run)[name], array)


def test_full_memory_in_the_update_leaves_the_checkpoint_before(trainer, tmp_path, monkeypatch):
    """Some weights may have changed then."""
    run = trainer(folder=tmp_path, every=2)
    monkeypatch.setattr(run.machine, "update", outgrown(run.machine.update, after=3))
    with pytest.raises(training.TrainingError, match="Memory was full in step 4"):
        run.fit()
    good_checkpoint(tmp_path, 2)


def test_an_error_of_another_kind_is_left_as_it_is(trainer, monkeypatch):
    run = trainer()
    monkeypatch.setattr(run.machine, "backward", lambda loss: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.fit()


def test_full_memory_at_the_validation_is_explained(trainer, streets, tmp_path, monkeypatch):
    run = trainer(folder=tmp_path, validation=streets, every=2)
    monkeypatch.setattr(run.machine, "confusion", outgrown(run.machine.confusion, after=2))
    with pytest.raises(training.TrainingError, match="Memory was full at the validation after step 2") as caught:
        run.fit()
    assert str(tmp_path / "last.safetensors") in str(caught.value)
    good_checkpoint(tmp_path, 2)
    assert [record["step"] for record in training.History.read(tmp_path / "curve.jsonl").records] == [1, 2]


def outgrown(function, after):
    calls = []

    def called(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise MemoryError
        return function(*arguments)

    return called


def test_a_full_disk_is_explained_and_the_checkpoint_before_stays(trainer, tmp_path, monkeypatch):
    run = trainer(folder=tmp_path, every=2)
    run.fit(2)
    before = (tmp_path / "last.safetensors").read_bytes()
    whole = os.fsync

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        training.TrainingError, match=r"The disk is full: no room for .* MB of last.safetensors"
    ) as caught:
        run.fit()
    assert "The one before is still there" in str(caught.value)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.jsonl", "last.safetensors"]
    monkeypatch.setattr(os, "fsync", whole)
    run.fit()
    good_checkpoint(tmp_path, 6)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's disk that is always full")
def test_a_full_disk_is_noticed_by_the_curve():
    with pytest.raises(training.TrainingError, match="The disk is full: /dev/full takes no more lines"):
        training.History("/dev/full").add({"step": 1, "loss": 0.5})


def test_images_of_different_sizes_ask_for_a_crop(trainer, streets):
    from segedu.training.batches import Batches

    class Mixed(Broken):
        def __getitem__(self, index):
            image, labels = self.dataset[index]
            return image[index:], labels[index:]

    with pytest.raises(ValueError, match=r"have different sizes, 34×48, 35×48.*: crop=\(height, width\)"):
        Batches(Mixed(streets, {}), 7)[0]


def test_an_image_that_cannot_be_read_is_named(trainer, streets):
    from segedu.data import DataError

    broken = Broken(streets, {5: DataError("x.png cannot be read as an image")})
    with pytest.raises(DataError, match=r"x\.png cannot be read"):
        trainer(dataset=broken).fit()


def test_the_first_signal_waits_for_the_step_and_the_second_does_not(capsys):
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        assert "Stopping after this step" in capsys.readouterr().out
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_while_validating_does_not_wait_for_the_other_images(trainer, streets, tmp_path, monkeypatch):
    run, looked_at = trainer(folder=tmp_path, validation=streets, every=2), []
    confusion = run.machine.confusion

    def interrupted(logits, labels, *arguments):
        if len(labels) == 1:  # validation looks at one image at a time
            looked_at.append(labels)
            if len(looked_at) == 3:
                signal.raise_signal(signal.SIGINT)
        return confusion(logits, labels, *arguments)

    monkeypatch.setattr(run.machine, "confusion", interrupted)
    history = run.fit()
    assert (run.step, len(looked_at), history.last("val_miou")) == (2, 3, None)
    good_checkpoint(tmp_path, 2)


def test_training_in_a_thread_works_without_signals(trainer):
    run = trainer()
    thread = threading.Thread(target=run.fit, args=(1,))
    thread.start()
    thread.join()
    assert run.step == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_saves_says_how_to_go_on_and_the_rest_is_as_without_it(tmp_path):
    options = [
        "--engine",
        "numpy",
        "--data",
        "street",
        "--size",
        "48",
        "--width",
        "0.05",
        "--limit",
        "5",
        "--steps",
        "40",
    ]
    command = [sys.executable, "-m", "segedu", "train", *options, "--every", "7"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    process = subprocess.Popen(
        [*command, "--out", stopped], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    while not (stopped / "curve.jsonl").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0]
    assert process.returncode == 0
    step = checkpoints.read(stopped / "last.safetensors")["step"]
    assert 1 <= step < 40
    assert f"Saved after step {step}. To go on: python -m segedu train --resume --out {stopped}" in said
    for folder, more in ((stopped, ["--resume"]), (whole, [])):
        again = command if folder == whole else command[:4]
        subprocess.run([*again, *more, "--out", folder], cwd=ROOT, env=environment, check=True, capture_output=True)
    one, other = (checkpoints.read(folder / "last.safetensors") for folder in (stopped, whole))
    np.testing.assert_equal(one["model"], other["model"])
    np.testing.assert_equal(one["optimizer"], other["optimizer"])

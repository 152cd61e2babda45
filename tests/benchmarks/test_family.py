"""`python -m segedu family`: every network alike, one record, network by network."""

import json
import os
import signal

import numpy as np
import pytest

from benchmarks import family
from segedu import models, training
from segedu.data import open_dataset
from segedu.training.kept import Kept

TINY = ["--steps", "4", "--size", "32", "--limit", "3", "--width", "0.02", "--batch", "2"]


@pytest.fixture
def ran(tmp_path):
    """`ran("unet", …)` runs the command small: its exit code and the record."""

    def run(*names, extra=()):
        path = tmp_path / "family.json"
        code = family.main([*TINY, "--only", *names, "--json", str(path), *extra])
        return code, json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    return run


def result_of(record, name):
    return next(run for run in record["runs"] if run["network"] == name)


def without_times(run):
    return {name: value for name, value in run.items() if name not in ("forward_s", "step_s", "date")}


def break_off_at_step(monkeypatch, number, network):
    """Ctrl-C while the network takes that step."""
    step = training.Trainer._step

    def broken(self, *batch):
        if self.model.recipe["name"] == network and self.step + 1 == number:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *batch)

    monkeypatch.setattr(training.Trainer, "_step", broken)


def test_a_run_scores_what_training_by_hand_gives(ran):
    code, record = ran("segnet")
    data = [Kept(open_dataset("street", split, size=32), 3) for split in ("train", "test")]
    model = models.create("segnet", 9, width=0.02, engine="torch")
    trainer = training.Trainer(model, data[0], steps=4, batch=2, lr=3e-3, schedule="poly")
    _, losses = trainer.fit(show=False).curve("loss")
    run = result_of(record, "segnet")
    assert code == 0
    assert run["mean_iou"] == pytest.approx(trainer.evaluate(data[1]).miou, rel=1e-3)
    assert run["loss"] == pytest.approx(np.mean(losses), rel=1e-3)
    assert run["parameters"] == models.count_parameters(model)
    assert run["forward_s"] > 0
    assert run["step_s"] > 0


def test_networks_that_are_done_are_kept(ran):
    first = result_of(ran("unet")[1], "unet")
    code, record = ran("unet", "fcn8s")
    assert code == 0
    assert [run["network"] for run in record["runs"]] == ["unet", "fcn8s"]
    assert result_of(record, "unet") == first


def test_a_record_of_other_settings_is_neither_mixed_nor_overwritten(ran, capsys):
    before = ran("unet")[1]
    code, record = ran("fcn8s", extra=["--lr", "0.01"])
    assert code == 1
    assert record == before
    assert "made with other settings" in capsys.readouterr().err
    assert [run["network"] for run in ran("fcn8s", extra=["--lr", "0.01", "--again"])[1]["runs"]] == ["fcn8s"]


def test_breaking_off_keeps_the_networks_before_and_none_that_is_half_trained(ran, monkeypatch, capsys):
    break_off_at_step(monkeypatch, 2, "fcn8s")
    code, record = ran("unet", "fcn8s")
    assert code == 130
    assert [run["network"] for run in record["runs"]] == ["unet"]
    assert "Broken off at fcn8s" in capsys.readouterr().out


def test_with_checkpoints_a_network_goes_on_where_it_was_broken_off(ran, monkeypatch, tmp_path):
    whole = result_of(ran("unet")[1], "unet")
    (tmp_path / "family.json").unlink()
    with monkeypatch.context() as patch:
        break_off_at_step(patch, 2, "unet")
        assert ran("unet", extra=["--runs", str(tmp_path / "runs")])[0] == 130
    record = ran("unet", extra=["--runs", str(tmp_path / "runs")])[1]
    assert without_times(result_of(record, "unet")) == without_times(whole)


def test_a_network_that_fails_is_named_and_tried_again(ran, monkeypatch):
    create = models.create

    def failing(name, *arguments):
        if name == "unet":
            raise ValueError("no room")
        return create(name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(models, "create", failing)
        code, record = ran("unet", "fcn8s")
    assert code == 1
    assert record["failed"] == [{"network": "unet", "seed": 0, "reason": "no room"}]
    assert [run["network"] for run in record["runs"]] == ["fcn8s"]
    code, record = ran("unet", "fcn8s")
    assert (code, record["failed"]) == (0, [])


def test_calling_all_the_commonest_class_scores_its_share_over_the_classes():
    train, test = (open_dataset("street", split, length=4, size=48, void_width=2) for split in ("train", "test"))
    labels = np.concatenate([labels.ravel() for _, labels in test])
    labels = labels[labels != test.void]
    commonest = np.bincount(np.concatenate([y[y != train.void] for _, y in train])).argmax()
    expected = (labels == commonest).mean() / len(set(labels))
    assert family.commonest_class(train, test).miou == pytest.approx(expected)


def test_the_command_of_a_record_makes_the_same_record(ran):
    command = ran("unet")[1]["command"].split()
    again = family.parser().parse_args(command[4:])
    assert command[:4] == ["python", "-m", "segedu", "family"]
    assert (again.steps, again.size, again.limit, again.width, again.batch) == (4, [32], 3, 0.02, 2)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--batch", "1"], "batch=1 must be at least 2"),
        (["--data", "camvid", "--size", "32"], "crop"),
        (["--amp", "bf16", "--engine", "numpy"], "mixed precision"),
    ],
)
def test_what_cannot_be_is_explained(ran, extra, message, capsys):
    assert ran("unet", extra=extra)[0] == 1
    assert message in capsys.readouterr().err


def test_the_committed_records_hold_every_network():
    for path in family.record.RECORDS.glob("family-*.json"):
        record = family.record.read(path)
        found = {(run["network"], run["seed"]) for run in record["runs"]}
        assert found == {(name, seed) for name in models.names() for seed in record["settings"]["seeds"]}
        for run in record["runs"]:
            built = models.build(run["network"], len(record["classes"]), width=record["settings"]["width"])
            assert run["parameters"] == models.count_parameters(built)

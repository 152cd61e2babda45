"""`python -m segedu gpu-check`: every stage runs here, small and on the CPU; what goes wrong is said and recorded."""

import json
import sys

import pytest
import torch

from benchmarks.gpu import __main__ as gpu_check
from benchmarks.gpu import compiling, operators, programs, training
from benchmarks.gpu.cases import ITEMS, Item, relu
from benchmarks.gpu.setting import Setting
from segedu import __main__ as command_line
from segedu import cuda_ops, numpy_ops
from tests.cuda.kernels import needs_compiler

pytestmark = needs_compiler
EASY = "ReLU|max unpool|soft Jaccard|confusion"


def checked(tmp_path, *arguments) -> tuple[int, dict]:
    path = tmp_path / "record.json"
    code = gpu_check.main(["--dry-run", "--json", str(path), *arguments])
    return code, json.loads(path.read_text(encoding="utf-8"))


def named(name: str) -> Item:
    return next(item for item in ITEMS if item.name == name)


# ---------------------------------------------------------------- what is compared
def test_every_operator_that_has_kernels_is_compared():
    kernels = {n for n in numpy_ops.__all__ if getattr(cuda_ops, n).__module__ != getattr(numpy_ops, n).__module__}
    assert kernels - {name for item in ITEMS for name in item.operators} == set()


@pytest.mark.slow
def test_every_operator_equals_pytorch_by_the_very_code_that_runs_on_a_gpu():
    found = operators.compare_all(Setting(dry=True))
    assert found["wrong"] == []
    assert found["ok"]
    assert found["compared"] == [item.name for item in ITEMS]


def test_a_wrong_operator_is_named_and_the_others_still_run(monkeypatch):
    def doubled(s, rng, shape, dtype):
        forward, gradient = relu(s, rng, shape, dtype)
        wrong = type(forward)(forward.direction, lambda: forward.ours() * 2, forward.pytorch, forward.reads)
        return [wrong, gradient]

    def raising(*_):
        raise ValueError("out of order")

    broken = [Item("doubled", ("relu",), doubled), Item("raising", ("relu",), raising)]
    monkeypatch.setattr(operators, "ITEMS", [*broken, named("ReLU")])
    found = operators.compare_all(Setting(dry=True))
    assert not found["ok"]
    assert found["compared"] == ["doubled", "raising", "ReLU"]
    says = {fault["item"]: fault["what"] for fault in found["wrong"]}
    assert "wrong" in says["doubled"]
    assert says["raising"] == "ValueError: out of order"
    assert "ReLU" not in says


def test_what_is_timed_is_compared_first_and_carries_its_floor():
    found = operators.time_all(Setting(dry=True, repeat=1, items=EASY))
    assert found["ok"]
    assert {row["item"] for row in found["timed"]} == {
        "ReLU",
        "max unpool 2×2",
        "soft Jaccard loss",
        "confusion matrix",
    }
    row = next(row for row in found["timed"] if row["item"] == "ReLU")
    assert row["bytes"] == 2 * 4 * 3 * 7 * 9, "read once, written once"
    assert row["copy_fraction"] == pytest.approx(row["bytes"] / row["ours_s"] / found["copy_bytes_per_s"])
    assert row["ratio"] == row["ours_s"] / row["pytorch_s"]


def test_a_wrong_result_has_no_time(monkeypatch):
    monkeypatch.setattr(cuda_ops, "relu", lambda x: x)
    found = operators.time_all(Setting(dry=True, repeat=1, items="ReLU"))
    assert not found["ok"]
    assert [fault["direction"] for fault in found["refused"]] == ["forward"]
    assert [row["direction"] for row in found["timed"]] == ["gradient"]


def test_operations_of_a_convolution_are_those_of_its_definition():
    s, shape = Setting(dry=True), (2, 4, 6, 5)
    with torch.device("cpu"):
        forward, gradient = named("conv 3×3").build(s, s.generator(0), shape, torch.float32)
    assert forward.flops == 2 * 2 * 4 * 6 * 5 * 4 * 9
    assert gradient.flops == 2 * forward.flops


# ---------------------------------------------------------------- programs
def test_wrong_programs_run_in_processes_of_their_own(monkeypatch):
    monkeypatch.setattr(programs, "FEW", ("an assertion", "two blocks add up"))
    rows = {row["program"]: row["outcome"] for row in programs.wrong_programs(Setting(dry=True))["programs"]}
    assert "assertion failed" in rows["an assertion"]
    assert rows["two blocks add up"] == programs.UNNOTICED


def test_a_program_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(programs, "TIME_LIMIT", 0.01)
    assert "did not end" in programs._outcome(Setting(dry=True), "an assertion")["outcome"]


def test_what_a_gpu_must_refuse_is_unexpected_where_it_passes():
    passed = {"problem": "assertion", "outcome": programs.UNNOTICED}
    assert programs._is_unexpected(passed)
    assert not programs._is_unexpected({"problem": "assertion", "outcome": "CUDARuntimeError: cudaErrorAssert"})
    assert not programs._is_unexpected({"problem": "race", "outcome": programs.UNNOTICED})


def test_pytests_failures_are_in_the_record(tmp_path):
    folder = tmp_path / "test_some.py"
    folder.write_text("def test_good(): pass\ndef test_bad(): assert 1 == 2\n")
    found = programs._pytest(Setting(dry=True), [str(folder)])
    assert (found["ok"], found["passed"]) == (False, 1)
    assert [("test_bad" in f["test"], "assert 1 == 2" in f["what"]) for f in found["failed"]] == [(True, True)]


def test_files_of_tests_run_apart_and_those_without_time_are_named(monkeypatch):
    monkeypatch.setattr(
        programs, "_pytest", lambda s, arguments: {"ok": True, "complete": True, "passed": 2, "failed": []}
    )
    setting = Setting(dry=False, items="pooling|losses")
    assert programs.operator_tests(setting)["passed"] == 2 * 3, "pooling, unpooling, losses"
    setting.seconds = 0
    found = programs.operator_tests(setting)
    assert (found["passed"], found["ok"], found["complete"]) == (0, False, False)
    assert found["left_out"] == ["test_losses.py", "test_pooling.py", "test_unpooling.py"]


def test_missing_packages_of_the_tests_are_named(monkeypatch):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None if name == "hypothesis" else name)
    assert programs.right_programs(Setting(dry=True))["why"] == "this Python lacks hypothesis"


def test_compiling_is_measured_in_every_mode_there_is():
    found = compiling.measure(Setting(dry=True, repeat=1))
    assert [row["mode"] for row in found["modes"]] == ["check", "fast"]
    assert all(row["compile_s"] > row["cached_s"] > 0 for row in found["modes"])


# ---------------------------------------------------------------- training
@pytest.mark.slow
def test_both_networks_learn_alike_by_our_kernels_and_by_pytorch(tmp_path):
    code, record = checked(tmp_path, "--only", "training")
    found = record["stages"]["training"]
    assert (code, found["complete"], found["faults"]) == (0, True, [])
    assert found["runs"].keys() == {
        f"{network} {engine}" for network in training.NETWORKS for engine in ("torch", "cuda")
    }
    for pair in found["compared"].values():
        assert pair["agree"]
        assert pair["first_losses_apart"] < 1e-4
        assert abs(pair["miou_apart"]) < 0.01


class Hurried(Setting):
    """Time is up after the first look at the clock and the first piece."""

    looks = 0

    @property
    def left(self):
        self.looks += 1
        return 1.0 if self.looks < 3 else -1.0


def test_a_training_that_ran_out_of_time_goes_on_to_the_same_losses(tmp_path):
    whole = training.train_all(Setting(dry=True, items="unet torch"))
    cut = training.train_all(Hurried(dry=True, items="unet torch", runs=tmp_path))
    assert (cut["runs"], cut["left_out"], cut["complete"]) == ({}, ["unet torch"], False)
    rest = training.train_all(Setting(dry=True, items="unet torch", runs=tmp_path))
    assert rest["complete"]
    assert rest["runs"]["unet torch"]["losses"] == whole["runs"]["unet torch"]["losses"]
    assert len(rest["runs"]["unet torch"]["losses"]) == 3
    assert not list(tmp_path.rglob("last.safetensors")), "a finished run needs no room"


def test_a_training_that_fails_is_named_and_the_others_run(monkeypatch):
    make = training._trainer

    def failing(s, place, network, *rest):
        if network == "unet":
            raise ValueError("out of order")
        return make(s, place, network, *rest)

    monkeypatch.setattr(training, "_trainer", failing)
    found = training.train_all(Setting(dry=True, items="torch"))
    assert found["faults"] == [{"run": "unet torch", "what": "ValueError: out of order"}]
    assert (list(found["runs"]), found["ok"]) == (["fcn8s torch"], False)


def test_losses_that_part_at_once_do_not_agree_and_later_ones_may():
    def rows(losses):
        both = {"torch": [1.0] * 20, "cuda": losses}
        return [{"network": "unet", "engine": e, "losses": x, "val_miou": 0.5, "step_s": 1.0} for e, x in both.items()]

    assert not training.compare(rows([1.1] * 20))["agree"]
    late = training.compare(rows([1.0] * 10 + [1.1] * 10))
    assert late["agree"]
    assert late["last_losses_apart"] == pytest.approx(0.1)
    assert training.compare(rows([1.0] * 20)[:1]) is None


# ---------------------------------------------------------------- the command
def test_without_a_gpu_it_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command_line.main(["gpu-check"]) == gpu_check.NO_GPU
    assert "No NVIDIA GPU was found" in (says := capsys.readouterr().err)
    assert "--dry-run" in says


def test_without_cupy_it_names_the_one_that_fits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None if name == "cupy" else name)
    assert "python -m pip install cupy-cuda13x" in gpu_check.obstacle(dry=False)


def test_a_record_holds_machine_versions_command_and_stages(tmp_path, capfd):
    code, record = checked(tmp_path, "--only", "operators", "--items", "ReLU")
    assert code == 0
    assert record["command"] == "python -m segedu gpu-check --dry-run --only operators --items ReLU"
    assert record["versions"].keys() >= {"python", "numpy", "torch"}
    assert record["stages"]["operators"]["compared"] == ["ReLU"]
    assert "1/1 operators: ok" in capfd.readouterr().out
    code, record = checked(tmp_path, "--only", "operators", "--items", "ReLU", "--resume")
    assert "ReLU" not in capfd.readouterr().out, "done already"
    assert record["stages"]["operators"]["ok"]


def test_a_stage_that_raises_is_recorded():
    def stage(setting):
        raise RuntimeError("no such luck")

    assert gpu_check.outcome(Setting(dry=True), stage)["why"].startswith(
        "RuntimeError: no such luck (test_gpu_check.py:"
    )


def test_after_an_illegal_access_a_new_process_goes_on(monkeypatch):
    parts = [
        {
            "compared": ["a"],
            "wrong": ["a"],
            "left_out": ["b"],
            "ok": False,
            "complete": False,
            "poisoned": "a",
            "done": ["a"],
        },
        {"compared": ["b"], "wrong": [], "left_out": [], "ok": True, "complete": True},
    ]
    skipped = []
    monkeypatch.setattr(gpu_check, "in_process", lambda name, o, begun, skip: skipped.append([*skip]) or parts.pop(0))
    whole = gpu_check.in_processes("operators", gpu_check.parser().parse_args([]), 0.0)
    assert skipped == [[], ["a"]]
    assert (whole["compared"], whole["wrong"], whole["ok"]) == (["a", "b"], ["a"], False)
    assert (whole["left_out"], whole["complete"]) == ([], True)


def test_a_poisoned_process_stops_at_once_and_says_what_is_left(monkeypatch):
    class Poisoned(Setting):
        is_poisoned = True

    found = operators.compare_all(Poisoned(dry=True, items="ReLU|max unpool"))
    assert (found["poisoned"], found["done"], found["left_out"]) == ("max unpool 2×2", ["max unpool 2×2"], ["ReLU"])


def test_a_stages_process_that_dies_is_recorded(monkeypatch):
    monkeypatch.setattr(gpu_check.sys, "executable", "/bin/false" if sys.platform != "win32" else "where")
    part = gpu_check.in_process("compiling", gpu_check.parser().parse_args(["--dry-run"]), 0.0, [])
    assert (part["ok"], "ended without a result" in part["why"]) == (False, True)


def test_when_the_time_is_up_nothing_new_begins(tmp_path, capsys):
    found = operators.compare_all(Setting(dry=True, seconds=0))
    assert found["compared"] == []
    assert len(found["left_out"]) == len(ITEMS)
    assert not found["complete"]

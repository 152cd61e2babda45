"""A run: complete records, wrong results refused, and what was measured kept."""

import time

import numpy as np
import pytest
import torch

from benchmarks import case, record, run, timing
from benchmarks.case import Case, Operator


def empty_record():
    return record.new("test", threads=1, effort=timing.QUICK, seeds=[0], removed={}, quick=True)


def operator_of(name, ours, pytorch=torch.Tensor.exp):
    def build(shape, rng):
        x = case.normal(rng, shape)
        return [Case(case.FORWARD, lambda: ours(x), lambda: pytorch(torch.from_numpy(x)), (x,))]

    return Operator(name, build, quick=(2, 3, 4, 4))


def run_quick(*operators, **arguments):
    return run.run(operators, empty_record(), timing.QUICK, quick=True, **arguments)


def test_quick_record_has_every_field(quick_record):
    assert quick_record["complete"]
    assert not quick_record["refused"]
    assert quick_record["machine"]["cpu"]
    assert set(quick_record["versions"]) == {"python", "numpy", "torch"}
    for field in (
        "date",
        "command",
        "threads",
        "malloc",
        "repeat",
        "clock",
        "processes",
        "seeds",
        "layout",
        "load_before",
    ):
        assert field in quick_record
    assert {"library", "kernel", "forced", "removed"} <= set(quick_record["blas"])
    assert quick_record["copy_bytes_per_s"] > 0
    assert quick_record["sgemm_flops_per_s"] > 0


def test_quick_record_has_positive_times_and_both_directions(quick_record):
    assert [(c["operator"], c["direction"]) for c in quick_record["cases"]] == [
        (name, direction) for name in ("max pool 2×2 with indices", "conv 1×1") for direction in ("forward", "gradient")
    ]
    for one in quick_record["cases"]:
        assert one["ours_s"] > 0
        assert one["pytorch_s"] > 0
        assert one["ratio"] == one["ours_s"] / one["pytorch_s"]
        assert one["copy_fraction"] > 0
    assert quick_record["cases"][0]["sgemm_fraction"] is None
    assert quick_record["cases"][2]["sgemm_fraction"] > 0


def test_growth_has_a_curve_for_each_direction(quick_record):
    assert len(quick_record["growth"]) == 4
    for curve in quick_record["growth"]:
        assert len(curve["sizes"]) == len(curve["ours_s"]) == len(curve["pytorch_s"]) == 2
        assert np.isfinite([curve["ours_exponent"], curve["pytorch_exponent"]]).all()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("values", lambda x: np.exp(x) * np.float32(1.01)),
        ("shape", lambda x: np.exp(x)[..., :-1]),
        ("dtype", lambda x: np.exp(x.astype(np.float64))),
        ("number of results", lambda x: (np.exp(x), x)),
    ],
)
def test_a_wrong_result_is_refused_by_name_and_not_timed(name, wrong):
    result = run_quick(operator_of("right", np.exp), operator_of(f"wrong {name}", wrong))
    assert [one["operator"] for one in result["cases"]] == ["right"]
    assert [one["operator"] for one in result["refused"]] == [f"wrong {name}"]
    assert "WrongResultError" in result["refused"][0]["reason"]


def test_an_operator_that_raises_is_refused_and_the_others_are_timed():
    def broken(x):
        raise ZeroDivisionError("no reason")

    result = run_quick(operator_of("broken", broken), operator_of("right", np.exp))
    assert [one["operator"] for one in result["cases"]] == ["right"]
    assert result["refused"][0]["reason"] == "ZeroDivisionError: no reason"


def test_breaking_off_keeps_what_was_measured():
    def interrupt(x):
        raise KeyboardInterrupt

    events = []
    result = run_quick(operator_of("right", np.exp), operator_of("stop", interrupt), report=events.append)
    assert [one["operator"] for one in result["cases"]] == ["right"]
    assert not result["complete"]
    assert events[-1] == {"interrupted": True}


def test_calls_are_timed_in_turn():
    order = []
    samples = timing.interleaved([lambda: order.append("a"), lambda: order.append("b")], timing.Effort(7, 0.0, 0.0))
    assert [len(times) for times in samples] == [7, 7]
    assert order[-4:] == ["a", "a", "b", "b"]  # each sample: once to warm up, once timed


def test_fewer_than_seven_samples_are_refused():
    with pytest.raises(ValueError, match="repeat=6 must be at least 7"):
        timing.Effort(repeat=6)


def test_the_processor_clock_leaves_out_waiting():
    effort = timing.Effort(7, 0.0, 0.0, clock="processor")
    ((*_, slept),) = timing.interleaved([lambda: time.sleep(0.01)], effort)
    assert slept < 0.01
    with pytest.raises(ValueError, match="clock='sun' must be one of wall, processor"):
        timing.Effort(clock="sun")


def test_both_sides_get_the_same_number_of_threads():
    from threadpoolctl import threadpool_info

    from segedu.numpy_ops import _blocks

    before = _blocks.get_num_threads(), torch.get_num_threads()
    with timing.threads(1):
        assert _blocks.get_num_threads() == torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert (_blocks.get_num_threads(), torch.get_num_threads()) == before

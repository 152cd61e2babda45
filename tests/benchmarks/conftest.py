"""Records to test with: made by a quick run, without believing its times."""

import pytest

from benchmarks import case, record, run, timing


@pytest.fixture(scope="session")
def quick_record():
    """A quick run of two operators with growth, as a record."""
    from benchmarks import cases

    empty = record.new(
        "python -m segedu bench --quick", threads=1, effort=timing.QUICK, seeds=[3], removed={}, quick=True
    )
    operators = [*cases.chosen("^max pool 2×2 with"), *cases.chosen("^conv 1×1$")]
    return run.run(operators, empty, timing.QUICK, quick=True, with_growth=True)


@pytest.fixture
def result():
    """Make a result as a run makes it: `result(operator="conv", ours=1.0, pytorch=2.0)`, in seconds."""
    roof = {"copy_bytes_per_s": 1e9, "sgemm_flops_per_s": 1e9}

    def make(operator="conv", shape=(1, 2, 3, 4), direction=case.FORWARD, table=True, ours=1.0, pytorch=2.0):
        return record.timed(record.entry(operator, shape, direction, table), [ours], [pytorch], 1000, 0, roof)

    return make

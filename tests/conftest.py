"""What every test may use: seeded random numbers, `--all` for the slow tests, repeatable Hypothesis runs."""

import os

# Arrays are small here: threads that wait for one another take longer than the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import zlib

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("normal", derandomize=True, print_blob=True, deadline=None)
hypothesis.settings.register_profile("all", hypothesis.settings.get_profile("normal"), max_examples=500)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", help="run the tests marked `slow`, too, and more Hypothesis examples"
    )


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("all" if config.getoption("--all") else "normal")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = None if config.getoption("--all") else pytest.mark.skip(reason="slow; --all runs it")
    gpu = None if not any(item.get_closest_marker("gpu") for item in items) or has_gpu() else NO_GPU
    for item in items:
        for name, skip in (("slow", slow), ("gpu", gpu)):
            if skip and item.get_closest_marker(name):
                item.add_marker(skip)


NO_GPU = pytest.mark.skip(reason="needs an NVIDIA GPU and CuPy")


def has_gpu() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # CuPy without a driver raises one of several errors
        return False


def seed_of(nodeid: str) -> int:
    """Return the test's seed: SEGEDU_SEED where it is set, else a number made from the test's name."""
    return int(os.environ.get("SEGEDU_SEED") or zlib.crc32(nodeid.encode()))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that differ between tests and are the same in every run; a failing test shows its seed."""
    seed = seed_of(request.node.nodeid)
    print(f"seed={seed}")
    return np.random.default_rng(seed)

"""The fixtures and options that all tests share."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

TESTS = """
import hypothesis
import pytest

def test_shows_its_seed(rng):
    assert rng.random() < 0, rng.random()

@pytest.mark.slow
def test_is_slow():
    assert hypothesis.settings().max_examples == 500
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs two tests with this folder's conftest.py and returns what pytest prints."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # pytest alone starts sooner
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    (tmp_path / "test_two.py").write_text(TESTS)

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    return run


def test_a_failure_shows_its_seed_which_is_the_same_in_every_run(run):
    seeds = [[line for line in run().splitlines() if line.startswith("seed=")] for _ in range(2)]
    assert len(seeds[0]) == 1
    assert seeds[0] == seeds[1]


def test_the_seed_can_be_chosen(run, monkeypatch):
    monkeypatch.setenv("SEGEDU_SEED", "17")
    assert "seed=17\n" in run()


def test_slow_tests_wait_for_all(run):
    without = run()
    assert "1 skipped" in without
    assert "--all runs it" in without
    assert "1 failed, 1 passed" in run("--all")

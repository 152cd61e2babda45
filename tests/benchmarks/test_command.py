"""`python -m segedu bench`: options, errors, records, and processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks import machine, memory, record

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--quick", "--threads", "1", "--only", "^max unpool"]


def test_a_quick_run_writes_a_record_where_it_is_told(tmp_path, capsys):
    path = tmp_path / "quick.json"
    assert command.main([*QUICK, "--json", str(path)]) == 0
    written = record.read(path)
    assert written["complete"]
    assert written["command"] == "python -m segedu bench --quick --threads 1 --only '^max unpool'"
    assert {case["operator"] for case in written["cases"]} == {"max unpool 2×2"}
    assert "max unpool 2×2" in capsys.readouterr().out


def test_a_quick_run_alone_leaves_the_records_as_they_are():
    before = sorted(record.RECORDS.glob("*.json"))
    command.main(QUICK)
    assert sorted(record.RECORDS.glob("*.json")) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--repeat", "6"], "at least 7"),
        (["--threads", "0"], "must be at least 1"),
        (["--processor-time", "--threads", "2"], "needs --threads 1"),
        (["--only", "("], "no regular expression"),
    ],
)
def test_a_wrong_option_is_refused(argv, message, capsys):
    with pytest.raises(SystemExit):
        command.main(argv)
    assert message in capsys.readouterr().err


def test_only_without_a_match_lists_the_operators():
    with pytest.raises(SystemExit, match=r"no operator matches[\s\S]*conv 3×3"):
        command.main(["--only", "no such operator"])


def test_without_pytorch_the_command_says_what_to_install(monkeypatch):
    find = command.importlib.util.find_spec
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(SystemExit, match="needs torch: python -m pip install torch"):
        command.main(["--quick"])


def test_table_of_a_given_record(quick_record, tmp_path, capsys):
    path = tmp_path / "cpu-x.json"
    record.write(quick_record, path)
    assert command.main(["--table", "--json", str(path)]) == 0
    assert "| conv 1×1 | 2×4×16×16 |" in capsys.readouterr().out


def test_missing_record_is_told_plainly(tmp_path):
    with pytest.raises(SystemExit, match="No table: "):
        command.main(["--table", "--json", str(tmp_path / "none.json")])


@pytest.mark.slow
@pytest.mark.skipif(not machine.is_glibc(), reason="--tuned-malloc steers glibc's malloc")
def test_tuned_malloc_over_two_processes(tmp_path):
    path = tmp_path / "tuned.json"
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell"}
    arguments = [*QUICK, "--tuned-malloc", "--processes", "2", "--json", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "segedu", "bench", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "OPENBLAS_CORETYPE=Haswell" in done.stdout
    written = record.read(path)
    assert written["malloc"] == "keeps memory"
    assert written["blas"]["removed"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert not written["blas"]["forced"]
    assert written["processes"] == 2
    assert written["seeds"] == [0, 1]
    assert all(len(case["ours_runs_s"]) == 2 for case in written["cases"])


@pytest.mark.slow
@pytest.mark.skipif(not memory.available(), reason="this system does not tell the peak of a process")
def test_peak_memory_counts_the_result(tmp_path):
    from benchmarks import cases

    (operator,) = cases.chosen("^nearest ×2$")
    shape = (2, 16, 256, 256)  # 8 MiB in, 32 MiB out
    peaks = memory.in_fresh_process(operator, shape, threads=1, seed=0)
    for side in ("ours", "pytorch"):
        assert 31 * 2**20 < peaks["forward"][side] < 48 * 2**20
    assert json.dumps(peaks)

"""Records: the geometric mean, medians over processes, targets, and what a file holds."""

import json

import pytest

from benchmarks import growth, machine, record


def test_geometric_mean_is_the_nth_root_of_the_product():
    assert record.geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert record.geometric_mean([3.0]) == pytest.approx(3.0)
    assert record.geometric_mean([]) is None


def test_geometric_mean_of_ratios_and_of_their_inverses_are_inverse(rng):
    ratios = rng.uniform(0.2, 5, 20)
    assert record.geometric_mean(ratios) * record.geometric_mean(1 / ratios) == pytest.approx(1)


def test_geometric_mean_counts_the_published_table_only(result):
    cases = [result(ours=1.0, pytorch=2.0), result(ours=4.0, pytorch=2.0), result(ours=9.0, pytorch=1.0, table=False)]
    assert record.finished({"cases": cases}, complete=True)["geometric_mean"] == pytest.approx(1.0)


def test_merging_takes_medians_over_processes(quick_record, result):
    times = [(1.0, 2.0), (5.0, 4.0), (2.0, 8.0)]
    runs = [
        quick_record | {"cases": [result(ours=ours, pytorch=torch)], "seeds": [i]}
        for i, (ours, torch) in enumerate(times)
    ]
    merged = record.merged(runs)
    (case,) = merged["cases"]
    assert (case["ours_s"], case["pytorch_s"], case["ratio"]) == (2.0, 4.0, 0.5)
    assert case["ours_runs_s"] == [1.0, 5.0, 2.0]
    assert (merged["processes"], merged["seeds"], merged["complete"]) == (3, [0, 1, 2], True)


def test_over_target_names_slow_cases_of_the_table(quick_record, result):
    slow = result(operator="slow", ours=1.7, pytorch=1.0)
    cases = [
        slow,
        result(ours=1.5, pytorch=1.0),
        result(direction="gradient", ours=2.9, pytorch=1.0),
        result(ours=9.0, pytorch=1.0, table=False),
    ]
    assert record.over_target(quick_record | {"quick": False, "cases": cases}) == [slow]


def test_a_written_record_reads_back_to_four_digits(quick_record, tmp_path):
    path = tmp_path / "new folder" / "cpu-test.json"
    record.write(quick_record, path)
    back = record.read(path)
    assert set(back) == set(quick_record)
    for one, other in zip(back["cases"], quick_record["cases"], strict=True):
        assert one["operator"] == other["operator"]
        assert one["ours_s"] == pytest.approx(other["ours_s"], rel=1e-3)


def test_a_record_names_no_folder_and_no_host(quick_record):
    import platform
    from pathlib import Path

    text = json.dumps(quick_record)
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text
    assert platform.node() not in text or len(platform.node()) < 4


def test_another_format_is_refused(tmp_path):
    path = tmp_path / "cpu-old.json"
    path.write_text('{"format": 0}')
    with pytest.raises(ValueError, match=r"cpu-old\.json is no benchmark record of format 1"):
        record.read(path)


def test_the_newest_full_record_is_found(quick_record, tmp_path):
    for name, date, quick in (("a", "2025-01-02", False), ("b", "2025-01-01", False), ("c", "2025-01-03", True)):
        record.write(quick_record | {"date": date, "quick": quick}, tmp_path / f"cpu-{name}.json")
    assert record.newest(tmp_path)["date"] == "2025-01-02"
    with pytest.raises(FileNotFoundError, match="python -m segedu bench"):
        record.newest(tmp_path / "nothing")


def test_the_path_tells_cpu_threads_and_malloc(quick_record):
    told = quick_record | {"machine": {"cpu": "Some CPU (R) 9"}, "threads": 2, "malloc": "keeps memory"}
    assert record.default_path(told).name == "cpu-some-cpu-r-9-2-threads.json"
    told |= {"threads": 1, "malloc": "as it comes"}
    assert record.default_path(told).name == "cpu-some-cpu-r-9-1-thread-malloc-as-it-comes.json"


def test_growth_exponent_is_one_for_linear_and_two_for_quadratic_cost():
    assert growth.exponent([64, 128, 256], [1.0, 4.0, 16.0]) == pytest.approx(1)
    assert growth.exponent([64, 128, 256], [1.0, 16.0, 256.0]) == pytest.approx(2)


def test_malloc_is_tuned_only_with_all_its_variables():
    assert machine.malloc_setting({}) == "as it comes"
    if machine.is_glibc():
        assert machine.malloc_setting(machine.KEEP_MEMORY) == "keeps memory"
        assert machine.malloc_setting({"MALLOC_MMAP_MAX_": "0"}) == "as it comes"


def test_forced_kernels_are_told():
    assert machine.blas({"OPENBLAS_CORETYPE": "Haswell"})["forced"] == {"OPENBLAS_CORETYPE": "Haswell"}

"""Tables: the README's text is made from a record and replaces only what stands between its markers."""

import io

import pytest
from rich.console import Console

from benchmarks import table


def full(quick_record, *cases):
    return quick_record | {"quick": False, "cases": list(cases), "geometric_mean": 0.75}


def test_markdown_has_a_row_for_each_operator_and_shape(quick_record, result):
    record = full(
        quick_record,
        result(operator="conv", ours=0.001, pytorch=0.002),
        result(operator="conv", direction="gradient", ours=0.003, pytorch=0.002),
        result(operator="loss", direction="with gradient", ours=0.5, pytorch=1.0),
        result(operator="extra", table=False),
    )
    text = table.markdown(record)
    assert "| conv | 1×2×3×4 | 1 | 2 | **0.50** | 3 | 2 | 1.50 |" in text
    assert "| loss | 1×2×3×4 |  |  |  | 500 | 1000 | **0.50** |" in text
    assert "extra" not in text
    assert "**0.75**" in text
    assert record["command"] in text
    assert record["machine"]["cpu"] in text


def test_update_replaces_only_what_is_between_the_markers(quick_record, result, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{table.BEGIN}\nold\n{table.END}\nbelow\n")
    record = full(quick_record, result())
    assert table.update(readme, record)
    text = readme.read_text()
    assert text.startswith(f"above\n{table.BEGIN}\n")
    assert text.endswith(f"{table.END}\nbelow\n")
    assert "old" not in text
    assert table.markdown(record) in text
    assert not table.update(readme, record)
    assert readme.read_text() == text


@pytest.mark.parametrize("text", ["", table.BEGIN, table.END + table.BEGIN, 2 * (table.BEGIN + table.END)])
def test_update_refuses_a_readme_without_both_markers(quick_record, text, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match=r"README\.md must hold"):
        table.update(readme, quick_record)
    assert readme.read_text() == text


def test_the_printed_table_names_operators_conditions_and_what_is_over_the_target(quick_record, result):
    console = Console(width=140, record=True, file=io.StringIO())
    table.show(full(quick_record, result(operator="slowest", ours=1.7, pytorch=1.0)), console)
    text = console.export_text()
    assert "slowest" in text
    assert "Over the target of 1.6: slowest, forward, 1×2×3×4: 1.70" in text
    assert quick_record["versions"]["torch"] in text


def test_lines_of_progress_say_what_was_measured(result):
    assert "ratio  0.50  conv, forward, 1×2×3×4" in str(table.line(result()))
    refused = {"operator": "conv", "shape": [1, 2], "direction": "forward", "reason": "it is wrong"}
    assert "not timed: conv, forward, 1×2: it is wrong" in str(table.line(refused))


def test_times_have_three_digits():
    assert [table.milliseconds(s) for s in (0.0000012345, 0.0123456, 1.23456)] == ["0.00123", "12.3", "1235"]

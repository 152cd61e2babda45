"""Records as tables: on the terminal, and as Markdown for the README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks import record as records
from benchmarks.case import FORWARD

BEGIN, END = "<!-- benchmark table -->", "<!-- end of benchmark table -->"


def size(shape: Sequence[int]) -> str:
    """A shape as the tables print it.

    >>> size([2, 3, 8, 8])
    '2×3×8×8'
    """
    return "×".join(map(str, shape))


def milliseconds(seconds: float) -> str:
    """Three digits, in ms."""
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def counted(number: int, word: str, plural: str = "s") -> str:
    """A number and its word.

    >>> counted(1, "core"), counted(2, "process", "es")
    ('1 core', '2 processes')
    """
    return f"{number} {word}{plural if number != 1 else ''}"


def label(case: dict) -> str:
    """What was measured, on one line."""
    return f"{case['operator']}, {case['direction']}, {size(case['shape'])}"


def line(event: dict) -> Text | str:
    """One line for what a run reports: a result, a refusal, a curve, memory, or that it was broken off."""
    if "interrupted" in event:
        return Text("Broken off: what was measured so far is kept.", style="bold")
    if "reason" in event:
        return Text(f"not timed: {label(event)}: {event['reason']}", style="red")
    if "memory_of" in event:
        trouble = f": failed, {event['trouble']}" if event["trouble"] else ""
        return Text(f"memory of {event['memory_of']}, {size(event['shape'])}{trouble}", style="dim")
    if "ours_exponent" in event:
        return _growth_line(event)
    times = f"{milliseconds(event['ours_s']):>8} ms, PyTorch {milliseconds(event['pytorch_s']):>8} ms, "
    return Text(times).append(f"ratio {event['ratio']:5.2f}", style=_style(event)).append(f"  {label(event)}")


def _growth_line(curve: dict) -> Text:
    steps = ", ".join(
        f"{n}²: {milliseconds(ours)}/{milliseconds(theirs)}"
        for n, ours, theirs in zip(curve["sizes"], curve["ours_s"], curve["pytorch_s"], strict=True)
    )
    exponents = f"pixels^{curve['ours_exponent']:.2f}, PyTorch pixels^{curve['pytorch_exponent']:.2f}"
    return Text(f"{curve['operator']}, {curve['direction']}: {exponents} (ms: {steps})")


def _style(case: dict) -> str:
    if case["ratio"] <= 1:
        return "green"
    return "red" if case["ratio"] > records.limit(case["direction"]) else ""


def show(record: dict, console: Console) -> None:
    """Print the whole record: a table of cases, the growth curves, the summary."""
    with_memory = any(case.get("memory") for case in record["cases"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("operator", overflow="fold")
    table.add_column("N×C×H×W", no_wrap=True)
    table.add_column("direction")
    headings = ["ours ms", "PyTorch ms", "ratio", "of copy", "of sgemm"] + ["ours MiB", "PyTorch MiB"] * with_memory
    for heading in headings:
        table.add_column(heading, justify="right")
    for case in record["cases"]:
        table.add_row(*_row(case, with_memory))
    console.print(table)
    for curve in record["growth"]:
        console.print(_growth_line(curve))
    console.print(summary(record))


def _row(case: dict, with_memory: bool) -> list[str | Text]:
    sgemm = case["sgemm_fraction"]
    row: list[str | Text] = [case["operator"] + ("" if case["table"] else " *"), size(case["shape"]), case["direction"]]
    row += [milliseconds(case["ours_s"]), milliseconds(case["pytorch_s"])]
    row += [Text(f"{case['ratio']:.2f}", style=_style(case)), f"{case['copy_fraction']:.0%}"]
    row += ["" if sgemm is None else f"{sgemm:.0%}"]
    if with_memory:
        memory = case.get("memory")
        row += [f"{memory[side] / 2**20:.1f}" if memory else "" for side in ("ours", "pytorch")]
    return row


def summary(record: dict) -> str:
    """The machine, the geometric mean, and what is over the targets."""
    lines = [conditions(record)]
    if record["geometric_mean"] is not None:
        count = sum(case["table"] for case in record["cases"])
        target = records.TARGETS["geometric_mean"]
        lines.append(
            f"Geometric mean of {count} ratios (rows without *): {record['geometric_mean']:.2f}; target {target}."
        )
    for case in records.over_target(record):
        lines.append(f"Over the target of {records.limit(case['direction'])}: {label(case)}: {case['ratio']:.2f}")
    for one in record["refused"]:
        lines.append(f"Not timed: {label(one)}: {one['reason']}")
    if not record["complete"]:
        lines.append("This run was broken off: cases are missing.")
    return "\n".join(lines)


def conditions(record: dict) -> str:
    """What the numbers were measured on, in two sentences."""
    machine, versions, blas = record["machine"], record["versions"], record["blas"]
    threads = counted(record["threads"], "thread")
    gigabytes, gigaflops = record["copy_bytes_per_s"] / 1e9, record["sgemm_flops_per_s"] / 1e9
    return (
        f"{machine['cpu']}, {counted(machine['cores'], 'core')}, {threads}, Python {versions['python']}, "
        f"NumPy {versions['numpy']} ({blas['library']} {blas['version']}, {blas['kernel']} kernels), "
        f"PyTorch {versions['torch']}, malloc {record['malloc']}, {record['date'][:10]}. "
        f"This machine copies {gigabytes:.0f} GB/s (read and written) and multiplies matrices at {gigaflops:.0f} "
        f"GFLOP/s; medians of {record['repeat']} over {counted(record['processes'], 'process', 'es')}; "
        f"{record['clock']} clock; {record['layout']}."
    )


def markdown(record: dict) -> str:
    """The README's table: the published cases, forward beside gradient, a summary below."""
    lines = [
        "| operator | N×C×H×W | forward, ms | PyTorch, ms | ratio | gradient, ms | PyTorch, ms | ratio |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    rows: dict[tuple, dict[str, dict]] = {}
    for case in record["cases"]:
        if case["table"]:
            side = "forward" if case["direction"] == FORWARD else "gradient"
            rows.setdefault((case["operator"], size(case["shape"])), {})[side] = case
    for (operator, shape), sides in rows.items():
        cells = [cell for side in ("forward", "gradient") for cell in _cells(sides.get(side))]
        lines.append(f"| {operator} | {shape} | " + " | ".join(cells) + " |")
    if record["geometric_mean"] is not None:
        lines += ["", f"Geometric mean of the ratios: **{record['geometric_mean']:.2f}**; below 1 is ahead of PyTorch."]
    lines += ["", f"{conditions(record)} Measured with `{record['command']}`."]
    return "\n".join(lines)


def _cells(case: dict | None) -> list[str]:
    if case is None:
        return ["", "", ""]
    ratio = f"{case['ratio']:.2f}"
    return [
        milliseconds(case["ours_s"]),
        milliseconds(case["pytorch_s"]),
        f"**{ratio}**" if case["ratio"] <= 1 else ratio,
    ]


def update(readme: Path, record: dict) -> bool:
    """Replace the text between the two markers in `readme`; whether that changed the file.

    Raises:
        ValueError: the file does not hold each marker once, in order.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{readme.name} must hold {BEGIN} once and after it {END} once")
    before, rest = text.split(BEGIN)
    new = f"{before}{BEGIN}\n\n{markdown(record)}\n\n{END}{rest.split(END)[1]}"
    readme.write_text(new, encoding="utf-8")
    return new != text

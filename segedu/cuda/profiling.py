"""Counts what a kernel does to memory, line by line, and remembers which thread touched which element.

The counts follow from the source alone: requests of a warp, the 32-byte sectors of global memory that each takes, the
turns that a request to the 32 banks of shared memory needs. Caches and time are not modelled. A `float4` counts as four
loads, and what the compiler keeps in a register counts once.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from segedu.cuda.native import ACCESSES, DYNAMIC, GLOBAL, LINE, RECORD, SHARED, VARIABLE

SECTOR, BANKS, WARP = 32, 32, 32
MEMORY = {GLOBAL: "global", SHARED: "shared", DYNAMIC: "shared", VARIABLE: "variable"}
WORDS = (1, 2, 9)  # columns of text; the others hold numbers
KINDS = {"read": "load", "write": "store", "atomic": "atomic"}


@dataclass(frozen=True)
class Row:
    """What one line of a kernel does to one memory: all counts are of the whole launch."""

    line: int
    memory: str
    kind: str
    accesses: int
    bytes: int
    requests: int
    lanes: float
    sectors: int
    turns: int

    @property
    def sectors_per_request(self) -> float:
        return self.sectors / self.requests

    @property
    def turns_per_request(self) -> float:
        """1 where no two lanes want different words of the same bank, 32 where all do."""
        return self.turns / self.requests


class Profile:
    """The counts of a launch: `rows`, one for each line, memory and kind; printed, it is a table."""

    def __init__(self, records: np.ndarray, code: str, sites, arrays):
        self._records, self._arrays = records, arrays
        self.code = code
        table = np.array([line for line, _ in sites], np.int64)
        site = records["site"].astype(np.int64)
        self._lines = np.where(site >= LINE, site - LINE, table[np.minimum(site, len(table) - 1)])
        self.rows = list(self._count())

    def _count(self) -> Iterable[Row]:
        records, lines = self._records, self._lines
        shared = (records["space"] == SHARED) | (records["space"] == DYNAMIC)
        memory = np.where(shared, SHARED, records["space"])
        key = (lines * 8 + memory) * 8 + records["access"]
        for value in np.unique(key):
            chosen = records[key == value]
            requests, lanes = requests_of(chosen)
            space, count = int(value) // 8 % 8, len(lanes)
            yield Row(
                int(value) // 64,
                MEMORY[space],
                KINDS[ACCESSES[int(value) % 8]],
                len(chosen),
                int(chosen["size"].sum()),
                count,
                float(lanes.mean()),
                sectors_of(chosen, requests) if space == GLOBAL else 0,
                turns_of(chosen, requests) if space == SHARED else 0,
            )

    def total(self, what: str, memory: str, kind: str | None = None) -> int:
        """The sum of a column ("accesses", "bytes", "requests", "sectors", "turns") over all lines."""
        rows = [row for row in self.rows if row.memory == memory and kind in (None, row.kind)]
        return sum(getattr(row, what) for row in rows)

    def touched(self, array: str) -> np.ndarray:
        """Who touched which element of a global array, in order: fields block, thread, index, access, line.

        `block` and `thread` are numbers; `index` counts elements; `access` is 0 for a load, 1 for a store, 2 for an
        atomic.

        Raises:
            KeyError: the kernel has no array of that name.
        """
        names = [name for name, _ in self._arrays]
        if array not in names:
            raise KeyError(f"no array {array!r}; there are: {', '.join(sorted(names))}")
        number = names.index(array)
        chosen = (self._records["space"] == GLOBAL) & (self._records["region"] == number)
        records = self._records[chosen]
        result = np.zeros(
            len(records), [("block", "u4"), ("thread", "u2"), ("index", "u4"), ("access", "u1"), ("line", "u4")]
        )
        for name in ("block", "thread", "access"):
            result[name] = records[name]
        result["index"], result["line"] = records["offset"] // self._arrays[number][1].itemsize, self._lines[chosen]
        return result

    def __str__(self) -> str:
        head, *body = self._cells()
        widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
        lines = []
        for row in (head, *body):
            cells = [
                text.ljust(w) if i in WORDS else text.rjust(w)
                for i, (text, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        rows = ["".join(_cell("th", i, html.escape(text)) for i, text in enumerate(head))]
        for *cells, source in body:
            texts = [*map(html.escape, cells), f"<code>{html.escape(source)}</code>"]
            rows.append("".join(_cell("td", i, text) for i, text in enumerate(texts)))
        return "<table><tr>" + "</tr><tr>".join(rows) + "</tr></table>"

    def _cells(self) -> list[list[str]]:
        source = self.code.splitlines()
        cells = [
            [
                "line",
                "memory",
                "kind",
                "accesses",
                "bytes",
                "requests",
                "lanes",
                "sectors/request",
                "turns/request",
                "source",
            ]
        ]
        for row in self.rows:
            sectors = f"{row.sectors_per_request:.1f}" if row.sectors else ""
            turns = f"{row.turns_per_request:.1f}" if row.turns else ""
            text = source[row.line - 1].strip() if 0 < row.line <= len(source) else ""
            counts = [f"{row.accesses:,}", f"{row.bytes:,}", f"{row.requests:,}", f"{row.lanes:.1f}"]
            cells.append([str(row.line), row.memory, row.kind, *counts, sectors, turns, text])
        return cells


def _cell(tag: str, column: int, text: str) -> str:
    side = "left" if column in WORDS else "right"
    return f'<{tag} style="text-align: {side}">{text}</{tag}>'


# ---------------------------------------------------------------- what a warp asks for at once
def requests_of(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the request that each record belongs to, and how many lanes take part in each request.

    Lanes of a warp that come to the same place for the same time belong together.
    """
    place = joined(records["block"], records["thread"] // WARP, records["site"], records["occurrence"])
    _, number = np.unique(place, return_inverse=True)
    return number, np.bincount(number)


def sectors_of(records: np.ndarray, requests: np.ndarray) -> int:
    """How many different 32-byte sectors the requests take together, each counted once a request."""
    offset = records["offset"].astype(np.int64)
    first, last = offset // SECTOR, (offset + records["size"] - 1) // SECTOR
    pieces = [np.minimum(first + i, last) for i in range(int((last - first).max()) + 1)]
    times = len(pieces)
    return len(np.unique(joined(np.tile(requests, times), np.tile(records["region"], times), np.concatenate(pieces))))


def turns_of(records: np.ndarray, requests: np.ndarray) -> int:
    """How many turns the banks of shared memory need: a bank gives one word of 4 bytes at a time, to all that want it.

    Of atomics it changes one word for one lane at a time: lanes that want the same word take turns, too.
    """
    offset, size = records["offset"].astype(np.int64), np.maximum(records["size"], 4)
    share = records["thread"] % WARP * size // (WARP * 4)  # 8 bytes a lane: half a warp at a time
    columns = (requests * 64 + share, records["region"], offset // 4)
    pieces = [[column[i * 4 < size] for column in columns] for i in range(int(size.max()) // 4)]
    group, region = (np.concatenate([piece[k] for piece in pieces]) for k in range(2))
    word = np.concatenate([piece[2] + i for i, piece in enumerate(pieces)])
    if ACCESSES[records["access"][0]] != "atomic":
        _, different = np.unique(joined(group, region, word), return_index=True)
        group, word = group[different], word[different]
    wanted, count = np.unique(group * BANKS + word % BANKS, return_counts=True)
    _, start = np.unique(wanted // BANKS, return_index=True)
    return int(np.maximum.reduceat(count, start).sum())


def joined(*columns: np.ndarray) -> np.ndarray:
    """One number for each row, equal where all columns are: sorted much faster than rows. No number is negative.

    >>> joined(np.array([0, 1, 1]), np.array([5, 2, 5]))
    array([ 5,  8, 11])
    """
    key, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        width = int(column.max()) + 1
        if size * width >= 2**63:  # too many places: number those that occur
            key = np.unique(key, return_inverse=True)[1]
            size = int(key.max()) + 1
        key, size = key * width + column.astype(np.int64), size * width
    return key


def profile(kernel, grid, block, args, *, shared_mem: int = 0, limit: int = 4_000_000) -> Profile:
    """Run a kernel of a `RawModule(…, mode="check")` and count what it does to memory.

    `limit` is the most accesses that are remembered. The arrays hold the kernel's results, as after a launch.

    Raises:
        TypeError: the kernel was not compiled with mode="check".
        KernelError: the kernel did something wrong, or more than `limit` accesses.
    """
    if getattr(getattr(kernel, "module", None), "mode", None) != "check":
        raise TypeError('profile counts on the CPU: compile the kernel with RawModule(code, mode="check")')
    records = np.zeros(limit, RECORD)
    run = kernel.run(grid, block, args, shared_mem, records=records)
    return Profile(records[: run.record_count], kernel.module.code, kernel.module.sites, run.arrays)


COLUMNS = tuple(field.name for field in fields(Row))

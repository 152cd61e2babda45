"""What runs in the kernel before any answer: says why a module is not there, and cuts floods of output at the source.

A submission could undo both: this is for clear messages and for accidents. The sandbox does not have the modules, and
the trusted process reads no more than it wants.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder

MOST_CHARACTERS = 200_000  # that a cell prints or displays
A_DISPLAY = 1_000  # characters that a display counts for, whatever it shows


class Blocker(MetaPathFinder):
    """Refuses the modules of `names` and what lies below them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if any(fullname == name or fullname.startswith(name + ".") for name in self.names):
            raise ModuleNotFoundError(f"{fullname} may not be used in this exercise", name=fullname)


class Tap:
    """Counts what a cell sends and closes at the limit; `open` begins the next cell."""

    def __init__(self) -> None:
        self.left = MOST_CHARACTERS

    def open(self, *_: object) -> None:
        self.left = MOST_CHARACTERS

    def limited(self, write: Callable) -> Callable:
        """`write(text)` as far as there is room for it."""

        def some(text: str) -> int:
            if self.left > 0:
                write(text[: self.left])
            self.left -= len(text)
            return len(text)

        return some

    def counted(self, form: Callable) -> Callable:
        """`form(…)` as long as there is room for what it shows; then nothing is formed, which is quick."""

        def some(*args: object, **kwargs: object) -> tuple[dict, dict]:
            if self.left <= 0:
                return {}, {}
            data, metadata = form(*args, **kwargs)
            self.left -= A_DISPLAY + len(str(data.get("text/plain", "")))
            return data, metadata

        return some


def prepare(names: Sequence[str]) -> None:
    """Refuse these modules from now on, also where they have been imported, and close the tap on floods."""
    from IPython import get_ipython

    for loaded in [name for name in sys.modules if name.split(".")[0] in names or name in names]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, Blocker(names))
    shell, tap = get_ipython(), Tap()
    for stream in (sys.stdout, sys.stderr):
        stream.write = tap.limited(stream.write)
    shell.display_formatter.format = tap.counted(shell.display_formatter.format)
    for moment in ("pre_execute", "post_execute"):  # after a cell its reply is formed
        shell.events.register(moment, tap.open)

"""In the kernel, before any answer: says why a module is not there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder


class Blocker(MetaPathFinder):
    """Refuses the modules of `names` and what lies below them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if any(fullname == name or fullname.startswith(name + ".") for name in self.names):
            raise ModuleNotFoundError(f"{fullname} may not be used in this exercise", name=fullname)


def block(names: Sequence[str]) -> None:
    """Refuse these modules from now on, also where they have been imported."""
    for loaded in [name for name in sys.modules if name.split(".")[0] in names or name in names]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, Blocker(names))

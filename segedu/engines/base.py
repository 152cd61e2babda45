"""What all engines are."""

from __future__ import annotations


class Engine:
    """There is one object of each engine: copies are itself, and a pickle holds its name."""

    name = ""

    def __deepcopy__(self, memo: dict) -> Engine:
        return self

    def __reduce__(self) -> tuple:
        from segedu import engines

        return engines.get, (self.name,)

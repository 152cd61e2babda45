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

    def input_of(self, model: object, array: object) -> object:
        """An array as the input of a network: where its parameters are."""
        return self.tensor(array)

    def machine(self, device: str | None = None, amp: str | None = None) -> object:
        """What trains a network of this engine: see `segedu.engines.machine`.

        Raises:
            ValueError: the engine takes no such device or precision.
        """
        from segedu.engines.machine import Machine

        return Machine(self, device, amp)

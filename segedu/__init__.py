"""segedu: semantic segmentation from NumPy up.

The operators are in `segedu.numpy_ops`: `torch.nn.functional`'s names and arguments, computed with NumPy alone.
`python -m segedu` lists the commands. In a notebook of exercises, `check` runs all visible checks.
"""

__version__ = "0.1.0"


def check(exercise: str) -> None:
    """In a notebook: run the visible checks of an exercise, such as "02_pooling", on what the cells have defined.

    Raises:
        RuntimeError: this is no notebook.
    """
    from segedu.grading.check import here

    here(exercise)

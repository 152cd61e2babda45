"""What the tests of `segedu.cuda` share."""

import numpy as np
import pytest

from segedu.cuda import KernelError, RawModule
from segedu.cuda.compiler import find_compiler
from segedu.cuda.errors import CompilerNotFound


def _missing_compiler() -> str | None:
    try:
        find_compiler()
    except CompilerNotFound as error:
        return str(error).splitlines()[0]
    return None


NO_COMPILER = _missing_compiler()
needs_compiler = pytest.mark.skipif(NO_COMPILER is not None, reason=f"needs a C++ compiler: {NO_COMPILER}")
both_modes = pytest.mark.parametrize("mode", ["check", "fast"])
every_mode = pytest.mark.parametrize("mode", ["check", "fast", pytest.param("gpu", marks=pytest.mark.gpu)])
both_orders = pytest.mark.parametrize("order", ["forward", "reverse"])


def kernel(body: str, parameters: str = "float* y, int n", before: str = "", mode: str = "check"):
    """The kernel `k` with that body; its first line is line 1."""
    source = f'{before} extern "C" __global__ void k({parameters}) {{{body}}}'
    return RawModule(source, mode=mode).get_function("k")


def error_of(run, *args, **keywords) -> KernelError:
    """The error that a launch raises."""
    with pytest.raises(KernelError) as caught:
        run(*args, **keywords)
    return caught.value


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def launched(
    source: str, grid, block, args, shared_mem: int = 0, order: str = "forward", mode: str = "check", **limits
):
    """Compile a source with one kernel `k` and launch it."""
    function = RawModule(source, mode=mode).get_function("k")
    function(grid, block, args, shared_mem=shared_mem, order=order, **limits)

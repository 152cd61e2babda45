"""`%%cuda` in a notebook's shell."""

import numpy as np
import pytest

from segedu.cuda import CompileError, CompilerNotFound, KernelError
from tests.cuda.kernels import needs_compiler

pytestmark = needs_compiler
CELL = """extern "C" __global__ void twice(float* x) {
    x[threadIdx.x] *= 2;
}
"""


@pytest.fixture
def shell():
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell()
    shell.run_line_magic("load_ext", "segedu.cuda")
    yield shell
    shell.reset(new_session=False)


def test_a_kernel_is_called_by_its_name_in_the_next_cell(shell):
    shell.run_cell_magic("cuda", "--mode check --quiet", CELL)
    x = np.ones(4, np.float32)
    shell.user_ns["twice"]((1,), (4,), (x,))
    assert x.tolist() == [2, 2, 2, 2]


def test_the_source_is_shown_in_colours(shell, monkeypatch):
    from segedu.cuda.magic import coloured

    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    shell.run_cell_magic("cuda", "--mode check", CELL)
    assert [code.data for code in shown] == [CELL]
    assert "<span" in coloured(CELL)._repr_html_()


def test_a_module_gets_a_name_and_templates_their_instances(shell):
    source = "template <int N> __global__ void k(int* y) { *y = N; }"
    shell.run_cell_magic("cuda", '--mode fast --module m --names "k<3>; k<4>" --quiet', source)
    y = np.zeros(1, np.int32)
    shell.user_ns["m"].get_function("k<4>")((1,), (1,), (y,))
    assert y[0] == 4


def test_errors_point_at_the_lines_of_the_cell(shell):
    with pytest.raises(CompileError) as caught:
        shell.run_cell_magic("cuda", "--mode check", CELL.replace("*= 2", "*= two"))
    assert caught.value.line == 3, "line 1 of the cell is %%cuda"
    assert caught.value._render_traceback_()[0].startswith("CompileError: the kernel does not compile\nline 3: ")
    shell.run_cell_magic("cuda", "--mode check --quiet", CELL)
    with pytest.raises(KernelError) as caught:
        shell.user_ns["twice"]((1,), (4,), (np.ones(3, np.float32),))
    assert caught.value.line == 3


@pytest.mark.parametrize("line", ["--mod check", "pool", "--mode slow", "--module 3d", "--names"])
def test_an_option_that_is_not_understood_shows_what_there_is(shell, line):
    with pytest.raises(ValueError, match=r"not understood|must be"):
        shell.run_cell_magic("cuda", line, CELL)


def test_without_a_compiler_the_kernels_of_a_cell_say_so_when_launched(shell, monkeypatch):
    monkeypatch.setenv("SEGEDU_CXX", "/nowhere/g++")
    with pytest.raises(CompilerNotFound) as caught:
        shell.run_cell_magic("cuda", "--mode check --module m", CELL + "// without")
    assert "pip install ziglang" in caught.value._render_traceback_()[0]
    assert "x[threadIdx.x] *= 2;" in shell.user_ns["m"].code
    with pytest.raises(CompilerNotFound, match="twice was not compiled, because there is no C"):
        shell.user_ns["twice"]((1,), (4,), (np.ones(4, np.float32),))

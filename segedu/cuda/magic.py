"""`%%cuda`: a cell of CUDA C whose kernels are called from the next cell. `%load_ext segedu.cuda` switches it on."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from segedu.cuda.errors import CompilerNotFound
from segedu.cuda.module import MODES, RawModule
from segedu.cuda.source import find_kernels

USAGE = """%%cuda [--mode auto|gpu|check|fast] [--module NAME] [--names "pool<float>;pool<double>"] [--quiet]
Compiles the cell. Each extern "C" kernel can then be called by its name: kernel(grid, block, args, shared_mem=0).
--module gives the RawModule a name, --names lists instances of templates, --quiet leaves the coloured source out."""


class Options:
    """What stands after `%%cuda`.

    >>> Options('--mode fast --names "pool<float, 2>"').names
    ('pool<float, 2>',)
    """

    def __init__(self, line: str):
        self.mode, self.module, self.names, self.quiet = "auto", None, (), False
        words = shlex.split(line)
        while words:
            word = words.pop(0)
            if word == "--quiet":
                self.quiet = True
            elif word in ("--mode", "--module", "--names") and words:
                self._set(word[2:], words.pop(0))
            else:
                raise ValueError(f"{word!r} is not understood here.\n{USAGE}")

    def _set(self, name: str, value: str) -> None:
        if name == "mode" and value not in MODES:
            raise ValueError(f"--mode {value} must be one of {', '.join(MODES)}")
        if name == "module" and not value.isidentifier():
            raise ValueError(f"--module {value} must be a Python name")
        setattr(self, name, tuple(part.strip() for part in value.split(";")) if name == "names" else value)


def cuda(line: str, cell: str, names: dict) -> RawModule:
    """What `%%cuda` does: compile the cell and put its kernels among `names`. Line 1 is that of `%%cuda` itself."""
    options = Options(line)
    try:
        module = RawModule("\n" + cell, options.names, mode=options.mode)
    except CompilerNotFound:
        _publish(NotCompiled("\n" + cell), options, names)
        raise
    _publish(module, options, names)
    return module


def _publish(module: RawModule | NotCompiled, options: Options, names: dict) -> None:
    for name in module.kernel_names:
        if name.isidentifier():
            names[name] = module.get_function(name)
    if options.module:
        names[options.module] = module


class NotCompiled:
    """Stands for the module of a cell where no compiler is installed, so that the cells after it can say why."""

    def __init__(self, code: str):
        self.code, self.kernel_names = code, list(find_kernels(code))

    def get_function(self, name: str) -> Callable:
        def launch(*args: object, **kwargs: object) -> None:
            raise CompilerNotFound(f"{name} was not compiled, because there is no C++ compiler: skipped.")

        return launch


def coloured(cell: str):
    """The source, coloured where Pygments is installed, for IPython to show."""
    from IPython.display import Code

    return Code(cell, language="cuda")


def register(ipython) -> None:
    """Give an IPython shell the magic."""

    def magic(line: str, cell: str) -> None:
        cuda(line, cell, ipython.user_ns)
        if not Options(line).quiet:
            from IPython.display import display

            display(coloured(cell))

    magic.__doc__ = USAGE
    ipython.register_magic_function(magic, "cell", "cuda")

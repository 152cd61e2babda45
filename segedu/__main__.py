"""`python -m segedu COMMAND …`: the commands of the course.

A command's module is imported when the command is called, so that one command never needs what only another one uses.
"""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def notebooks(arguments: Sequence[str]) -> int | None:
    """Build notebooks/ from lectures/; --check finds drift."""
    return importlib.import_module("segedu.notebooks").main(arguments)


def bench(arguments: Sequence[str]) -> int | None:
    """Time every operator beside PyTorch's."""
    return _of_the_clone("benchmarks.__main__").main(arguments)


def family(arguments: Sequence[str]) -> int | None:
    """Train all networks alike, score and time them: the table of lecture 14."""
    return _of_the_clone("benchmarks.family").main(arguments)


def gpu_check(arguments: Sequence[str]) -> int | None:
    """On a machine with an NVIDIA GPU: check and time all that runs there."""
    return _of_the_clone("benchmarks.gpu.__main__").main(arguments)


def _of_the_clone(module: str) -> ModuleType:
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise SystemExit(
            f"The benchmarks are not part of the installed package: there is no benchmarks/ in {ROOT}. "
            "Run this command from a clone of the course."
        )
    sys.path.insert(0, str(ROOT))
    return importlib.import_module(module)


def train(arguments: Sequence[str]) -> int | None:
    """Train a network; --resume goes on with a run."""
    return importlib.import_module("segedu.training.command").train(arguments)


def evaluate(arguments: Sequence[str]) -> int | None:
    """Score a trained network on a whole split."""
    return importlib.import_module("segedu.training.command").evaluate(arguments)


def predict(arguments: Sequence[str]) -> int | None:
    """Lay what a trained network sees over images."""
    return importlib.import_module("segedu.training.command").predict(arguments)


def release(arguments: Sequence[str]) -> int | None:
    """Build solutions/ and exercises/ from the solutions' sources; pack the exercises for students."""
    return importlib.import_module("segedu.grading.release").main(arguments)


def check(arguments: Sequence[str]) -> int | None:
    """For students: run the visible checks of exercises on your own notebooks."""
    return importlib.import_module("segedu.grading.check").main(arguments)


def grade(arguments: Sequence[str]) -> int | None:
    """Grade a folder or zip of submissions."""
    return importlib.import_module("segedu.grading.grade").main(arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "notebooks": notebooks,
    "bench": bench,
    "gpu-check": gpu_check,
    "family": family,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "release": release,
    "check": check,
    "grade": grade,
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's name; what follows the name belongs to the command."""
    result = argparse.ArgumentParser(prog="python -m segedu", description="The commands of the course.")
    commands = result.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, function in COMMANDS.items():
        # The command itself answers --help, with its own options.
        commands.add_parser(name, help=function.__doc__, add_help=False)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments:
        parser().print_help()
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        parser().parse_args([name])  # prints the help, or what is wrong with the name, and exits
    return COMMANDS[name](rest) or 0


if __name__ == "__main__":
    sys.exit(main())

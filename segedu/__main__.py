"""`python -m segedu COMMAND …`: the commands of the course.

A command's module is imported when the command is called, so that one command never needs what only another one uses.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
STOPPED = 130  # the exit code of what Ctrl-C ended


@dataclass(frozen=True)
class Command:
    """A command: a function of a module, which takes the arguments and returns the exit code."""

    module: str
    help: str
    function: str = "main"

    def __call__(self, arguments: Sequence[str]) -> int | None:
        module = _of_the_clone(self.module) if self.module.startswith("benchmarks") else import_module(self.module)
        return getattr(module, self.function)(arguments)


def _of_the_clone(module: str) -> ModuleType:
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise SystemExit(
            f"The benchmarks are not part of the installed package: there is no benchmarks/ in {ROOT}. "
            "Run this command from a clone of the course."
        )
    sys.path.insert(0, str(ROOT))
    return import_module(module)


COMMANDS = {
    "notebooks": Command("segedu.notebooks", "Build notebooks/ from lectures/; --check finds drift."),
    "bench": Command("benchmarks.__main__", "Time every operator beside PyTorch's."),
    "gpu-check": Command(
        "benchmarks.gpu.__main__", "On a machine with an NVIDIA GPU: check and time all that runs there."
    ),
    "family": Command("benchmarks.family", "Train all networks alike, score and time them: the table of lecture 14."),
    "train": Command("segedu.training.command", "Train a network; --resume goes on with a run.", "train"),
    "evaluate": Command("segedu.training.command", "Score a trained network on a whole split.", "evaluate"),
    "predict": Command("segedu.training.command", "Lay what a trained network sees over images.", "predict"),
    "check": Command("segedu.grading.check", "For students: run the visible checks on the answers in your notebooks."),
    "release": Command(
        "segedu.grading.release",
        "Build solutions/ and exercises/ from the solutions' sources; pack the exercises for students.",
    ),
    "grade": Command("segedu.grading.grade", "Grade a folder or zip of submissions."),
    "grade-check": Command(
        "benchmarks.grading",
        "Try the grader on this machine: grade a synthetic class whose marks are known, and time it.",
    ),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's name; what follows the name belongs to the command."""
    result = argparse.ArgumentParser(prog="python -m segedu", description="The commands of the course.")
    commands = result.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        # The command itself answers --help, with its own options.
        commands.add_parser(name, help=command.help, add_help=False)
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
    try:
        return COMMANDS[name](rest) or 0
    except KeyboardInterrupt:  # where a command does not say more itself
        print("\nStopped.", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())

"""`python -m segedu` finds its commands and says what is wrong."""

import sys
import types

import pytest

from segedu import __main__ as command_line


@pytest.fixture
def called(monkeypatch):
    """Put a stand-in in the place of segedu.notebooks; return the list of the arguments that it was called with."""
    calls = []
    module = types.ModuleType("segedu.notebooks")
    module.main = lambda arguments: calls.append(arguments) or 3
    monkeypatch.setitem(sys.modules, "segedu.notebooks", module)
    return calls


def test_without_a_command_it_prints_the_help(capsys):
    assert command_line.main([]) == 0
    shown = capsys.readouterr().out
    assert "notebooks" in shown
    assert "bench" in shown


def test_an_unknown_command_is_named_beside_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["notebook"])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert "invalid choice: 'notebook'" in message
    assert "notebooks" in message


def test_a_command_gets_its_own_arguments_and_gives_the_exit_code(called):
    assert command_line.main(["notebooks", "--check", "01"]) == 3
    assert called == [["--check", "01"]]


def test_help_after_a_command_is_the_command_s_own(called):
    command_line.main(["notebooks", "--help"])
    assert called == [["--help"]]


def test_no_command_is_imported_before_it_is_called(called, monkeypatch):
    monkeypatch.setitem(sys.modules, "benchmarks.__main__", None)  # importing it would raise
    assert command_line.main(["notebooks"]) == 3


def test_benchmarks_that_are_not_there_are_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(command_line, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="Run this command from a clone of the course"):
        command_line.main(["bench"])

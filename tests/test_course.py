"""course.py decides rightly what to install and to run, and says what helps when something is wrong."""

import ast
import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import course
from segedu.cuda import compiler

ROOT = Path(__file__).resolve().parent.parent

SMI = "| NVIDIA-SMI 580.65.06    Driver Version: 580.65.06    CUDA Version: {} |"
SMI_610 = "| NVIDIA-SMI 610.43.02    KMD Version: 610.43.02     CUDA UMD Version: {} |"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what course.py reads, in a folder of its own, on a Linux machine without a GPU."""
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(course, "PINS", tmp_path / "constraints.txt")
    monkeypatch.setattr(course, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(course, "driver_report", lambda: "")
    monkeypatch.setattr(course.platform, "system", lambda: "Linux")
    monkeypatch.setattr(course, "finds_compiler", lambda: True)
    monkeypatch.setattr(course, "check_venv_module", lambda: None)
    monkeypatch.setattr(course, "check_space", lambda needed: None)
    return tmp_path


class Installer:
    """Stands in for `python -m venv` and pip: records the commands, makes what `python -m venv` would make."""

    def __init__(self):
        self.commands = []
        self.local_torch = False

    def run(self, command):
        self.commands.append(command)
        if command[1:3] == ["-m", "venv"]:
            course.venv_python().parent.mkdir(parents=True)
            course.venv_python().touch()

    def succeeds(self, command):
        self.commands.append(command)
        return self.local_torch

    def pip(self):
        """Return what pip was asked for, without the beginning that all commands share."""
        beginning = [str(course.venv_python()), "-m", "pip", "--disable-pip-version-check", "install"]
        found = [command for command in self.commands if "pip" in command]
        assert all(command[:5] == beginning for command in found)
        return [command[5:] for command in found]


@pytest.fixture
def installer(checkout, monkeypatch):
    result = Installer()
    monkeypatch.setattr(course, "run_installer", result.run)
    monkeypatch.setattr(course, "succeeds", result.succeeds)
    return result


def interrupt(*arguments):
    raise KeyboardInterrupt


# What may be wrong with the machine


def test_an_old_python_can_read_the_file():
    tree = ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    # Annotations such as list[str] are evaluated when the file is read, and fail before Python 3.9.
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = [argument for function in functions for argument in function.args.args]
    assert not any(argument.annotation for argument in arguments)
    assert not any(function.returns for function in functions)


@pytest.mark.parametrize("version", [(3, 6, 9), (3, 10, 14)])
def test_an_old_python_is_told_where_to_get_a_newer_one(version):
    with pytest.raises(course.SetupError) as problem:
        course.check_python(version)
    message = str(problem.value)
    assert "needs Python 3.11 or newer" in message
    assert f"this is Python {'.'.join(map(str, version))} ({sys.executable})" in message
    assert "https://www.python.org/downloads/" in message


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 2), (4, 0, 0)])
def test_a_new_python_is_accepted(version):
    course.check_python(version)


def test_the_oldest_python_is_that_of_pyproject_toml():
    oldest = ".".join(map(str, course.OLDEST_PYTHON))
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_explained(module, monkeypatch):
    find = course.importlib.util.find_spec
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == module else find(name))
    with pytest.raises(course.SetupError, match="sudo apt install python3-venv"):
        course.check_venv_module()


def test_a_full_disk_is_found_before_the_installation(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(course.shutil, "disk_usage", lambda path: usage(100 * 2**30, 99 * 2**30, 2**30))
    with pytest.raises(course.SetupError) as problem:
        course.check_space(course.SPACE_FOR_CPU)
    message = str(problem.value)
    assert "need about 3 GiB" in message
    assert "1.0 GiB free" in message
    assert "Make room" in message
    course.check_space(2**30)


@pytest.mark.parametrize(
    ("log", "remedy"),
    [
        ("Error: Command '[..., '-m', 'ensurepip']' returned non-zero exit status 1", "sudo apt install python3-venv"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "Make room"),
        ("OSError: [WinError 112] There is not enough space on the disk", "Make room"),
        ("NewConnectionError('…: Failed to establish a new connection: [Errno -2]')", "Check the network connection"),
        ("Temporary failure in name resolution\nERROR: No matching distribution found for torch", "Check the network"),
        ("ReadTimeoutError(\"HTTPSConnectionPool(host='pypi.org', port=443): Read timed out.\")", "Check the network"),
        ("ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for torch==2.13.0", "conda env create -f environment-cpu.yml"),
        ("something else", "Delete the folder"),
    ],
)
def test_what_the_installer_prints_leads_to_a_remedy(log, remedy):
    message = course.explain(log)
    assert remedy in message
    assert "again" in message or "--here" in message


def test_a_failing_installer_is_shown_and_explained(checkout, capsys):
    complain = "import sys; sys.exit('ERROR: [Errno 28] No space left on device')"
    with pytest.raises(course.SetupError, match="The disk is full"):
        course.run_installer([sys.executable, "-c", complain])
    assert "No space left on device" in capsys.readouterr().err


def test_a_problem_is_one_message_without_a_traceback(monkeypatch, capsys):
    def fail(arguments):
        raise course.SetupError("first line\nsecond line")

    monkeypatch.setattr(course, "start", fail)
    assert course.main([]) == 1
    assert capsys.readouterr().err == "\n[segedu] first line\n[segedu] second line\n"


def test_a_disk_that_fills_up_meanwhile_is_explained(monkeypatch, capsys):
    def fail(arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(course, "start", fail)
    assert course.main([]) == 1
    assert "Make room" in capsys.readouterr().err


def test_ctrl_c_says_that_the_command_may_be_run_again(monkeypatch, capsys):
    monkeypatch.setattr(course, "start", interrupt)
    assert course.main([]) == 130
    assert "Run the same command again" in capsys.readouterr().out


def test_ctrl_c_waits_for_the_other_program_and_is_passed_on():
    class Process:
        waits = 0

        def wait(self):
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            return 0

    process = Process()
    with pytest.raises(KeyboardInterrupt):
        course.wait(process)
    assert process.waits == 2


# The installation


def test_the_first_run_makes_the_environment_and_installs(installer, capsys):
    python = course.ready_python()
    assert python == str(course.venv_python())
    assert installer.commands[0][1:] == ["-m", "venv", str(course.VENV)]
    torch, cpu_torch, packages = installer.pip()
    assert torch == ["--no-index", "--no-deps", course.torch_pin()]
    assert cpu_torch == ["--no-deps", "--index-url", "https://download.pytorch.org/whl/cpu", course.torch_pin()]
    assert packages == ["-c", str(course.PINS), "-e", f"{course.ROOT}[course,test,bench]"]
    shown = capsys.readouterr().out
    assert "Making the virtual environment" in shown
    assert "1/2" in shown
    assert "2/2" in shown
    assert "Installed in" in shown


def test_the_second_run_installs_nothing_and_says_nothing(installer, capsys):
    course.ready_python()
    installer.commands.clear()
    capsys.readouterr()
    course.ready_python()
    assert installer.commands == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_versions_are_installed_into_the_same_environment(installer, checkout, name, capsys):
    course.ready_python()
    installer.commands.clear()
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    course.ready_python()
    assert not any("venv" in command for command in installer.commands)
    assert installer.pip()[-1][0] == "-c"
    assert "The list of packages has changed" in capsys.readouterr().out
    assert course.read_stamp() == course.wanted_stamp()


def test_another_python_gets_another_environment(installer, monkeypatch):
    course.ready_python()
    installer.commands.clear()
    monkeypatch.setattr(course, "python_name", lambda: "3.99")
    course.ready_python()
    assert installer.commands[0][1:3] == ["-m", "venv"]


def test_an_interrupted_installation_starts_afresh(installer, monkeypatch, capsys):
    monkeypatch.setattr(course, "succeeds", interrupt)
    with pytest.raises(KeyboardInterrupt):
        course.ready_python()
    assert course.read_stamp() == ""
    half_installed = course.VENV / "half-installed"
    half_installed.touch()
    monkeypatch.setattr(course, "succeeds", lambda command: True)
    course.ready_python()
    assert not half_installed.exists()
    assert "unfinished" in capsys.readouterr().out
    assert course.read_stamp() == course.wanted_stamp()


def test_an_interrupted_update_starts_afresh(installer, checkout, monkeypatch):
    course.ready_python()
    (checkout / "constraints.txt").open("a").write("# changed\n")
    with monkeypatch.context() as patch:
        patch.setattr(course, "install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            course.ready_python()
    installer.commands.clear()
    course.ready_python()
    assert installer.commands[0][1:3] == ["-m", "venv"]


def test_an_environment_whose_python_is_gone_is_made_again(installer):
    course.ready_python()
    course.venv_python().unlink()
    course.ready_python()
    assert course.venv_python().exists()


def test_a_folder_that_cannot_be_removed_is_explained(checkout, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(course.shutil, "rmtree", refuse)
    with pytest.raises(course.SetupError, match="Close JupyterLab"):
        course.remove_venv()


def test_pytorch_from_the_user_s_own_wheels_comes_first(installer):
    installer.local_torch = True
    course.ready_python()
    assert not any("--index-url" in command for command in installer.pip())


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_other_systems_take_the_usual_pytorch(installer, monkeypatch, system):
    monkeypatch.setattr(course.platform, "system", lambda: system)
    course.ready_python()
    assert len(installer.pip()) == 1


def test_a_gpu_gets_the_usual_pytorch_and_cupy(installer, monkeypatch):
    monkeypatch.setattr(course, "driver_report", lambda: SMI.format("13.0"))
    course.ready_python()
    assert installer.pip() == [["-c", str(course.PINS), "-e", f"{course.ROOT}[course,test,bench,cuda13]"]]


@pytest.mark.parametrize(("report", "extras"), [("", "compiler"), (SMI.format("13.0"), "cuda13,compiler")])
def test_where_no_compiler_is_found_pip_brings_one(installer, monkeypatch, capsys, report, extras):
    monkeypatch.setattr(course, "finds_compiler", lambda: False)
    monkeypatch.setattr(course, "driver_report", lambda: report)
    course.ready_python()
    assert installer.pip()[-1] == ["-c", str(course.PINS), "-e", f"{course.ROOT}[course,test,bench,{extras}]"]
    assert "No C++ compiler was found: the ziglang wheel" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("system", "there", "tools", "found"),
    [
        ("Linux", "/usr/bin/g++", None, True),
        ("Linux", "/opt/bin/clang++", None, True),
        ("Linux", None, None, False),
        ("Windows", "C:\\msys64\\g++.exe", None, False),
        ("Darwin", "/usr/bin/clang++", 0, True),
        ("Darwin", "/usr/bin/clang++", 2, False),
        ("Darwin", "/opt/homebrew/bin/g++", 2, True),
    ],
)
def test_a_compiler_is_looked_for_where_kernels_will_look(monkeypatch, system, there, tools, found):
    monkeypatch.delenv("SEGEDU_CXX", raising=False)
    monkeypatch.setattr(course.platform, "system", lambda: system)
    monkeypatch.setattr(course.shutil, "which", lambda name: there if there and name in there else None)
    monkeypatch.setattr(course.subprocess, "call", lambda command, **_: tools)
    assert course.finds_compiler() == found
    monkeypatch.setattr(compiler, "WINDOWS", system == "Windows")
    monkeypatch.setattr(compiler, "MACOS", system == "Darwin")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: name)
    compiler._find.cache_clear()
    try:
        assert ("ziglang" not in compiler.find_compiler()) == found
    finally:
        compiler._find.cache_clear()


def test_a_compiler_that_the_user_names_is_enough(monkeypatch):
    monkeypatch.setenv("SEGEDU_CXX", "/opt/llvm/bin/clang++")
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
    assert course.finds_compiler()


@pytest.mark.parametrize(
    ("report", "extra"),
    [
        (SMI.format("13.0"), "cuda13"),
        (SMI.format("12.4"), "cuda12"),
        (SMI_610.format("13.3"), "cuda13"),
        (SMI_610.format("14.0"), "cuda13"),  # a driver runs what older toolkits have built
        ("", None),
    ],
)
def test_cupy_is_chosen_by_the_driver(report, extra):
    assert course.cuda_extra(report) == extra


@pytest.mark.parametrize("report", [SMI.format("11.8"), SMI.format("N/A")])
def test_an_old_driver_means_no_cupy_and_says_so(report, capsys):
    assert course.cuda_extra(report) is None
    assert "too old for CuPy" in capsys.readouterr().out


def test_without_nvidia_smi_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
    assert course.driver_report() == ""


@pytest.mark.skipif(os.name == "nt", reason="makes a shell script")
@pytest.mark.parametrize(("code", "report"), [(0, "CUDA Version: 13.0\n"), (9, "")])
def test_nvidia_smi_has_to_work(monkeypatch, tmp_path, code, report):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho CUDA Version: 13.0\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(course.shutil, "which", lambda name: str(program))
    assert course.driver_report() == report


# --here


def test_here_names_the_missing_packages_and_installs_nothing(installer, monkeypatch):
    find = course.importlib.util.find_spec
    monkeypatch.setattr(
        course.importlib.util, "find_spec", lambda name: None if name in ("PIL", "torch") else find(name)
    )
    with pytest.raises(course.SetupError) as problem:
        course.this_python(["course"])
    message = str(problem.value)
    assert "lacks: pillow, torch." in message
    assert "conda env create -f environment-cpu.yml" in message
    assert "leave out --here" in message
    assert installer.commands == []


def test_here_uses_the_python_that_runs_the_file():
    assert course.this_python([]) == sys.executable


def test_every_package_s_import_name_is_known():
    names = course.required_packages(["course", "test", "bench"])
    assert {"numpy", "torch", "pytest-xdist", "pyyaml", "psutil"} <= set(names)
    assert set(course.IMPORT_NAMES) <= set(names)


# lab and test


def test_options_go_on_to_the_other_program():
    chosen, options = course.parse(["lab", "--no-browser", "--port", "9000", "--here"])
    assert (chosen.command, chosen.here, options) == ("lab", True, ["--no-browser", "--port", "9000"])
    chosen, options = course.parse(["test", "--all", "-k", "pooling and not max"])
    assert (chosen.command, chosen.all, options) == ("test", True, ["-k", "pooling and not max"])


def test_the_lab_opens_the_index(checkout):
    (checkout / "notebooks").mkdir()
    (checkout / "notebooks" / "index.ipynb").touch()
    command = course.lab_command("python", ["--no-browser"])
    address = "--LabApp.default_url=/lab/tree/notebooks/index.ipynb"
    assert command == ["python", "-m", "jupyterlab", address, "--no-browser"]


def test_closing_the_lab_with_ctrl_c_is_no_failure(monkeypatch):
    monkeypatch.setattr(course, "run", interrupt)
    assert course.lab("python", []) == 0


def test_programs_find_the_course_and_its_jupyter_settings(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    result = course.environment()
    assert result["JUPYTER_CONFIG_PATH"] == str(ROOT / "etc" / "jupyter") + os.pathsep + "mine"
    assert result["PYTHONPATH"] == str(ROOT)


def test_processes_share_the_cores(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for cores, threads in ((1, "1"), (2, "1"), (16, "4")):
        monkeypatch.setattr(course, "cores", lambda cores=cores: cores)
        assert course.test_environment()["OMP_NUM_THREADS"] == threads
        assert course.test_environment()["OPENBLAS_NUM_THREADS"] == threads


def test_threads_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert course.test_environment()["OMP_NUM_THREADS"] == "7"


def test_the_stages_cover_tests_docstrings_notebooks_and_solutions(checkout, monkeypatch):
    monkeypatch.setattr(course, "cores", lambda: 2)
    for folder in ("notebooks", "solutions"):
        (checkout / folder).mkdir()
        (checkout / folder / "one.ipynb").touch()
    stages = course.test_stages(everything=False)
    assert [stage.name for stage in stages] == ["tests", "docstring examples", "notebooks", "solutions"]
    assert stages[0].arguments == ["tests", "-n", "2", "--dist", "loadfile"]
    assert stages[1].arguments == ["--doctest-modules", "segedu"]
    assert {"--nbval", "--nbval-sanitize-with", "--nbval-cell-timeout=120"} <= set(stages[2].arguments)
    assert "--all" in course.test_stages(everything=True)[0].arguments


def test_a_folder_without_notebooks_has_nothing_to_run(checkout):
    assert course.notebook_stage("notebooks").arguments is None
    (checkout / "notebooks" / ".ipynb_checkpoints").mkdir(parents=True)
    (checkout / "notebooks" / ".ipynb_checkpoints" / "old.ipynb").touch()
    assert course.notebook_stage("notebooks").arguments is None


@pytest.fixture
def pytest_stages(tmp_path, monkeypatch):
    """Return a function that runs the given test files as stages, with the real pytest, in a folder of its own."""

    def run(options=(), **files):
        for name, text in files.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        stages = [course.Stage(name, [f"test_{name}.py"]) for name in files]
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # pytest alone starts sooner
        monkeypatch.setattr(course, "ROOT", tmp_path)
        monkeypatch.setattr(course, "test_stages", lambda everything: stages)
        return course.test(sys.executable, False, list(options))

    return run


PASSES = "def test_one(): pass\n"
FAILS = "def test_two(): assert False\n"


def test_all_stages_run_when_the_first_fails(pytest_stages, capfd):
    assert pytest_stages(first=PASSES + FAILS, second=PASSES) == 1
    shown = capfd.readouterr().out
    assert "1/2 first: FAILED" in shown
    assert "2/2 second: passed" in shown
    assert shown.splitlines()[-1] == "2 passed, 1 failed"


def test_a_stage_that_breaks_counts_as_a_failure(pytest_stages, capfd):
    assert pytest_stages(first="import no_such_module\n", second=PASSES) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"


def test_ctrl_c_stops_the_stages_that_remain(pytest_stages, monkeypatch, capfd):
    monkeypatch.setattr(course, "run", interrupt)
    assert pytest_stages(first=PASSES, second=PASSES) == 1
    shown = capfd.readouterr().out
    assert "Stopped" in shown
    assert "2/2" not in shown
    assert shown.splitlines()[-1] == "0 passed, 1 failed"


def test_options_may_leave_nothing_of_a_stage_but_not_of_all(pytest_stages, capfd):
    assert pytest_stages(["-k", "one"], first=FAILS, second=PASSES) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    assert pytest_stages(["-k", "three"], first=FAILS, second=PASSES) == 1
    assert "The options select no test" in capfd.readouterr().out


def test_a_stage_without_tests_fails_where_no_option_asked_for_it(pytest_stages):
    assert pytest_stages(first=PASSES, second="") == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (125.4, "2 min 5 s")]
)
def test_durations_are_easy_to_read(seconds, text):
    assert course.duration(seconds) == text


def test_the_command_line_runs_as_a_program():
    process = subprocess.run([sys.executable, ROOT / "course.py"], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "{lab,test}" in process.stderr

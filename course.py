#!/usr/bin/env python3
"""The course in two commands. On first use each makes .venv beside this file and installs what the course needs.

    python3 course.py lab     open the course in JupyterLab; other options go to JupyterLab (--no-browser, --port 9000)
    python3 course.py test    run the tests; --all adds the slow ones; other options go to pytest (-k pooling)

With --here they use the Python that runs this file, for instance conda's, and install nothing.
"""

# Nothing here is newer than Python 3.6: an old Python has to read this file to say that it is too old.

import argparse
import collections
import errno
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PINS = ROOT / "constraints.txt"
PROJECT = ROOT / "pyproject.toml"

OLDEST_PYTHON = (3, 11)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
GIB = 2**30
SPACE_FOR_CPU = 3 * GIB  # measured: 1.8 GiB, and what pip keeps
SPACE_FOR_GPU = 12 * GIB  # PyTorch's and CuPy's parts of CUDA
NO_COMPILER = (
    "No C++ compiler was found. Without a GPU the lectures on CUDA need one; the small one of pip will do:\n"
    "    {} -m pip install ziglang"
)
AGAIN = "Then run the same command again: what has been downloaded is kept."

# What a line of pip or of `python -m venv` looks like when something goes wrong, and what helps.
NO_VENV = re.compile("ensurepip|No module named '?venv", re.IGNORECASE)
DISK_FULL = re.compile("No space left on device|not enough space on the disk|Disk quota exceeded", re.IGNORECASE)
NO_NETWORK = re.compile(
    "NewConnectionError|Failed to establish a new connection|name resolution|getaddrinfo failed|Network is unreachable"
    "|ConnectTimeout|ReadTimeout|Read timed out|Connection (refused|broken|aborted|reset)|RemoteDisconnected"
    "|IncompleteRead|ProxyError|SSLError",
    re.IGNORECASE,
)
NO_PACKAGE = re.compile("No matching distribution found|Could not find a version", re.IGNORECASE)

# Names that differ between the package index and the import statement.
IMPORT_NAMES = {
    "pillow": "PIL",
    "pytest-xdist": "xdist",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}


class SetupError(Exception):
    """Something the user can mend; the message says how."""


def say(message):
    """Print one line of progress."""
    print("[segedu] " + message, flush=True)


# ---------------------------------------------------------------------------------------------------------------------
# What may be wrong with the machine


def check_python(version=None):
    """Raise SetupError where Python is too old."""
    version = tuple(version or sys.version_info)[:3]
    if version[:2] >= OLDEST_PYTHON:
        return
    this, oldest = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
    raise SetupError(
        f"The course needs Python {oldest} or newer; this is Python {this} ({sys.executable}).\n"
        "Install a newer one from https://www.python.org/downloads/ and start course.py with it, "
        f"for instance: python{oldest} course.py lab"
    )


def check_venv_module():
    """Raise SetupError where Python cannot make virtual environments."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupError(no_venv_message())


def check_space(needed):
    """Raise SetupError where the disk has less room than `needed` bytes."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < needed:
        raise SetupError(
            f"The course's packages need about {needed / GIB:.0f} GiB, and the disk of {ROOT} has "
            f"{free / GIB:.1f} GiB free.\n{disk_remedy()}"
        )


def no_venv_message():
    return (
        "This Python cannot make virtual environments: its venv or ensurepip module is missing.\n"
        "On Debian and Ubuntu install it with: sudo apt install python3-venv\n"
        f"Elsewhere install Python from https://www.python.org/downloads/. {AGAIN}"
    )


def disk_remedy():
    return f"Make room (`python3 -m pip cache purge` may help) or move the course to a larger disk. {AGAIN}"


def network_message():
    return (
        "The package index cannot be reached. Check the network connection "
        f"(and, behind a proxy, the variable HTTPS_PROXY). {AGAIN}"
    )


def no_package_message():
    return (
        f"pip's last lines name a package that Python {platform.python_version()} on this {platform.system()} "
        f"({platform.machine()}) cannot have.\n"
        "Python 3.11 to 3.13 on 64-bit Linux, Windows and Apple silicon can have all of them. Elsewhere try conda:\n"
        "    conda env create -f environment-cpu.yml\n"
        "    conda activate segedu\n"
        "    python course.py lab --here"
    )


def explain(log):
    """Return the message for a failed installation from what it printed."""
    if NO_VENV.search(log):
        return no_venv_message()
    if DISK_FULL.search(log):
        return f"The disk is full. {disk_remedy()}"
    if NO_NETWORK.search(log):
        return network_message()
    if NO_PACKAGE.search(log):
        return no_package_message()
    return f"The installation failed; the lines above say why. Delete the folder {VENV} and run the same command again."


# ---------------------------------------------------------------------------------------------------------------------
# Starting other programs


def environment(**extra):
    """Return the environment of every program started here; what the user has set wins over `extra`."""
    result = dict(extra, PYTHONUTF8="1")
    result.update(os.environ)
    for name, folder in (("JUPYTER_CONFIG_PATH", ROOT / "etc" / "jupyter"), ("PYTHONPATH", ROOT)):
        result[name] = os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))
    return result


def wait(process):
    """Wait until a program ends. Ctrl-C reaches it directly: let it tidy up, then pass the interruption on."""
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            continue
        if interrupted:
            raise KeyboardInterrupt
        return code


def run(command, env=None):
    """Run a program from the course's folder and return its exit code."""
    return wait(subprocess.Popen(command, cwd=str(ROOT), env=env or environment()))


def run_installer(command):
    """Run a step of the installation, showing all that it prints; raise SetupError when it fails."""
    process = subprocess.Popen(command, cwd=str(ROOT), stderr=subprocess.PIPE)
    log = []
    try:
        for line in process.stderr:
            log.append(line.decode("utf-8", "replace"))
            print(log[-1], end="", file=sys.stderr, flush=True)
    finally:
        code = wait(process)
    if code:
        raise SetupError(explain("".join(log)))


def succeeds(command):
    """Whether a step of the installation ends well; its error messages are not shown."""
    return wait(subprocess.Popen(command, cwd=str(ROOT), stderr=subprocess.DEVNULL)) == 0


# ---------------------------------------------------------------------------------------------------------------------
# The virtual environment


def venv_python():
    """Return the path of the virtual environment's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python_name():
    """Return the version that a virtual environment belongs to, such as 3.11."""
    return "{}.{}".format(*sys.version_info[:2])


def stamp_path():
    """Return the file that is written when an installation is complete."""
    return VENV / "segedu-stamp"


def wanted_stamp():
    """Return what the stamp says when the installation is up to date."""
    content = PINS.read_bytes() + PROJECT.read_bytes() + str(ROOT).encode("utf-8")
    return f"{python_name()} {hashlib.sha256(content).hexdigest()}"


def read_stamp():
    """Return what the stamp says; empty where no installation was completed, or where its Python is gone."""
    try:
        return stamp_path().read_text() if venv_python().exists() else ""
    except OSError:
        return ""


def ready_python():
    """Return the virtual environment's Python, after making and filling the environment where that is needed."""
    if read_stamp() != wanted_stamp():
        start = time.time()
        gpu = driver_report()
        prepare_venv(SPACE_FOR_GPU if gpu else SPACE_FOR_CPU)
        install(gpu)
        stamp_path().write_text(wanted_stamp())  # last: without it, the next run starts afresh
        say(f"Installed in {duration(time.time() - start)}.")
    return str(venv_python())


def prepare_venv(space):
    """Make the virtual environment, anew where it is broken, unfinished or another Python's."""
    if read_stamp().startswith(python_name() + " "):
        say(f"The list of packages has changed: bringing {VENV} up to date.")
        stamp_path().unlink()
        return
    check_venv_module()
    if VENV.exists():
        say(f"{VENV} is unfinished, broken or another Python's: making it again.")
        remove_venv()
    else:
        say(f"Making the virtual environment {VENV}.")
    check_space(space)
    # Where .venv is activated, sys.executable lay in the folder that is now gone.
    run_installer([getattr(sys, "_base_executable", None) or sys.executable, "-m", "venv", str(VENV)])


def remove_venv():
    try:
        shutil.rmtree(str(VENV))
    except OSError as error:
        raise SetupError(
            f"The folder {VENV} cannot be removed ({error}). Close JupyterLab and the terminals that use it, "
            "delete the folder, and run the same command again."
        ) from None


def install(gpu):
    """Install the pinned packages; `gpu` is what nvidia-smi prints, or empty."""
    torch = torch_pin()
    if gpu or platform.system() != "Linux":
        say("1/2 PyTorch's usual build fits this machine.")
    else:
        say(f"1/2 Installing PyTorch for the CPU ({torch}, about 200 MB).")
        if not succeeds(local_torch_command(torch)):
            run_installer(cpu_torch_command(torch))
    extras = [cuda_extra(gpu), None if finds_compiler() else "compiler"]
    say("2/2 Installing the other packages (about {}).".format("4 GB" if gpu else "300 MB"))
    if "compiler" in extras:
        say("No C++ compiler was found: the ziglang wheel (100 MB more) will compile CUDA kernels for the CPU.")
    run_installer(packages_command([extra for extra in extras if extra]))


def torch_pin():
    """Return the requirement for PyTorch from constraints.txt, such as torch==2.13.0."""
    return re.search(r"^torch==\S+", PINS.read_text(), re.MULTILINE).group()


def pip_command(*arguments):
    return [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "install", *arguments]


def local_torch_command(torch):
    """Return the command that takes PyTorch from a folder of wheels, where the user's pip is set up with one."""
    return pip_command("--no-index", "--no-deps", torch)


def cpu_torch_command(torch):
    """Return the command that installs PyTorch without CUDA; on Linux the usual build brings gigabytes of it."""
    return pip_command("--no-deps", "--index-url", CPU_WHEELS, torch)


def packages_command(extras=()):
    """Return the command that installs the course and all it needs; a PyTorch that is there already stays."""
    joined = ",".join(["course", "test", "bench"] + list(extras))
    return pip_command("-c", str(PINS), "-e", f"{ROOT}[{joined}]")


def finds_compiler():
    """Whether a C++ compiler is there that segedu.cuda would take; segedu/cuda/compiler.py looks in the same places."""
    if os.environ.get("SEGEDU_CXX"):
        return True
    if platform.system() == "Windows":
        return False  # the wheel alone serves there
    return any(is_compiler(shutil.which(name)) for name in ("g++", "clang++"))


def is_compiler(path):
    """Whether a program is there; a Mac has compilers that do nothing but ask for Apple's tools."""
    if path is None or platform.system() != "Darwin" or not path.startswith("/usr/bin/"):
        return path is not None
    return subprocess.call(["xcode-select", "-p"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def driver_report():
    """Return what nvidia-smi prints; empty when there is no NVIDIA GPU."""
    program = shutil.which("nvidia-smi")
    if not program:
        return ""
    try:
        report = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return report.stdout.decode("utf-8", "replace") if report.returncode == 0 else ""


def cuda_extra(report):
    """Return the extra of pyproject.toml that holds the CuPy for the driver, or None."""
    if not report:
        return None
    # Drivers from 610 on write "CUDA UMD Version".
    found = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.\d+", report)
    version = int(found.group(1)) if found else 0
    if version < 12:
        say("The NVIDIA driver is too old for CuPy (it needs CUDA 12 or newer), so the course runs on the CPU.")
        return None
    return "cuda13" if version >= 13 else "cuda12"


# ---------------------------------------------------------------------------------------------------------------------
# --here: the Python that runs this file


def required_packages(extras):
    """Return the names of the packages that pyproject.toml lists for the extras."""
    import tomllib

    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    return [re.match(r"[\w.-]+", requirement).group() for requirement in requirements]


def missing_packages(names):
    """Return those of the packages that this Python cannot import."""
    return [name for name in names if importlib.util.find_spec(IMPORT_NAMES.get(name, name.replace("-", "_"))) is None]


def this_python(extras):
    """Return the Python that runs this file; raise SetupError where it lacks packages."""
    missing = missing_packages(required_packages(extras))
    if missing:
        raise SetupError(
            f"{sys.executable} lacks: {', '.join(missing)}.\n"
            "In conda, make the course's environment and run the same command in it:\n"
            "    conda env create -f environment-cpu.yml        (environment.yml with an NVIDIA GPU)\n"
            "    conda activate segedu\n"
            "Or leave out --here: course.py then installs everything into .venv."
        )
    if not finds_compiler() and importlib.util.find_spec("ziglang") is None:
        say(NO_COMPILER.format(sys.executable).replace("\n", "\n[segedu] "))
    return sys.executable


# ---------------------------------------------------------------------------------------------------------------------
# lab


def lab_command(python, options):
    """Return the command that opens the course at its index, with all its folders in the file browser."""
    index = "notebooks/index.ipynb"
    address = [f"--LabApp.default_url=/lab/tree/{index}"] if (ROOT / index).exists() else []
    return [python, "-m", "jupyterlab", *address, *options]


def lab(python, options):
    """Open the course in JupyterLab and wait until it is closed."""
    say("Opening the course. Ctrl-C in this window closes it.")
    try:
        return run(lab_command(python, options))
    except KeyboardInterrupt:
        return 0  # the usual way to close JupyterLab


# ---------------------------------------------------------------------------------------------------------------------
# test

Stage = collections.namedtuple("Stage", "name arguments")
Result = collections.namedtuple("Result", "name passed failed skipped seconds code")
NOTHING_COLLECTED = 5  # pytest's exit code
STOPPED = 130  # by Ctrl-C


def cores():
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers():
    """Return the number of pytest processes; more than four rarely pay for their start."""
    return min(4, cores())


def parallel(jobs):
    """Return the pytest options that spread the work over processes, keeping the cells of a notebook together."""
    return ["-n", str(jobs), "--dist", "loadfile"] if jobs > 1 else []


def notebooks_in(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def notebook_stage(folder):
    """Return the stage that runs every notebook of a folder and compares the outputs with the stored ones."""
    found = notebooks_in(folder)
    compare = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=120"]
    compare += ["--nbval-sanitize-with", str(Path("etc", "nbval.cfg")), folder]
    return Stage(folder, compare + parallel(min(workers(), len(found))) if found else None)


def test_stages(everything):
    """Return the stages of `course.py test`; a stage without arguments has nothing to do yet."""
    stages = [
        Stage("tests", ["tests"] + (["--all"] if everything else []) + parallel(workers())),
        Stage("docstring examples", ["--doctest-modules", "segedu"]),
        notebook_stage("notebooks"),
    ]
    return stages + ([notebook_stage("solutions")] if (ROOT / "solutions").is_dir() else [])


def test_environment():
    """Return the environment of the tests: the processes share the cores instead of each taking all of them."""
    threads = str(max(1, cores() // workers()))
    return environment(OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, MKL_NUM_THREADS=threads)


def run_stage(python, stage, options):
    """Run one stage and return its Result."""
    start = time.time()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [python, "-m", "pytest", "-q", "--continue-on-collection-errors", "--junitxml", str(report)]
        try:
            code = run(command + stage.arguments + options, test_environment())
        except KeyboardInterrupt:
            code = STOPPED
        return stage_result(stage.name, code, report, time.time() - start, selected=bool(options))


def stage_result(name, code, report, seconds, selected):
    """Make a stage's Result from pytest's exit code and its report; a stage that broke counts as one failure."""
    passed, failed, skipped = read_report(report)
    if code == NOTHING_COLLECTED and selected:
        code = 0  # the user's options select nothing here
    if code and not failed:
        failed = 1
    return Result(name, passed, failed, skipped, seconds, code)


def read_report(path):
    """Return how many tests passed, failed and were skipped, from pytest's JUnit file."""
    try:
        cases = list(ElementTree.parse(str(path)).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 0, 0
    notes = [{note.tag for note in case} for case in cases]
    failed = sum(1 for tags in notes if tags & {"failure", "error"})
    skipped = sum(1 for tags in notes if "skipped" in tags)
    return len(cases) - failed - skipped, failed, skipped


def test(python, everything, options):
    """Run all stages, also after one has failed, and return the exit code of the whole."""
    stages = test_stages(everything)
    results = []
    for number, stage in enumerate(stages, 1):
        head = f"{number}/{len(stages)} {stage.name}"
        if stage.arguments is None:
            say(f"{head}: there are none yet.")
            continue
        say(f"{head} ...")
        result = run_stage(python, stage, options)
        results.append(result)
        say(f"{head}: {'FAILED' if result.code else 'passed'} in {duration(result.seconds)}.")
        if result.code == STOPPED:
            say("Stopped.")
            break
    return summarise(results)


def summarise(results):
    """Print a line for each stage and the total; return the exit code of the whole."""
    say("Summary")
    for result in results:
        counts = f"{result.passed:>6} passed {result.failed:>4} failed {result.skipped:>4} skipped"
        say(f"  {result.name:<20}{counts}   {duration(result.seconds)}")
    passed, failed, skipped = (sum(getattr(r, count) for r in results) for count in ("passed", "failed", "skipped"))
    if passed + failed + skipped == 0:
        say("The options select no test.")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed + skipped and not any(result.code for result in results) else 1


def duration(seconds):
    """Return a time that is easy to read, such as 3.1 s or 2 min 5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return "{} min {} s".format(*divmod(round(seconds), 60))


# ---------------------------------------------------------------------------------------------------------------------
# The command line


def parse(arguments):
    """Return the options of course.py and the list of those meant for JupyterLab or pytest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("command", choices=["lab", "test"])
    parser.add_argument("--here", action="store_true", help="use the Python that runs this file; install nothing")
    parser.add_argument("--all", action="store_true", help="test: the slow tests, too")
    return parser.parse_known_args(arguments)


def start(arguments):
    """Do what the command line asks for and return the exit code."""
    check_python()
    chosen, options = parse(arguments)
    if chosen.here:
        python = this_python(["course"] if chosen.command == "lab" else ["course", "test", "bench"])
    else:
        python = ready_python()
    return lab(python, options) if chosen.command == "lab" else test(python, chosen.all, options)


def main(arguments=None):
    """Run `start` and turn what the user can mend into one clear message."""
    try:
        return start(arguments)
    except SetupError as problem:
        message = str(problem)
    except KeyboardInterrupt:
        say("Stopped. Run the same command again and it goes on; what has been downloaded is kept.")
        return STOPPED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        message = f"The disk is full. {disk_remedy()}"
    print("\n[segedu] " + message.replace("\n", "\n[segedu] "), file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())

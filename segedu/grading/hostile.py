"""Answers that try to break or to fool the grader, and what they must get. They fit any question that has a function.

Each is code before the answer, or inside of its function. Where the answer is `right`, what was tried must come to
nothing and the answer has its points; an attack that succeeds raises, and loses them. Where it is `useless`, the attack
tries to get points for nothing.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from segedu.grading import results

NO_POINTS = frozenset({results.FAILED, results.ERROR})
PASSED = frozenset({results.PASSED})
TIMEOUT, CRASHED = frozenset({results.TIMEOUT}), frozenset({results.CRASHED})
REFUSED = frozenset({results.REFUSED})

SWALLOW = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass"""
FORK_BOMB = "import os\nwhile True:\n    os.fork()"
DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)  # segedu-orphan"])
    os._exit(0)"""
LOOK_FOR_SOLUTIONS = """
import os
for folder, _, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/usr")):
        continue
    for name in files:
        if name.endswith((".ipynb", "secret.txt")) or name.startswith("job-") or "numpy_ops" in folder:
            raise SystemExit(f"found {folder}/{name}")"""
KILL_OTHERS = """
import os, signal
for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGTERM)
            open(f"/proc/{pid}/mem", "r+b").write(b"x")
        except OSError:
            pass"""
NETWORK = """
import socket
for address in (("1.1.1.1", 53), ("127.0.0.1", 22)):
    try:
        socket.create_connection(address, timeout=1)
    except OSError:
        continue
    raise SystemExit("there is a network")"""
PATCHES = """
import numpy as np
np.allclose = np.array_equal = lambda *a, **k: True
class Yes(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool).view(Yes)
    def __array_ufunc__(self, *a, **k): return True
np.testing.assert_allclose = np.testing.assert_array_equal = lambda *a, **k: None"""
ALWAYS_EQUAL = "return np.full_like(args[0], 7).view(Yes)"
NAMES_OF_CHECKS = """
import builtins, sys
class Anything:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
compare = np = rng = check = Anything()
builtins.AssertionError = KeyboardInterrupt
for module in list(sys.modules.values()):
    if hasattr(module, "check"):
        module.check = Anything()"""
SHADOWS = """
import importlib, os, sys
folders = {os.path.dirname(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
for folder in (".", *folders):
    for name in (*names, "conftest", "sitecustomize", "usercustomize"):
        try:
            with open(os.path.join(folder, name + ".py"), "w") as file:
                file.write("def __getattr__(name): return lambda *a, **k: True")
        except OSError:
            pass
sys.path.insert(0, ".")
for name in [name for name in sys.modules if name.split(".")[0] in names]:
    del sys.modules[name]
for name in names:
    importlib.reload(importlib.import_module(name))"""
SHADOW_NUMPY, SHADOW_SEGEDU = (f"names = {names}{SHADOWS}" for names in (("numpy", "random"), ("segedu",)))
WRITE_ELSEWHERE = """
import os, stat
home = os.environ["HOME"]
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", home)]
    for name in ("results.json", "marks.csv", "secret.txt", *files[:3]):
        try:
            with open(os.path.join(folder, name), "ab") as file:
                is_kept = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        except OSError:
            continue
        if is_kept:
            raise SystemExit(f"wrote {folder}/{name}")"""
IMPORT_THE_LIBRARY = "import importlib as i\ni.import_module('segedu.' + 'numpy_ops')"
READ_THE_LIBRARY = """
import importlib, importlib.util, inspect, os, pkgutil, sys
course = importlib.import_module("seg" + "edu")
places = {os.path.dirname(course.__file__), *(os.path.join(place, "segedu") for place in sys.path)}
OPERATORS = ("numpy_ops", "cuda_ops", "autograd", "nn", "compare", "diagnosis")
found = [module.name for module in pkgutil.iter_modules(list(places)) if module.name in OPERATORS]
for place in places:
    for name in OPERATORS:
        for path in (f"{place}/{name}.py", f"{place}/{name}/__init__.py", f"{place}/{name}/pooling.py"):
            try:
                spec = importlib.util.spec_from_file_location("stolen", path)
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
                found.append(path)
            except OSError:
                pass
text = open(course.__file__).read() + inspect.getsource(course)
if found or "def max_pool2d" in text:
    raise SystemExit(f"found {found}")"""
RANDOM = """
import numpy as np
class Fixed(np.random.Generator):
    def __init__(self, *a, source=np.random.PCG64): super().__init__(source(0))
    def standard_normal(self, size=None, *a, **k): return np.ones(size)
    integers = random = normal = uniform = standard_normal
for name in dir(np.random):
    if not name.startswith("_") and callable(getattr(np.random, name)):
        setattr(np.random, name, lambda *a, **k: Fixed())
np.random.Generator, np.random.default_rng = Fixed, Fixed
rng = Fixed()"""
TRANSFORMER = """
from IPython import get_ipython
shell = get_ipython()
shell.input_transformers_cleanup.append(lambda lines: ["_response = '{\\"value\\": true}'"])
async def do_execute(*a, **k):
    return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
shell.kernel.do_execute = do_execute"""
FORGED = """
import importlib, json
wire = importlib.import_module('segedu.grading' + '.wire')
wire.answer = lambda request, names: json.dumps({"value": True, "status": "passed", "points": 100})
print(json.dumps({"question": "all", "status": "passed", "earned": 100}))"""


@dataclass(frozen=True)
class Attack:
    """An attempt: its number and name, its code, which answer it comes with, and the statuses it may end with."""

    number: int
    name: str
    before: str = ""
    inside: str = ""
    useless: bool = False
    ends: frozenset[str] = NO_POINTS
    warns: str = ""
    harms_itself: bool = False  # later questions of the same submission may fail, too
    wants_library: bool = False  # makes sense only where an exercise leaves no operator open

    def source(self, right: str, function: str) -> str:
        """The answer cell: `right` is the solution, `function` the name of its function."""
        answer = f"def {function}(*args, **kwargs):\n    return None" if self.useless else right
        parts = [self.before.strip("\n"), answer]
        if self.inside:
            body = textwrap.indent(self.inside.strip("\n"), "    ")
            parts.append(
                f"_own = {function}\ndef {function}(*args, **kwargs):\n{body}\n    return _own(*args, **kwargs)"
            )
        return "\n".join(part for part in parts if part)


ATTACKS = (
    Attack(3, "a syntax error", before="def f(:"),
    Attack(4, "an endless loop", inside="while True:\n    pass", ends=TIMEOUT),
    Attack(5, "a loop that swallows interruptions", inside=SWALLOW, ends=TIMEOUT),
    Attack(6, "os._exit", inside="import os\nos._exit(3)", ends=CRASHED),
    Attack(6, "a segmentation fault", inside="import ctypes\nctypes.string_at(0)", ends=CRASHED),
    Attack(6, "SIGKILL", before="import os\nos.kill(os.getpid(), 9)", ends=CRASHED),
    Attack(7, "sys.exit in the cell", before="import sys\nsys.exit()"),
    Attack(7, "sys.exit in a call", inside="import sys\nsys.exit()"),
    Attack(8, "100 GB", inside="x = bytearray(100 << 30)"),
    Attack(9, "a fork bomb", before=FORK_BOMB, ends=CRASHED | NO_POINTS | TIMEOUT),
    Attack(10, "an orphan", before=DAEMON, ends=PASSED),
    Attack(11, "300 MB of print", before="print('x' * 300_000_000)", ends=PASSED, warns="output was cut"),
    Attack(12, "20,000 displays", before="for i in range(20_000):\n    display(i)", ends=PASSED),
    Attack(13, "a file of 1 GB", before="open('big', 'wb').write(bytes(1 << 30))"),
    Attack(14, "input()", before="x = input()"),
    Attack(22, "patched comparisons", before=PATCHES, inside=ALWAYS_EQUAL, useless=True),
    Attack(23, "an input transformer and a patched kernel", before=TRANSFORMER, useless=True, harms_itself=True),
    Attack(24, "overwritten names of the checks", before=NAMES_OF_CHECKS, useless=True, harms_itself=True),
    Attack(24, "a shadow numpy in its folder", before=SHADOW_NUMPY, useless=True, harms_itself=True),
    Attack(24, "a shadow segedu in its folder", before=SHADOW_SEGEDU, useless=True, harms_itself=True),
    Attack(26, "reading solutions from the disk", before=LOOK_FOR_SOLUTIONS, ends=PASSED, wants_library=True),
    Attack(27, "killing other processes", before=KILL_OTHERS, ends=PASSED | CRASHED),
    Attack(28, "writing results", before=WRITE_ELSEWHERE, ends=PASSED),
    Attack(30, "torch imported", before="import torch", ends=REFUSED),
    Attack(30, "scipy imported behind a string", before="__import__('sci' + 'py')"),
    Attack(31, "the network", before=NETWORK, ends=PASSED),
    Attack(39, "the library imported", before="from segedu.numpy_ops import relu", ends=REFUSED, wants_library=True),
    Attack(39, "the library through importlib", before=IMPORT_THE_LIBRARY, wants_library=True),
    Attack(39, "the library's own files", before=READ_THE_LIBRARY, ends=PASSED, wants_library=True),
    Attack(40, "torch in sys.modules", before="import sys\nF = sys.modules['torch'].nn.functional"),
    Attack(41, "random numbers that are not", before=RANDOM, useless=True),
    Attack(42, "forged results", before=FORGED, useless=True, harms_itself=True),
)

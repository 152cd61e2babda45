"""Root's kernels run under a number that nobody has; where there is none, answers are not called safe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segedu.grading import sandbox
from segedu.grading.kernel import SandboxedKernel
from segedu.grading.sandbox import find_sandbox, open_course
from segedu.notebooks import ROOT

only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="user numbers are mapped on Linux")
MAPS = {
    "         0          0 4294967295\n": sandbox.STRANGERS,
    "0 1000 1\n1 100000 65536\n": range(60_000, 65_537),
    "0 100000 65536\n": range(60_000, 65_536),
    "0 1000 1\n": range(0),
    "": range(0),
}


@pytest.mark.parametrize("mapped", MAPS)
def test_the_number_is_one_that_the_container_knows(mapped, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path: mapped)
    numbers = {sandbox._stranger() for _ in range(20)}
    if MAPS[mapped]:
        assert all(number in MAPS[mapped] for number in numbers)
        assert len(numbers) > 1
    else:
        assert numbers == {None}


@only_linux
def test_root_of_a_container_with_one_user_grades_without_a_sandbox_and_says_so(tmp_path):
    code = f"""from pathlib import Path
from segedu.grading import sandbox
from segedu.grading.kernel import SandboxedKernel
from segedu.grading.sandbox import find_sandbox, open_course
home = sandbox.give_away(Path({str(tmp_path)!r}))
assert home.stat().st_uid == 0
print(sandbox.find_sandbox().statement, *sandbox.kernel_command(sandbox.Sandbox("none"), home, home, home))"""
    run = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code]
    try:
        done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if "unshare" in done.stderr and done.returncode:
        pytest.skip("this machine has no user namespaces")
    assert "WITHOUT A SANDBOX: root of this container has no other user number" in done.stdout, done.stderr
    assert "setpriv" not in done.stdout
    assert "ipykernel_launcher" in done.stdout


LIMITS = """import os, resource
names = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NPROC")
print(os.getuid(), *(resource.getrlimit(getattr(resource, name))[1] for name in names))
print(open("/proc/self/status").read())"""


@pytest.mark.slow
@only_linux
@pytest.mark.skipif(not find_sandbox().is_safe, reason=f"needs a sandbox: {find_sandbox().reason}")
def test_a_kernel_has_hard_limits_no_rights_and_no_number_that_somebody_has(tmp_path):
    kernel = SandboxedKernel(find_sandbox(), open_course(tmp_path))
    try:
        reply = kernel.run(LIMITS, 20)
    finally:
        kernel.stop()
    assert reply.error is None
    first, *status = reply.output.split("\n")
    user, memory, file, files, core, processes = map(int, first.split())
    assert (memory, file, files, core) == (sandbox.MEMORY, sandbox.LARGEST_FILE, sandbox.OPEN_FILES, 0)
    if os.geteuid() == 0:
        assert user in sandbox.STRANGERS or user >= sandbox.FEWEST_STRANGER
        assert processes == sandbox.PROCESSES
    rights = dict(line.split(":\t") for line in status if line.startswith(("Cap", "NoNewPrivs")))
    assert {name: int(value, 16) for name, value in rights.items()} == {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0),
        "NoNewPrivs": 1,
    }

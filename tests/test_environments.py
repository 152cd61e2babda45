"""environment.yml, environment-cpu.yml, constraints.txt and pyproject.toml name the same packages and fit together."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FILES = ["environment.yml", "environment-cpu.yml"]
PIP_NAMES = {"pytorch": "torch", "playwright-python": "playwright"}
CONDA_SPEC = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?: (?P<range>[<>=!]=?[0-9][0-9.]*(?:,[<>=!]=?[0-9][0-9.]*)*))?"
)


def environment(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def conda_ranges(name: str) -> dict[str, SpecifierSet]:
    """Return the packages of an environment file, under pip's names, with their ranges."""
    matches = [CONDA_SPEC.fullmatch(spec) for spec in environment(name)["dependencies"]]
    return {PIP_NAMES.get(match["name"], match["name"]): SpecifierSet(match["range"] or "") for match in matches}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pip_ranges(*extras: str) -> dict[str, SpecifierSet]:
    """Return the packages of pyproject.toml with the extras, with their ranges."""
    lines = project()["dependencies"] + [line for extra in extras for line in project()["optional-dependencies"][extra]]
    requirements = [Requirement(line) for line in lines]
    return {requirement.name: requirement.specifier for requirement in requirements}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("name", FILES)
def test_an_environment_file_has_a_name_one_channel_and_a_list_of_specs(name):
    content = environment(name)
    assert set(content) == {"name", "channels", "dependencies"}
    assert content["name"] == "segedu"
    assert content["channels"] == ["conda-forge"]
    assert all(isinstance(spec, str) for spec in content["dependencies"])


@pytest.mark.parametrize("name", FILES)
def test_every_spec_is_one_that_conda_reads(name):
    for spec in environment(name)["dependencies"]:
        assert CONDA_SPEC.fullmatch(spec), spec


@pytest.mark.parametrize("name", FILES)
def test_no_package_is_listed_twice(name):
    names = [spec.split()[0] for spec in environment(name)["dependencies"]]
    assert len(names) == len(set(names))


def test_conda_and_pip_have_the_same_packages_and_ranges():
    expected = pip_ranges("course", "test", "bench") | {"python": SpecifierSet(project()["requires-python"])}
    assert conda_ranges("environment-cpu.yml") == expected


def test_the_full_environment_is_the_one_for_the_cpu_and_cupy():
    full, cpu = conda_ranges("environment.yml"), conda_ranges("environment-cpu.yml")
    assert {name: full[name] for name in full if name != "cupy"} == cpu
    assert "cupy" in full


@pytest.mark.parametrize("cuda", ["12", "13"])
def test_cupy_has_the_same_range_from_conda_and_from_pip(cuda):
    (line,) = project()["optional-dependencies"][f"cuda{cuda}"]
    requirement = Requirement(line)
    assert requirement.name == f"cupy-cuda{cuda}x"
    assert requirement.extras == {"ctk"}
    assert requirement.specifier == conda_ranges("environment.yml")["cupy"]


def test_the_package_itself_needs_numpy_only():
    assert list(pip_ranges()) == ["numpy"]


def test_every_pin_is_an_exact_version_that_any_machine_can_have():
    for name, version in pins().items():
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)*", version), f"{name}=={version}"


def test_nvrtc_is_pinned_apart_from_the_constraints():
    """PyTorch for CUDA pins its own: a second pin among the constraints would make pip refuse."""
    (line,) = project()["optional-dependencies"]["nvrtc"]
    assert re.fullmatch(r"nvidia-cuda-nvrtc==[0-9.]+", line)
    assert "nvidia-cuda-nvrtc" not in pins()
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"pin=\$\(sed -n '(.*)' pyproject.toml\)", script).group(1) == r's/^nvrtc = \["\(.*\)"\]$/\1/p'
    assert f'nvrtc = ["{line}"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()


def test_every_package_is_pinned_inside_its_range():
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    for name, allowed in pip_ranges("course", "test", "bench", "compiler").items():
        assert pinned[canonicalize_name(name)] in allowed, name

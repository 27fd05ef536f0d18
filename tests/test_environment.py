"""The lists of packages agree: pyproject.toml, constraints.txt, environment.yml, and the setup."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CPU_INDEX = ".".join(["download", "pytorch", "org"])  # split: this file is not to name it


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len({canonicalize_name(pin.name) for pin in found}) == len(found), "pinned twice"
    return {canonicalize_name(pin.name): pin for pin in found}


def asked() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    return [Requirement(text) for text in texts]


@pytest.fixture(scope="module")
def setup():
    spec = importlib.util.spec_from_file_location("setup_", ROOT / "lab" / "make_environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("wanted", asked(), ids=lambda wanted: wanted.name)
def test_each_dependency_is_pinned_as_it_is_asked_for(wanted):
    pin = constraints()[canonicalize_name(wanted.name)]
    versions = [str(part) for part in pin.specifier]
    assert len(versions) == 1 and versions[0].startswith("=="), f"{pin} is no exact version"
    assert wanted.specifier.contains(versions[0].removeprefix("=="))


def test_each_dependency_says_why_in_its_line():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    for line in block.strip().splitlines():
        assert re.search(r'",  # \w+', line), f"no reason given: {line.strip()}"


def test_what_is_installed_is_what_is_pinned():
    """Oracle: the metadata of this very environment."""
    from importlib import metadata

    for name, pin in constraints().items():
        if name in ("pip", "setuptools"):
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        assert pin.specifier.contains(Version(installed).public), f"{name} {installed}, not {pin}"


def test_everything_the_dependencies_need_is_pinned():
    """Walks the metadata of this environment from pyproject's dependencies to the leaves."""
    from importlib import metadata

    pins = constraints()
    waiting, seen = [canonicalize_name(Requirement(d).name) for d in PROJECT["dependencies"]], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name.startswith(("nvidia-", "cuda-")):
            continue  # the CUDA build of torch pins these itself
        assert name in pins, f"{name} has no line in constraints.txt"
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(need.name))
    assert "torch" in seen and len(seen) > 50


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = next(
        d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python")
    )
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    # All of pyproject's dependencies, at the pinned versions, and nothing beside them.
    assert pip == ["-c constraints.txt", "-e ."]


def test_setup_and_doctor_accept_the_versions_pyproject_names(setup):
    from phi1_lib.course import doctor

    allowed = SpecifierSet(PROJECT["requires-python"])
    for version in [(3, minor) for minor in range(9, 20)]:
        fits = setup.refusal(version, "Linux", "x86_64") is None
        assert fits == allowed.contains(".".join(map(str, version)))
        assert fits == (doctor.python_row((*version, 0)).status == "ok")


@pytest.mark.parametrize(
    ("system", "machine"), [("Linux", "aarch64"), ("Darwin", "x86_64"), ("Windows", "AMD64")]
)
def test_other_systems_stop_with_one_line(setup, system, machine):
    reason = setup.refusal((3, 12), system, machine)
    assert system in reason and machine in reason and "\n" not in reason


def test_systems_that_are_supported(setup):
    assert setup.refusal((3, 11), "Linux", "x86_64") is None
    assert setup.refusal((3, 14), "Darwin", "arm64") is None


def test_the_stop_is_one_line_on_standard_error_and_exit_1(tmp_path):
    script = (ROOT / "lab" / "make_environment.py").read_text(encoding="utf-8")
    (tmp_path / "setup_.py").write_text(script.replace("((3, 11), (3, 14))", "((4, 0), (4, 1))"))
    command = [sys.executable, "setup_.py", "--cpu-index", "none"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1 and "4.0 to 4.1" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_cpu_index_is_probed_once_and_quickly(setup, monkeypatch):
    asked_for = []

    def refuse(url, timeout):
        asked_for.append((url, timeout))
        raise TimeoutError

    monkeypatch.setattr(setup.urllib.request, "urlopen", refuse)
    assert setup.answers("https://example.invalid/whl") is False
    assert len(asked_for) == 1 and asked_for[0][1] <= 5


@pytest.mark.parametrize(("reachable", "calls"), [(True, 1), (False, 0)])
def test_cpu_torch_comes_from_the_index_only_if_that_answers(setup, monkeypatch, reachable, calls):
    made = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setup, "answers", lambda url: reachable)
    monkeypatch.setattr(setup, "pip", lambda *arguments: made.append(arguments) or 0)
    setup.install_cpu_torch("https://example.invalid/whl")
    assert len(made) == calls
    if made:
        assert made[0][-1] == f"torch=={setup.pinned('torch')}+cpu"


def test_only_the_makefile_and_the_notes_name_the_cpu_index():
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    paths = [ROOT / name for name in files if name.endswith((".py", ".toml", ".yml", ".txt"))]
    paths += [ROOT / ".ci" / "run"]
    mine = Path(__file__).name
    naming = [p for p in paths if p.is_file() and CPU_INDEX in p.read_text(errors="replace")]
    assert [p.name for p in naming if p.name != mine] == []
    assert CPU_INDEX in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_package_data_ships_labels_and_artifacts():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = data["tool"]["setuptools"]["package-data"]["phi1_lib"]
    for folder in ("artifacts", "data/labels"):
        files = [p for p in (ROOT / "phi1_lib" / folder).rglob("*") if p.is_file()]
        others = [p for p in files if "__pycache__" not in p.parts]
        matched = {p for pattern in patterns for p in (ROOT / "phi1_lib").glob(pattern)}
        assert set(others) <= matched

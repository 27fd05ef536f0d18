"""Who imports whom inside `phi1_lib`, read from the source text of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "phi1_lib"
BOTTOM = {"config", "sandbox", "tokenizer"}
MODEL = {"attention", "model", "config"}
DATA = {"data", "config", "sandbox", "tokenizer"}
EVALUATION = {*MODEL, *DATA, "generation", "evaluation"}
PIPELINE = {*EVALUATION, "training", "run_folder", "pipeline"}

# Each part, and the parts of ours that its modules may import.
MAY_IMPORT = {
    "config": {"config"},
    "sandbox": {"sandbox"},
    "tokenizer": {"tokenizer"},
    "attention": {"attention", "config"},
    "model": MODEL,
    "generation": {*MODEL, "generation"},
    "data": DATA,
    "training": {*MODEL, *DATA, "training"},
    "evaluation": EVALUATION,
    "run_folder": {"data", "run_folder"},
    "pipeline": PIPELINE,
    "shipped": {*PIPELINE, "shipped"},
    "course": {*PIPELINE, "shipped", "course"},
    "cli": {*PIPELINE, "shipped", "course", "cli"},
}
# Outside packages that one module alone may import.
ONLY_IN = {
    "deepspeed": {"training/deepspeed_engine.py"},
    "flash_attn": {"attention/flash.py"},
    "triton": {"attention/triton.py"},
}
NO_TORCH = ("config.py", "sandbox/", "tokenizer/")
TOUCHES_FILES = {"io", "json", "os", "shutil", "tempfile", "safetensors"}
FILE_CALLS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink"}
CLOCKS_AND_RANKS = {"time", "datetime", "torch.distributed"}


def modules() -> list[Path]:
    return sorted(p for p in LIBRARY.rglob("*.py") if not p.name.endswith(".new.py"))


def imported(path: Path) -> set[str]:
    """Full names that a module imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def called(path: Path) -> set[str]:
    """Last names of what a module calls: `open` of `path.open()`."""
    calls = (n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
    return {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def place(path: Path) -> str:
    return path.relative_to(LIBRARY).as_posix()


@pytest.mark.parametrize("path", modules(), ids=place)
def test_arrows(path):
    part = place(path).split("/")[0].removesuffix(".py")
    if part == "__init__":
        allowed = {"config"}
    else:
        assert part in MAY_IMPORT, f"{part} is new: say in this test what it may import"
        allowed = MAY_IMPORT[part]
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("phi1_lib.")}
    ours -= {"__version__"}  # anyone may say which edition this is
    assert ours <= allowed, f"{place(path)} may not import {sorted(ours - allowed)}"


@pytest.mark.parametrize("path", modules(), ids=place)
def test_outside_packages_have_one_door(path):
    for package, doors in ONLY_IN.items():
        if package in tops(imported(path)):
            assert place(path) in doors, f"only {doors} imports {package}"
    if place(path).startswith(NO_TORCH):
        assert "torch" not in tops(imported(path))


@pytest.mark.parametrize(
    "path", [p for p in modules() if place(p).startswith(("attention/", "model/"))], ids=place
)
def test_model_and_attention_know_no_clocks_ranks_or_files(path):
    names = imported(path)
    for name in CLOCKS_AND_RANKS:
        found = [n for n in names if n == name or n.startswith(name + ".")]
        assert not found, f"{place(path)} imports {name}"
    if place(path) != "model/weights.py":
        assert not tops(names) & TOUCHES_FILES, "only model/weights.py touches files"
        assert not called(path) & FILE_CALLS, "only model/weights.py touches files"


def _loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tops(set(run.stdout.split()))


HEAVY = {"torch", "triton", "transformers", "sklearn", "deepspeed", "datasets", "flash_attn"}


@pytest.mark.parametrize(
    "name",
    ["phi1_lib", *(f"phi1_lib.{part}" for part in ("config", "sandbox", "tokenizer", "course"))],
)
def test_light_parts_import_nothing_heavy(name):
    assert not _loaded(f"import {name}") & HEAVY


def test_the_command_starts_without_torch():
    assert not _loaded("import phi1_lib.cli") & HEAVY

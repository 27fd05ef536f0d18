"""Every chapter keeps the rules, and executing it gives the outputs that are committed."""

from pathlib import Path

import nbformat
import pytest

from phi1_lib.course.notebooks import refresh
from phi1_lib.course.rules import broken_rules

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))


def name(path: Path) -> str:
    return path.stem


def test_there_are_chapters():
    numbers = [path.name[:2] for path in CHAPTERS]
    assert {"00", "01", "02", "14"} <= set(numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_keeps_the_rules(path):
    notebook = nbformat.read(path, as_version=4)
    assert broken_rules(notebook, path.parent) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_begins_by_loading_the_courses_commands(path):
    cells = nbformat.read(path, as_version=4).cells
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert first.source == "%load_ext phi1_lib.course"


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_executes_to_its_committed_outputs(path):
    changed = refresh(path, check=True)
    assert changed is None, f"run `make chapters FILES={path.relative_to(ROOT)}`: {changed}"


def test_readme_links_each_chapter_and_no_other():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in CHAPTERS:
        assert f"(chapters/{path.name})" in readme
    assert readme.count("(chapters/") == len(CHAPTERS)

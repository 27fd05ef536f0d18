"""A small course to build a site from, and the site of the whole course, built once a test run."""

import json
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from book.build import build

ROOT = Path(__file__).parents[2]
GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one pixel
SOLUTION = '''"""Exercises of chapter 00: counting.

More about them.
"""


def double(x: int) -> int:
    """Exercise 0.1: Double it."""
    # BEGIN SOLUTION 0.1
    return 2 * x  # the secret
    # END SOLUTION
'''
GRADER = """import pytest


@pytest.mark.exercise("0.1", points=2, minutes=5, difficulty=1, section="By two")
def test_double(submission):
    assert submission.double(2) == 4
"""
CHAPTER = """# 00 Welcome

A formula: $x^2$. See [the file](../phi1_lib/model/rotary.py), [all files](../phi1_lib),
[the exercises](../exercises/ch00_welcome.py), [their folder](../exercises),
[a worked answer](../solutions/ch00_welcome.py), [all answers](../solutions) and the
[README](../README.md).

## By two

Twice as much.
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one chapter with one exercise, which its learner has solved."""
    root = tmp_path / "course"
    chapters = "## The chapters\n\n[Welcome](chapters/00_welcome.ipynb)\n\n## Results\n"
    write(root / "README.md", f"# The course\n\n{chapters}\n[Licence](LICENSE)\n")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md"):
        write(root / name, f"# {name}\n\n[Read me](README.md)\n")
    write(root / "LICENSE", "MIT\n")
    for name in ("notes.md", "chapters/Untitled.ipynb", "chapters/00_welcome.new.ipynb"):
        write(root / name, "no part of the book\n")
    notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    picture = f'<img alt="a dot" src="data:image/gif;base64,{GIF}">'
    output = nbformat.v4.new_output("display_data", {"text/html": picture, "text/plain": "a dot"})
    notebook.cells = [
        nbformat.v4.new_markdown_cell(CHAPTER, id="c000"),
        nbformat.v4.new_code_cell("draw()", id="c001", execution_count=1, outputs=[output]),
    ]
    write(root / "chapters" / "00_welcome.ipynb", json.dumps(notebook, indent=1))
    write(root / "solutions" / "ch00_welcome.py", SOLUTION)
    write(root / "exercises" / "test_ch00_welcome.py", GRADER)
    write(root / "exercises" / "ch00_welcome.py", "def double(x):\n    return x + x  # my answer\n")
    write(root / "phi1_lib" / "config.py", '"""Configurations."""\n')
    write(root / "phi1_lib" / "model" / "rotary.py", '"""Turns pairs.\n\nIn ```text```."""\n')
    return root


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The site of this tree and the warnings of its build, shared by all workers of the run."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):  # a worker of pytest-xdist
        shared = shared.parent
    warnings = shared / "book-warnings.json"
    with FileLock(shared / "book.lock"):
        if not warnings.exists():
            write(warnings, json.dumps(build(ROOT, shared / "book")))
    return shared / "book", json.loads(warnings.read_text(encoding="utf-8"))

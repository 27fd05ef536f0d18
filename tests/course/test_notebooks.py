"""Executing and normalising chapters, on small notebooks that are really run."""

import shutil
from pathlib import Path

import nbformat
import pytest

from phi1_lib.course import saving
from phi1_lib.course.notebooks import (
    course_copy,
    execute,
    first_difference,
    keep_varying,
    main,
    normalise,
    refresh,
)

ROOT = Path(__file__).parents[2]
SOLUTION = """
def one():
    # BEGIN SOLUTION 1.1
    return 1
    # END SOLUTION
"""


def code(source: str, *tags: str):
    cell = nbformat.v4.new_code_cell(source)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


@pytest.fixture
def course(tmp_path):
    """A course folder with one exercise, which the learner has solved."""
    for name in ("chapters", "exercises", "solutions"):
        (tmp_path / name).mkdir()
    (tmp_path / "solutions" / "ch01_x.py").write_text(SOLUTION)
    (tmp_path / "exercises" / "ch01_x.py").write_text("def one():\n    return 1\n")
    shutil.copy(ROOT / "exercises" / "conftest.py", tmp_path / "exercises")
    return tmp_path


def write(course: Path, *cells) -> Path:
    path = course / "chapters" / "01_x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def test_executing_twice_leaves_no_difference(course):
    path = write(
        course,
        nbformat.v4.new_markdown_cell("# Title"),
        code("print('here')\nprint('there')"),
        code("object()"),
        code("import time\nprint(time.perf_counter())", "varies"),
        code("import ipywidgets\nipywidgets.IntSlider()"),
        code("x = 1"),
    )
    assert refresh(path, root=course) is not None
    first = path.read_bytes()
    assert refresh(path, root=course) is None
    assert path.read_bytes() == first
    notebook = nbformat.read(path, as_version=4)
    assert [cell.id for cell in notebook.cells] == [f"c{i:03d}" for i in range(6)]
    assert notebook.cells[2].outputs[0].data["text/plain"] == "<object at 0x...>"
    assert notebook.cells[4].outputs == []  # a widget is dead without its kernel
    assert [cell.get("execution_count") for cell in notebook.cells] == [None, 1, 2, 3, 4, 5]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_the_page_of_a_widget_stays_and_its_view_goes():
    view = {"model_id": "0123", "version_major": 2, "version_minor": 0}
    both = {"text/html": "<b>page</b>", "text/plain": "page", saving.WIDGET_VIEW: view}
    only = {"text/plain": "IntSlider(value=0)", saving.WIDGET_VIEW: view}
    outputs = [nbformat.v4.new_output("display_data", data=dict(data)) for data in (both, only)]
    (cell,) = notebook(*outputs).cells
    assert [output.data for output in cell.outputs] == [
        {"text/html": "<b>page</b>", "text/plain": "page"}
    ]


def test_a_chapter_reads_no_learners_progress(course):
    names = ("XDG_DATA_HOME", "IPYTHONDIR")
    path = write(course, code(f"import os\nprint(*[os.environ[name] for name in {names}])"))
    output = execute(path, root=course).cells[0].outputs[0].text
    for folder in output.split():
        assert not Path(folder).is_relative_to(Path.home())
        assert not Path(folder).exists(), "it went with the copy of the course"


def test_check_names_the_first_cell_that_differs_and_writes_nothing(course, capsys, monkeypatch):
    path = write(course, code("print('a')"), code("print('b')"))
    refresh(path, root=course)
    edited = path.read_text().replace('b\\n"', 'stale\\n"')
    assert edited.count("stale") == 1
    path.write_text(edited)
    monkeypatch.setattr("phi1_lib.course.notebooks.ROOT", course)
    assert main([str(path), "--check"]) == 1
    printed = capsys.readouterr().out
    assert "cell 1 (print('b')) differs" in printed
    assert "stale" in printed
    assert path.read_text() == edited


def test_exercises_are_fresh_stubs_and_the_learners_file_stays(course):
    path = write(
        course,
        code("from pathlib import Path\nprint(Path('../exercises/ch01_x.py').read_text())"),
        code("Path('scratch.txt').write_text('x');"),
    )
    refresh(path, root=course)
    output = nbformat.read(path, as_version=4).cells[0].outputs[0].text
    assert 'NotImplementedError("Exercise 1.1")' in output
    assert (course / "exercises" / "ch01_x.py").read_text() == "def one():\n    return 1\n"
    assert not (course / "chapters" / "scratch.txt").exists()


def test_a_failing_cell_is_an_error_that_names_the_file(course):
    path = write(course, code("1 / 0"))
    with pytest.raises(RuntimeError, match=r"(?s)01_x\.ipynb.*ZeroDivisionError"):
        refresh(path, root=course)


def test_the_kernel_uses_this_library(course):
    path = write(course, code("import phi1_lib\nprint(phi1_lib.__file__)"))
    refresh(path, root=course)
    output = nbformat.read(path, as_version=4).cells[0].outputs[0].text
    assert output.strip() == str(ROOT / "phi1_lib" / "__init__.py")


def stream(text: str, name: str = "stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def notebook(*outputs, tags=("varies",)):
    cell = code("run()", *tags)
    cell.outputs = list(outputs)
    return normalise(nbformat.v4.new_notebook(cells=[cell]))


def test_varying_output_of_the_same_kind_keeps_what_is_committed():
    committed, new = notebook(stream("1 s")), notebook(stream("2 s"))
    keep_varying(new, committed)
    assert first_difference(new, committed) is None


def test_varying_output_of_another_kind_is_a_difference():
    committed, new = notebook(stream("1 s")), notebook(stream("2 s", "stderr"))
    keep_varying(new, committed)
    assert "cell 0 (run())" in first_difference(new, committed)


def test_an_untagged_output_is_compared():
    committed, new = notebook(stream("1"), tags=()), notebook(stream("2"), tags=())
    keep_varying(new, committed)
    difference = first_difference(new, committed)
    assert "1" in difference and "2" in difference


def test_copy_is_removed_afterwards(course):
    with course_copy(course) as copy:
        assert (copy / "solutions" / "ch01_x.py").is_file()
    assert not copy.exists()

"""The magics in IPython's own shell, on a small course: what a learner sees, and what is written.

The oracle of a verdict is the small course's grader, whose right and wrong answers are known.
"""

import re
import shutil
import signal
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from phi1_lib.course import load_ipython_extension
from phi1_lib.course.exercises import answer, get_exercise
from phi1_lib.course.magics import chapter_of_notebook
from phi1_lib.course.stubs import write_stubs

ROOT = Path(__file__).parents[2]
RIGHT = "def double(n):\n    return 2 * n\n"
SQUARES = "def double(n):\n    return n * n\n"


@pytest.fixture(scope="module")
def ipython(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("ipython"))
    config = Config({"HistoryManager": {"enabled": False}})
    main = sys.modules["__main__"]  # the shell puts its own there; processes started later need it
    yield InteractiveShell.instance(config=config, ipython_dir=folder)
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


@pytest.fixture
def shell(ipython, small_course, tmp_path, monkeypatch):
    """Runs a cell; returns what was printed, the last thing shown, and whether the cell failed."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    ipython.reset()
    load_ipython_extension(ipython)

    def run(cell):
        with capture_output() as captured:
            result = ipython.run_cell(cell)
        shown = captured.outputs[-1].data if captured.outputs else {}
        return SimpleNamespace(
            printed=captured.stdout,
            error=captured.stderr,
            text=shown.get("text/plain", ""),
            page=shown.get("text/html", ""),
            markdown=shown.get("text/markdown", ""),
            success=result.success,
            first=captured.outputs[0].data["text/plain"] if captured.outputs else "",
        )

    return run


@pytest.fixture
def stub(small_course):
    return small_course / "exercises" / "ch01_small.py"


def write(stub, number, code):
    stub.write_text(
        stub.read_text().replace(f'raise NotImplementedError("Exercise {number}")', code)
    )


class Cells(HTMLParser):
    """The text of a page, cell by cell."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.tags = [], set()
        self.feed(page)
        self.cells = [cell.strip() for cell in self.cells]

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


# ---- %check -----------------------------------------------------------------------------------


def test_not_written_yet(shell):
    seen = shell("%check 1.1")
    assert seen.text == "Exercise 1.1: not written yet. Write it in exercises/ch01_small.py."
    assert seen.first == "checking exercise 1.1 ..."
    assert "not written yet" in seen.page


def test_right_answer(shell, stub):
    write(stub, "1.1", "return 2 * n")
    assert shell("%check 1.1").text.splitlines() == [
        "Exercise 1.1: 2 of 2 checks pass (exercises/ch01_small.py)",
        "  passed           doubles two",
        "  passed           doubles three",
    ]


def test_wrong_answer_shows_the_graders_words_and_repeats_exactly(shell, stub):
    write(stub, "1.1", "return n * n")
    first = shell("%check 1.1")
    assert first.text.splitlines() == [
        "Exercise 1.1: 1 of 2 checks pass (exercises/ch01_small.py)",
        "  passed           doubles two",
        "  FAILED           doubles three",
        "                   double(3) is 6: <did> you square?",
    ]
    page = Cells(first.page)
    assert "double(3) is 6: <did> you square?" in page.cells
    assert any("failed" in cell for cell in page.cells)  # in words, not in colour alone
    assert "script" not in page.tags
    assert not re.search(r"(?<![-\w])color:(?!inherit)|background:(?!transparent)", first.page)
    again = shell("%check 1.1")
    assert (again.text, again.page) == (first.text, first.page)


def test_code_in_a_message_is_shown_as_code(shell, stub):
    write(stub, "1.1", "raise ValueError('`n` < 0')")
    seen = shell("%check 1.1")
    assert "ValueError: `n` < 0" in seen.text
    assert "ValueError: <code>n</code> &lt; 0" in seen.page


def test_a_typo_is_shown_as_itself_with_the_line(shell, stub):
    write(stub, "1.1", "return 2 * m")
    text = shell("%check 1.1").text
    assert "NameError: name 'm' is not defined" in text
    assert "return 2 * m" in text and "Traceback" not in text
    assert text.count("NameError") == 1  # once for both tests


def test_a_whole_chapter_shows_what_is_left_to_do(shell, stub):
    write(stub, "1.1", "return 2 * n")
    write(stub, "1.2", "return 4 * n")
    assert shell("%check 1").text.splitlines() == [
        "Exercise 1.1: 2 of 2 checks pass (exercises/ch01_small.py)",
        "Exercise 1.2: 0 of 1 checks pass (exercises/ch01_small.py)",
        "  FAILED           triples",
        "                   triple(2) is 6",
    ]


def test_which_chapter(shell, monkeypatch):
    assert "write %check 2" in shell("%check").printed
    shell("%check 1.1")
    assert "Exercise 1.2: not written yet" in shell("%check").text
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/a/chapters/07_raw.ipynb")
    assert "chapter 7 has no exercises; these have: 1" in shell("%check").printed


@pytest.mark.parametrize(
    ("session", "names", "chapter"),
    [
        ("chapters/02_attention.ipynb", {}, 2),
        ("/home/12_x/00_welcome.ipynb", {}, 0),
        ("02_attention.ipynb-jvsc-1234", {}, 2),
        ("Untitled.ipynb", {}, None),
        (None, {"__vsc_ipynb_file__": r"C:\course\chapters\14_full_scale.ipynb"}, 14),
        (None, {}, None),
    ],
)
def test_the_notebooks_name_says_the_chapter(monkeypatch, session, names, chapter):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert chapter_of_notebook(names) == chapter


def test_an_endless_loop_ends_and_the_next_check_works(shell, stub):
    write(stub, "1.1", "while True: pass")
    text = shell("%check 1.1 --seconds 2").text
    assert "took longer than 2 s" in text and "does a loop never end?" in text
    assert "--seconds 4" in text
    stub.write_text(stub.read_text().replace("while True: pass", "return 2 * n"))
    assert "2 of 2 checks pass" in shell("%check 1.1").text


def test_in_a_chapter_an_endless_loop_fails_its_own_exercise_only(shell, stub):
    write(stub, "1.1", "while True: pass")
    write(stub, "1.2", "return 3 * n")
    text = shell("%check 1 --seconds 2").text
    assert "Exercise 1.1: 0 of 1 checks pass" in text and "took longer than 2 s" in text
    assert "Exercise 1.2: 1 of 1 checks pass" in text


def test_code_that_ends_python_is_said(shell, stub):
    write(stub, "1.1", "import os; os._exit(0)")
    seen = shell("%check 1.1")
    assert seen.success and "exercise 1.1" in seen.text and "Traceback" not in seen.text
    assert "not written yet" in shell("%check 1.2").text


def test_the_stop_button_ends_the_check(shell, stub):
    shell("%check 1.2")  # warm
    write(stub, "1.1", "while True: pass")
    stop = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    stop.start()
    seen = shell("%check 1.1")
    stop.join()
    assert seen.text == "The check of exercise 1.1 was stopped."
    assert not seen.success  # so that "Run all" stops too
    assert "Traceback" not in seen.printed + seen.error
    stub.write_text(stub.read_text().replace("while True: pass", "return 2 * n"))
    assert "2 of 2 checks pass" in shell("%check 1.1").text


@pytest.mark.parametrize("number", ["1.9", "7.1", "x"])
def test_unknown_numbers_name_the_nearest(shell, number):
    seen = shell(f"%check {number}")
    assert f"there is no exercise '{number}'; the nearest are 1." in seen.printed
    assert seen.success and seen.text == ""


def test_arguments(shell):
    assert "not written yet" in shell('%check "1.1"  # my note').text
    assert "must be above 0" in shell("%check 1.1 --seconds 0").printed


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%hint", "which exercise? Write its number: %hint 2.1"),
        ("%solution  # mine", "which exercise? Write its number: %solution 2.1"),
        ("%%solve\nx = 1", "which exercise? Write its number: %%solve 2.1"),
        ("%solve --undo", "which exercise? Write its number: %%solve 2.1"),
        ("# mine\n%%solve 1.1\nx = 1", "`%%solve 1.1` must be the first line of its cell"),
        ("%check 1.1 1.2", "%check 1.1 1.2: unrecognized arguments: 1.2. Write it like %check 2.1"),
        ("%check --help", "`%check?` says the rest"),
    ],
)
def test_arguments_that_do_not_fit_are_one_calm_line(shell, cell, said):
    seen = shell(cell)
    assert said in seen.printed and len(seen.printed.splitlines()) == 1
    assert seen.error == "" and seen.success


def test_a_file_that_does_not_parse(shell, stub):
    write(stub, "1.2", "return 3 *")
    assert (
        "exercises/ch01_small.py, line 16: invalid syntax: return 3 *" in shell("%check 1.1").text
    )


@pytest.mark.parametrize("line", ["import foo_bar", "from foo_bar.baz import x"])
def test_a_package_that_is_not_installed(shell, stub, line):
    stub.write_text(f'"""Doc."""\n\n{line}\n' + stub.read_text())
    text = shell("%check 1.1").text
    assert "exercises/ch01_small.py, line 3 imports foo_bar, which is not installed" in text


def test_missing_file_names_the_command_that_makes_it(shell, stub):
    stub.unlink()
    assert "`make stubs`" in shell("%check 1.1").text


def test_outside_the_course(shell, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "no exercises folder" in shell("%check 1.1").printed


# ---- %%solve ----------------------------------------------------------------------------------


def test_solve_writes_defines_and_checks(shell, stub, ipython):
    seen = shell(f"%%solve 1.1\n{RIGHT}print('tried:', double(4))\n")
    assert seen.printed == "tried: 8\n"
    assert seen.text.splitlines()[0] == "Left in the notebook, not put into the file: line 4."
    assert "2 of 2 checks pass" in seen.text and "2 of 2 checks pass" in seen.page
    assert "return 2 * n" in stub.read_text()
    assert ipython.user_ns["double"](5) == 10


def test_solve_and_undo(shell, stub):
    shell(f"%%solve 1.1\n{SQUARES}")
    before = stub.read_text()
    assert "2 of 2" in shell(f"%%solve 1.1\n{RIGHT}").text
    assert "as it was before your last %%solve 1.1" in shell("%solve --undo 1.1").printed
    assert stub.read_text() == before
    shell("%solve --undo 1.1")
    assert 'NotImplementedError("Exercise 1.1")' in stub.read_text()
    assert "no %%solve of exercise 1.1 to undo" in shell("%solve --undo 1.1").printed
    assert "a cell of its own" in shell(f"%%solve --undo 1.1\n{RIGHT}").printed


def test_a_wrong_answer_after_a_right_one_says_how_to_go_back(shell):
    assert "before" not in shell(f"%%solve 1.1\n{SQUARES}").printed
    assert "before" not in shell(f"%%solve 1.1\n{RIGHT}").printed
    seen = shell(f"%%solve 1.1\n{SQUARES}")
    assert seen.printed.endswith("To take this answer back: %solve --undo 1.1\n")
    shell("%solve --undo 1.1")
    assert "2 of 2 checks pass" in shell("%check 1.1").text


def test_solve_refuses_and_writes_nothing(shell, stub, ipython):
    before = stub.read_text()
    seen = shell("%%solve 1.1\ndef double(n):\n    return 2 *\n")
    assert seen.printed == "this cell, line 3: invalid syntax: return 2 *\n"
    assert seen.text == "" and stub.read_text() == before
    assert "double" not in ipython.user_ns
    assert "the cell that holds your double" in shell("%solve 1.1").printed
    assert "there is no exercise '1.7'" in shell(f"%%solve 1.7\n{RIGHT}").printed


def test_solve_says_which_names_the_file_does_not_know(shell):
    seen = shell("%%solve 1.1\ndef double(n):\n    return operator.add(n, n)\n")
    assert "does not know operator: put the import or the definition into this cell" in seen.text
    assert "NameError" in seen.text


def test_an_error_of_the_cell_names_its_line_in_the_notebook(shell):
    seen = shell(f"%%solve 1.1\n{RIGHT}1 / 0\n")
    assert "ZeroDivisionError" in seen.printed and "line 4" in seen.printed
    assert "2 of 2 checks pass" in seen.text


def test_solve_in_a_read_only_folder_still_checks_the_file(shell, stub, monkeypatch):
    write(stub, "1.1", "return n * n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("phi1_lib.course.solve.os.replace", refuse)
    seen = shell(f"%%solve 1.1\n{RIGHT}")
    assert "exercises/ cannot be written (Permission denied), so nothing was changed" in seen.text
    assert "1 of 2 checks pass" in seen.text


def test_a_real_exercise(shell, tmp_path, monkeypatch):
    course = tmp_path / "real"
    for name in ("exercises", "solutions"):
        shutil.copytree(ROOT / name, course / name)
    write_stubs(course / "solutions", course / "exercises", force=True)
    monkeypatch.chdir(course)
    exercise = get_exercise(course, "2.3")
    assert "not written yet" in shell("%check 2.3").text
    wrong = "import torch\ndef hide_future(scores_TT):\n    return scores_TT\n"
    assert "FAILED" in shell(f"%%solve 2.3\n{wrong}").text
    seen = shell(f"%%solve 2.3\n{answer(exercise)}")  # `Tensor` is imported in the file only
    assert "FAILED" not in seen.text and "checks pass (exercises/ch02_" in seen.text
    assert seen.success and "Error" not in seen.printed + seen.error


# ---- %hint, %solution, %progress, and what is noted ---------------------------------------------


def test_hints_one_by_one_then_all(shell):
    first = shell("%hint 1.1").text.splitlines()
    assert first == [
        "Hint 1 of 2: How does a number relate to its sum with itself?",
        "1 hint remains.",
    ]
    second = shell("%hint 1.1")
    assert second.text.splitlines()[-1] == "That was the last hint."
    assert "<code>return</code>" in second.page
    third = shell("%hint 1.1").text
    assert "Hint 1 of 2" in third and "Hint 2 of 2" in third
    assert third.splitlines()[-1] == "These are all the hints."
    assert "Hint 1 of 2" in shell("%hint 1.2").text


def test_solution_after_a_question(shell, stub):
    asked = shell("%solution 1.1")
    assert "no answer was checked, 0 of 2 hints seen" in asked.printed
    assert "%solution 1.1 --i-have-tried" in asked.printed and asked.text == ""
    shell(f"%%solve 1.1\n{SQUARES}")
    shell("%hint 1.1")
    asked = shell("%solution 1.1").printed
    assert "you checked an answer once, 1 of 2 hints seen" in asked
    seen = shell("%solution 1.1 --i-have-tried")
    assert seen.markdown.startswith("```python\ndef double(n):\n")
    assert "return 2 * n" in seen.markdown and "HINT" not in seen.markdown


def test_progress(shell, tmp_path):
    shell("%check 1.1")  # a stub: no attempt
    shell(f"%%solve 1.1\n{SQUARES}")
    shell(f"%%solve 1.1\n{RIGHT}")
    shell("%hint 1.2")
    shell("%solution 1.2 --i-have-tried")
    assert shell("%progress").text.splitlines()[1] == (
        "01 small  #####.....   1 of 2       0      1               1"
    )
    shell(f"%%solve 1.1\n{SQUARES}")  # stays solved
    seen = shell("%progress")
    assert "1 of 2" in seen.text and "1 of 2" in Cells(seen.page).cells
    assert "you checked an answer 2 times" in shell("%solution 1.1").printed
    assert (tmp_path / "data" / "phi1" / "progress.json").is_file()


def test_a_damaged_progress_file_is_said_and_the_check_goes_on(shell, stub, tmp_path):
    write(stub, "1.1", "return 2 * n")
    folder = tmp_path / "data" / "phi1"
    folder.mkdir(parents=True)
    (folder / "progress.json").write_text("{")
    seen = shell("%check 1.1")
    assert "2 of 2 checks pass" in seen.text
    assert "kept as progress.broken-1.json" in seen.printed
    assert (folder / "progress.broken-1.json").read_text() == "{"


def test_hints_go_on_where_progress_cannot_be_kept(shell, tmp_path):
    (tmp_path / "data").write_text("a file in place of the folder")
    assert "Your progress is not recorded" in shell("%hint 1.1").printed
    seen = shell("%hint 1.1")
    assert "Hint 2 of 2" in seen.text and seen.printed == ""

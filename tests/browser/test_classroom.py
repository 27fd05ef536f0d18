"""The course as a learner meets it: in JupyterLab, in a real browser, by mouse and keyboard.

One server and one window for all: the tests go through a chapter in the order of this file, and
each can also run alone. All in one file, so that pytest-xdist gives them to one worker.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from phi1_lib.course.exercises import answer, get_exercise
from phi1_lib.course.notebooks import course_copy

pytest.importorskip("playwright", reason="no playwright found: make test installs it")

from tests.browser.driver import Lab, chromium_page, find_chromium, lab_server  # noqa: E402

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium found: apt-get install chromium"
)

ROOT = Path(__file__).parents[2]
CHAPTER = "chapters/02_attention.ipynb"
FOREIGN = "chapters/02_attention_foreign.ipynb"
EXERCISE = "2.1"
SLIDER, POSITIONS, LAST = "position", 10, "1024"  # of the chapter's slider
READABLE = 4.5  # the contrast that WCAG 2.2 asks of text, success criterion 1.4.3

# The smallest contrast of an element's texts with what is painted behind them.
CONTRAST = """root => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
    const behind = node => node ? over(numbers(getComputedStyle(node).backgroundColor),
        behind(node.parentElement)) : [255, 255, 255];
    const luminance = colour => colour.map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const texts = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement;
        if (!node.data.trim() || !parent.checkVisibility()) continue;
        const ground = behind(parent);
        const ink = over(numbers(getComputedStyle(parent).color), ground);
        const [low, high] = [luminance(ink), luminance(ground)].sort((a, b) => a - b);
        texts.push([(high + 0.05) / (low + 0.05), node.data.trim()]);
    }
    return texts.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.fixture(scope="module")
def course():
    """A clone of the course whose exercises are fresh stubs, with a chapter from elsewhere."""
    with course_copy() as copy:
        for name in ("phi1_lib", "lab"):
            shutil.copytree(
                ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb*")
            )
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(copy)]
        for command in (["init", "-q"], ["add", "chapters"], ["commit", "-qm", "edition"]):
            subprocess.run([*git, *command], check=True)
        foreign = nbformat.read(copy / CHAPTER, as_version=4)
        foreign.cells.append(nbformat.v4.new_markdown_cell("Changed by someone else."))
        nbformat.write(foreign, copy / FOREIGN)
        yield copy


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lab(course, home, tmp_path_factory):
    """JupyterLab in the state of the first `make lab`."""
    shots = tmp_path_factory.mktemp("screenshots")
    with lab_server(course, home) as (address, token):
        with chromium_page(tmp_path_factory.mktemp("profile")) as page:
            window = Lab(page, address, token, shots)
            window.open_workspace()
            yield window


@pytest.fixture(scope="module")
def chapter(lab):
    """The chapter, opened by its link in the README's table."""
    lab.show("README.md")
    link = lab.page.locator(f'.jp-MarkdownViewer a[href*="{Path(CHAPTER).name}"]')
    lab.see("the chapter's link", link).click()
    lab.until_ready(CHAPTER)
    return lab


@pytest.fixture(scope="module")
def ran(chapter):
    """The chapter, all of it run."""
    chapter.show(CHAPTER)
    chapter.run_all()
    return chapter


@dataclass(frozen=True)
class Solved:
    """The cells in which an exercise was solved, and the progress was shown before and after."""

    before: int
    cell: int
    after: int


@pytest.fixture(scope="module")
def solved(ran):
    ran.show(CHAPTER)
    worked = answer(get_exercise(ROOT, EXERCISE))
    texts = ("%progress", f"%%solve {EXERCISE}\n{worked}", "%progress")
    return Solved(*[ran.run_new_cell(text) for text in texts])


def output_text(lab: Lab, index: int) -> str:
    """What a learner reads below a cell."""
    output = lab.cell(index).locator(".jp-Cell-outputArea")
    return lab.see(f"the output of cell {index}", output).inner_text()


def slider_cell(lab: Lab):
    return lab.cell(lab.find("slider("))


def pictures(cell) -> list[str]:
    """The alt texts of the pictures that are seen."""
    return cell.locator("img:visible").evaluate_all("found => found.map(image => image.alt)")


def move(lab: Lab, cell, handle, key: str) -> list[str]:
    """Press a key on a slider's handle, and return what is seen once the picture has changed."""
    before = pictures(cell)
    handle.focus()
    lab.page.keyboard.press(key)
    lab.until(
        f"another picture after {key}",
        "return [...argument[0].querySelectorAll('img')].filter(image => image.checkVisibility())"
        ".every(image => image.alt !== argument[1])",
        [cell.element_handle(), before[0]],
    )
    return pictures(cell)


def test_the_workspace_opens_on_the_readmes_chapters(lab):
    lab.show("README.md")
    names = lab.page.locator(".jp-MarkdownViewer table a").all_inner_texts()
    assert "The tokenizer" in names and "Attention" in names
    assert lab.page.locator(".jp-DirListing-item", has_text="chapters").is_visible()
    assert lab.page.locator(".jp-Dialog").count() == 0


def test_a_link_of_the_readme_opens_its_chapter(chapter):
    assert chapter.cells()[0]["source"].startswith("# ")
    assert chapter.page.locator(".jp-Dialog").count() == 0


def test_a_shipped_slider_moves_by_keyboard_before_anything_is_run(chapter):
    cell = slider_cell(chapter)
    handle = chapter.see("the slider", cell.locator("input[type=range]"))
    assert handle.evaluate("input => input.labels[0].innerText").strip() == SLIDER
    assert pictures(cell)[0].endswith(f"Here {SLIDER} = 0.")
    (seen,) = move(chapter, cell, handle, "ArrowRight")
    assert seen.endswith(f"Here {SLIDER} = 1.")
    assert handle.get_attribute("aria-valuetext") == f"{SLIDER} = 1"
    assert cell.locator("small").is_hidden(), "the note about scrolling"


def test_a_chapter_from_elsewhere_shows_its_frames_without_scripts(lab):
    lab.open(FOREIGN, kernel=False)
    cell = slider_cell(lab)
    lab.see("the note", cell.get_by_text("scroll sideways"))
    assert cell.locator("input[type=range]").is_hidden()
    assert len(pictures(cell)) == POSITIONS, "all frames, side by side"
    lab.page.keyboard.press("Escape")
    lab.close()


def test_the_whole_chapter_runs_without_an_error(ran):
    outputs = [output for cell in ran.cells() for output in cell.get("outputs", [])]
    assert outputs
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    counts = [cell["execution_count"] for cell in ran.cells() if cell["cell_type"] == "code"]
    assert None not in counts


def test_the_widget_moves_by_keyboard(ran):
    ran.show(CHAPTER)
    cell = slider_cell(ran)
    handle = ran.see("the widget's handle", cell.locator("[role=slider]"))
    assert cell.locator("input[type=range]").count() == 0, "the widget stands in place of the page"
    assert pictures(cell)[0].endswith(f"Here {SLIDER} = 0.")
    (seen,) = move(ran, cell, handle, "ArrowRight")
    assert seen.endswith(f"Here {SLIDER} = 1.")
    (seen,) = move(ran, cell, handle, "End")
    assert seen.endswith(f"Here {SLIDER} = {LAST}.")
    assert cell.locator(".widget-readout").inner_text() == LAST
    assert handle.get_attribute("aria-label") == SLIDER


def test_an_exercise_is_solved_in_the_notebook(lab, solved, course):
    text = output_text(lab, solved.cell)
    assert "passed" in text and "failed" not in text.lower()
    kinds = [output["output_type"] for output in lab.cells()[solved.cell]["outputs"]]
    assert "error" not in kinds, "the cell ran in the notebook too"
    exercise = get_exercise(course, EXERCISE)
    assert "NotImplementedError" not in function_text(exercise.stub, exercise.functions[0])


def function_text(path: Path, name: str) -> str:
    found = re.search(rf"^def {name}\b.*?(?=^\S|\Z)", path.read_text(), re.M | re.S)
    return found[0]


def test_the_progress_table_changes(lab, solved, home):
    row = re.compile(r"02 attention\s+(\d+) of (\d+)")
    before, after = (row.search(output_text(lab, cell)) for cell in (solved.before, solved.after))
    assert (before[1], after[1]) == ("0", "1") and before[2] == after[2]
    assert list(home.rglob("progress*")), "kept in the user's data folder, outside of the course"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_outputs_are_readable_in_the_theme(lab, solved, theme):
    lab.show(CHAPTER)
    change = "await app.commands.execute('apputils:change-theme', {theme: argument})"
    lab.run(theme, change, theme)
    figures = [lab.find("token_strip("), lab.find("slider(")]
    for index in (*figures, solved.cell, solved.after):
        output = lab.see("an output", lab.cell(index).locator(".jp-Cell-outputArea"))
        contrast, text = output.evaluate(CONTRAST)
        assert contrast >= READABLE, f"{text!r} of cell {index} has {contrast:.1f}"


def test_a_saved_chapter_opened_without_a_kernel_keeps_its_sliders(lab, ran):
    lab.show(CHAPTER)
    lab.save_and_close()
    lab.open(CHAPTER, kernel=False)
    cell = slider_cell(lab)
    handle = lab.see("the slider", cell.locator("input[type=range]"))
    (seen,) = move(lab, cell, handle, "ArrowRight")
    assert seen.endswith(f"Here {SLIDER} = 1.")
    text = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").inner_text()
    assert "Error displaying widget" not in text and "Loading widget" not in text


def test_the_terminal_shows_the_address_and_no_warning(ran, home):
    log = (home / "lab.log").read_text()
    assert "http://127.0.0.1:" in log
    warnings = [line for line in log.splitlines() if re.match(r"\[[WE] ", line)]
    assert [line for line in warnings if Path(FOREIGN).name not in line] == []

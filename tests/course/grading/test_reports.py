"""The table, the JSON and the page, read back by the standard library's own readers."""

import csv
import io
import json
from html.parser import HTMLParser

import pytest

from phi1_lib.course.grading.marks import RULE, StudentGrade, exercise_grades
from phi1_lib.course.grading.page import page
from phi1_lib.course.grading.reports import Run, everything, number_text, table, write_reports
from phi1_lib.course.grading.worker import Row

RUN = Run(3, "landlock+seccomp", 10.0, 1024, ("ch02_attention.py",), ("x: not a folder",))
POINTS = {"2.10": 3, "2.9": 1.5, "2.1": 1}


def row(number: str, status: str, message: str = "", test: str = "a test") -> Row:
    return Row(number, test, status, message, POINTS[number])


def student(name: str, *rows: Row, notes: tuple[str, ...] = ()) -> StudentGrade:
    return StudentGrade(name, tuple(exercise_grades(POINTS, rows)), notes, 1.234)


ANNA = student("anna", *(row(number, "passed") for number in POINTS))
BERT = student(
    "Bert & <b>",
    row("2.1", "passed"),
    row("2.1", "passed"),
    row("2.1", "failed", "a < b\nand more", "the third"),
    row("2.9", "not written yet"),
    row("2.10", "failed", 'says "no"'),
)
ZOE = student("Zoë", notes=("ch02_attention.py: missing; the folder is empty",))
CLASS = [ANNA, BERT, ZOE]


def cells(grades, run: Run = RUN) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table(run, grades))))


# --- Points ------------------------------------------------------------------------------------


def test_points_are_the_share_of_tests_and_exercises_count_as_numbers():
    assert [grade.exercise for grade in BERT.exercises] == ["2.1", "2.9", "2.10"]
    assert [grade.points for grade in BERT.exercises] == [0.67, 0, 0]
    assert [grade.status for grade in BERT.exercises] == ["partly", "not written yet", "failed"]
    assert (ANNA.total, ANNA.out_of) == (5.5, 5.5)
    assert {grade.status for grade in ANNA.exercises} == {"solved"}
    assert {grade.status for grade in ZOE.exercises} == {"not graded"}


def test_points_come_from_the_graders_marks_not_from_the_rows():
    [grade] = exercise_grades({"2.1": 1}, [Row("2.1", "a", "passed", "", 100)])
    assert grade.points == grade.out_of == 1


# --- CSV ---------------------------------------------------------------------------------------


def test_the_table_has_a_row_a_student():
    assert cells(CLASS) == [
        ["student", "total", "out of", "2.1", "2.9", "2.10", "notes"],
        ["anna", "5.5", "5.5", "1", "1.5", "3", ""],
        ["Bert & <b>", "0.67", "5.5", "0.67", "0", "0", ""],
        ["Zoë", "0", "5.5", "0", "0", "0", "ch02_attention.py: missing; the folder is empty"],
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1"])
def test_no_cell_begins_a_formula(name):
    found = cells([student(name), student("b", notes=(name,))])
    assert found[1][0] == f"'{name}" and found[2][-1] == f"'{name}"


def test_commas_quotes_and_new_lines_stay_in_their_cell():
    name = 'a,"b"\nc'
    assert cells([student(name)])[1][0] == name


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (2.5, "2.5"), (0.67, "0.67"), (3, "3")])
def test_numbers_are_short(value, text):
    assert number_text(value) == text


# --- JSON --------------------------------------------------------------------------------------


def test_everything_is_in_the_json():
    found = json.loads(json.dumps(everything(RUN, CLASS)))
    assert found["seed"] == 3 and found["course_version"] and found["points"] == RULE
    assert found["sandbox"] == {"level": "landlock+seccomp", "weaker": False}
    assert found["limits"] == {"test_seconds": 10.0, "memory_mb": 1024}
    bert = found["students"][1]
    assert (bert["total"], bert["out_of"], bert["seconds"]) == (0.67, 5.5, 1.23)
    assert bert["exercises"][2]["tests"] == [
        {"test": "a test", "status": "failed", "message": 'says "no"'}
    ]


# --- HTML --------------------------------------------------------------------------------------

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Checks that tags close in order; collects texts by the element around them, and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.targets: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert not {"src", "style", "onclick"} & set(given)
        self.targets += [given["href"]] if "href" in given else []
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_shows_each_student_in_words():
    found = read(page(RUN, CLASS))
    assert found.texts["h2"] == [
        "anna: 5.5 of 5.5 points",
        "Bert & <b>: 0.67 of 5.5 points",
        "Zoë: 0 of 5.5 points",
    ]
    assert found.texts["a"] == ["anna", "Bert & <b>", "Zoë"]
    assert (
        found.texts["small"]
        == ["solved"] * 3 + ["partly", "not written yet", "failed"] + ["not graded"] * 3
    )
    assert "a < b\nand more" in found.texts["td"] and "the third" in found.texts["td"]
    assert "2.1 (2 of 3 pass)" in found.texts["span"]
    assert "Not written yet: 2.9." in found.texts["p"]
    assert "All tests pass." in found.texts["p"]
    assert RULE in found.texts["p"]
    assert {"x: not a folder", "ch02_attention.py: missing; the folder is empty"} <= set(
        found.texts["li"]
    )


def test_the_page_is_self_contained():
    text = page(RUN, CLASS)
    found = read(text)
    assert found.targets == [f"#{place}" for place in found.ids]
    assert "script" not in found.texts and "http:" not in text and "https:" not in text
    assert "default-src 'none'" in text


def test_one_message_for_everything_is_said_once():
    message = "ch02_attention.py, line 3: invalid syntax"
    broken = student("carl", *(row(number, "failed", message) for number in POINTS))
    found = read(page(RUN, [broken]))
    assert found.texts["p"].count(f"Every test fails: {message}") == 1
    assert "thead" not in found.texts and message not in found.texts["td"]


def test_a_weaker_sandbox_stands_at_the_top():
    weak = Run(0, "rlimits", 10.0, 1024, ("ch02_attention.py",), ())
    paragraphs = read(page(weak, CLASS)).texts["p"]
    assert paragraphs[1].startswith("WEAKER sandbox (rlimits)")
    assert not any("WEAKER" in text for text in read(page(RUN, CLASS)).texts["p"])


# --- Files -------------------------------------------------------------------------------------


def test_three_files_are_written_and_no_other(tmp_path):
    write_reports(tmp_path / "grades.csv", RUN, CLASS)
    found = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(found) == {"grades.csv", "grades.json", "grades.html"}
    assert found["grades.csv"] == table(RUN, CLASS)
    assert json.loads(found["grades.json"]) == everything(RUN, CLASS)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "grades.csv"
    out.write_text("old")
    monkeypatch.setattr("pathlib.Path.write_text", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_reports(out, RUN, CLASS)
    monkeypatch.undo()
    assert out.read_text() == "old"

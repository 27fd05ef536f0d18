"""The HTML page of a class's grades: one file, no scripts, readable on a phone and on paper."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from phi1_lib.course.grading.marks import (
    FAILED,
    NOT_GRADED,
    NOT_WRITTEN,
    PARTLY,
    RULE,
    SOLVED,
    ExerciseGrade,
    StudentGrade,
)

if TYPE_CHECKING:
    from phi1_lib.course.grading.reports import Run

CLASSES = {
    SOLVED: "solved",
    PARTLY: "partly",
    FAILED: "failed",
    NOT_WRITTEN: "open",
    NOT_GRADED: "open",
}
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff; margin: 0 auto;
  max-width: 75rem; padding: 1rem; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; }
h2 { margin: 2rem 0 .3rem; border-top: 1px solid #d0d7de; padding-top: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid #d0d7de; padding: .3rem .5rem; text-align: left; vertical-align: top; }
.class { font-size: .85rem; }
.class td, .class th { white-space: nowrap; overflow-wrap: normal; padding: .25rem .35rem; }
.class th:first-child { white-space: normal; overflow-wrap: anywhere; width: 14rem;
  min-width: 8rem; max-width: 14rem; position: sticky; left: 0; background: #fff; }
.class small { white-space: normal; width: min-content; min-width: 3rem; }
.tests td { min-width: 9rem; }
.tests td:last-child { min-width: 22rem; }
td small { display: block; }
.solved { background: #e6f4ea; color: #0f5323; }
.partly { background: #fff4d6; color: #6b4300; }
.failed { background: #fde8e8; color: #8c0d20; }
.open { background: #f0f2f4; color: #4a5159; }
.weaker { border-left: 4px solid #8c0d20; padding-left: .6rem; font-weight: 600; }
.word { white-space: nowrap; }
.message { white-space: pre-wrap; }
@media (max-width: 40rem) {
  .tests thead { display: none; }
  .class th:first-child { width: 8rem; max-width: 8rem; }
  .tests, .tests tbody, .tests tr, .tests td { display: block; border: 0; }
  .tests td:last-child { min-width: 0; }
  .tests tr { border: 1px solid #d0d7de; margin: .5rem 0; }
}
@page { size: A4 landscape; margin: 1cm; }
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  .class { font-size: 6.5pt; }
  .class td, .class th { white-space: normal; padding: .1rem .15rem; }
  .class small { min-width: 0; }
  .scroll { overflow: visible; }
  section { break-inside: avoid-page; }
  td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
""".strip()


def page(run: "Run", grades: Sequence[StudentGrade]) -> str:
    """The whole page."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Whatever got into a message: nothing is run or fetched.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Grades: {escape(', '.join(run.chapters))}</title>",
        f"<style>\n{STYLE}\n</style>",
        "</head>",
        "<body>",
        "<h1>Grades</h1>",
        *_about(run, grades),
        _class_table(grades),
        *(_student(place, student) for place, student in enumerate(grades)),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _about(run: "Run", grades: Sequence[StudentGrade]) -> list[str]:
    names = ", ".join(run.chapters)
    lines = [
        f"<p>{len(grades)} {'student' if len(grades) == 1 else 'students'}; {escape(names)}; "
        f"seed {run.seed}; {run.test_seconds:g} s a test; course version {escape(run.version)}.</p>"
    ]
    kind = ' class="weaker"' if run.is_weaker else ""
    lines.append(f"<p{kind}>{escape(_sentence(run.sandbox()))}</p>")
    lines.append(f"<p>{escape(RULE)}</p>")
    if run.remarks:
        items = "".join(f"<li>{escape(remark)}</li>" for remark in run.remarks)
        lines.append(f"<p>In the folder of submissions:</p>\n<ul>{items}</ul>")
    return lines


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _class_table(grades: Sequence[StudentGrade]) -> str:
    numbers = [grade.exercise for grade in grades[0].exercises]
    head = "".join(
        f'<th scope="col">{escape(name)}</th>' for name in ("student", "total", *numbers)
    )
    rows = [f"<tr>{head}</tr>"]
    for place, student in enumerate(grades):
        cells = "".join(_cell(grade) for grade in student.exercises)
        rows.append(
            f'<tr><th scope="row"><a href="#s{place}">{escape(student.student)}</a></th>'
            f"<td>{student.total:g} of {student.out_of:g}</td>{cells}</tr>"
        )
    solved = [
        sum(student.exercises[column].status == SOLVED for student in grades)
        for column in range(len(numbers))
    ]
    counts = "".join(f"<td>{count} of {len(grades)}</td>" for count in solved)
    rows.append(f'<tr><th scope="row">solved by</th><td></td>{counts}</tr>')
    return f'<div class="scroll"><table class="class">{"".join(rows)}</table></div>'


def _cell(grade: ExerciseGrade) -> str:
    return (
        f'<td class="{CLASSES[grade.status]}">{grade.points:g} of {grade.out_of:g}'
        f"<small>{grade.status}</small></td>"
    )


def _student(place: int, student: StudentGrade) -> str:
    """One student: the points, the notes, and what the failed tests said."""
    lines = [
        f'<section id="s{place}">',
        f"<h2>{escape(student.student)}: {student.total:g} of {student.out_of:g} points</h2>",
    ]
    if student.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in student.notes)
        lines.append(f"<ul>{items}</ul>")
    unwritten = [g.exercise for g in student.exercises if g.status == NOT_WRITTEN]
    if unwritten:
        lines.append(f"<p>Not written yet: {', '.join(unwritten)}.</p>")
    wrong = [g for g in student.exercises if g.status in (PARTLY, FAILED)]
    why = {row.message for g in student.exercises for row in g.rows}
    if len(why) == 1 and len(wrong) > 1 and not any(g.passed for g in wrong):
        lines.append(f'<p class="message">Every test fails: {escape(why.pop())}</p>')
    elif wrong:
        head = "<thead><tr><th>exercise</th><th>tests that fail</th><th>why</th></tr></thead>"
        body = "\n".join(row for grade in wrong for row in _failures(grade))
        lines.append(f'<table class="tests">{head}<tbody>\n{body}\n</tbody></table>')
    elif not unwritten and not student.notes:
        lines.append("<p>All tests pass.</p>")
    return "\n".join([*lines, "</section>"])


def _failures(grade: ExerciseGrade) -> list[str]:
    """A table row for each message of an exercise, with the tests that said it."""
    tests: dict[str, list[str]] = {}
    for row in grade.rows:
        if row.status != "passed":
            tests.setdefault(row.message or row.status, []).append(row.test)
    word = f'<span class="word">{grade.exercise} ({grade.passed} of {len(grade.rows)} pass)</span>'
    return [
        f'<tr><td class="{CLASSES[grade.status]}">{word}</td>'
        f"<td>{'; '.join(escape(name) for name in names)}</td>"
        f'<td class="message">{escape(message)}</td></tr>'
        for message, names in tests.items()
    ]

"""How `pytest exercises` grades: which file is graded, what counts as not written yet, the table.

- `pytest exercises` grades your files in this folder;
- `pytest exercises --submission solutions` grades another folder with the same file names;
- `pytest exercises --exercise 1.2` grades one exercise.
"""

import itertools
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

STUB_MESSAGE = re.compile(r"Exercise (\d+\.\d+)")
NOT_WRITTEN = "not written yet"
_module_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("exercises")
    group.addoption(
        "--submission",
        metavar="FOLDER",
        default=None,
        help="folder with the answers to grade (default: the exercises folder)",
    )
    group.addoption("--exercise", metavar="N.n", default=None, help="grade this exercise only")
    group.addoption("--results", metavar="FILE", default=None, help="write the results as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "exercise(number, points, minutes, difficulty, section): the exercise a test belongs to",
    )
    folder = submission_folder(config)
    if not folder.is_dir():
        raise pytest.UsageError(f"there is no submission folder {folder}")
    if not any(folder.iterdir()):
        raise pytest.UsageError(f"the submission folder {folder} is empty")


def submission_folder(config: pytest.Config) -> Path:
    """The folder whose answers are graded."""
    given = config.getoption("--submission")
    return Path(given).resolve() if given else Path(__file__).parent


def submission_path(grader: Path, config: pytest.Config) -> Path:
    """The learner's file that a grader `test_chNN_topic.py` grades."""
    return submission_folder(config) / grader.name.removeprefix("test_")


def exercise_of(item: pytest.Item) -> pytest.Mark:
    """The `exercise` mark of a grader's test."""
    mark = item.get_closest_marker("exercise")
    if mark is None:
        raise pytest.UsageError(f"{item.nodeid} has no @pytest.mark.exercise")
    return mark


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    graded = [item for item in items if item.path.parent == here]
    if graded and not any(submission_path(item.path, config).is_file() for item in graded):
        wanted = sorted({submission_path(item.path, config).name for item in graded})
        raise pytest.UsageError(
            f"the submission folder {submission_folder(config)} has none of: {', '.join(wanted)}"
        )
    for order, item in enumerate(graded):
        mark = exercise_of(item)
        item.user_properties.append(("order", order))
        item.user_properties.append(("exercise", mark.args[0]))
        item.user_properties.append(("points", mark.kwargs.get("points", 1)))
    number = config.getoption("--exercise")
    if number is None:
        return
    chosen = [item for item in graded if exercise_of(item).args[0] == number]
    if not chosen:
        raise pytest.UsageError(f"there is no exercise {number}")
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="module")
def submission(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """The learner's module that belongs to the grader, read afresh from its text."""
    path = submission_path(request.path, request.config)
    if not path.is_file():
        pytest.fail(f"there is no {path.name} in {path.parent}", pytrace=False)
    # Compiled here, not imported: an import could take stale bytecode of an edit a second ago.
    module = types.ModuleType(f"submission_{next(_module_numbers)}_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        pytest.fail(f"{path.name}, line {error.lineno}: {error.msg}", pytrace=False)
    except UnicodeDecodeError:
        pytest.fail(f"{path.name} is not UTF-8 text", pytrace=False)
    yield module
    del sys.modules[module.__name__]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Mark what a stub raised as not written yet: a failure, shown in a word."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if report.failed and isinstance(error, NotImplementedError):
        stub = STUB_MESSAGE.fullmatch(str(error))
        if stub:
            report.longrepr = f"Exercise {stub[1]} is {NOT_WRITTEN}."
            report.not_written = True
    if report.failed and error is not None:
        report.message = _message(error)
    return report


def _message(error: BaseException) -> str:
    """What the learner reads: a grader's own words, else the kind of error and its text."""
    text = str(error).strip()
    if isinstance(error, AssertionError | pytest.fail.Exception):
        # pytest appends how the compared values differ, after the grader's message.
        words = text.split("\nassert ")[0].strip()
        return words.splitlines()[0] if words.startswith("assert ") else words or "a check failed"
    return f"{type(error).__name__}: {text}".strip().removesuffix(":")


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport):
    if getattr(report, "not_written", False):
        return NOT_WRITTEN, "n", NOT_WRITTEN.upper()
    return None


def _rows(reporter) -> list[dict]:
    """One row a test: exercise, points, title, status and message."""
    rows = []
    for status in ("passed", "failed", "error", NOT_WRITTEN):
        for report in reporter.stats.get(status, []):
            properties = dict(getattr(report, "user_properties", []))
            if "exercise" in properties:
                name = report.nodeid.partition("::")[2].removeprefix("test_")
                rows.append(
                    {
                        "order": properties["order"],
                        "exercise": properties["exercise"],
                        "points": properties["points"],
                        "test": name.replace("_", " "),
                        "status": "failed" if status == "error" else status,
                        "message": "" if status == "passed" else getattr(report, "message", ""),
                    }
                )
    return sorted(rows, key=lambda row: row["order"])


def _number(row: dict) -> tuple[int, ...]:
    return tuple(int(part) for part in row["exercise"].split("."))


def _summary(rows: list[dict]) -> dict[str, tuple[str, int]]:
    """Status and points of each exercise: solved when all of its tests pass."""
    exercises: dict[str, tuple[str, int]] = {}
    for row in sorted(rows, key=_number):
        number = row["exercise"]
        statuses = {other["status"] for other in rows if other["exercise"] == number}
        if statuses == {"passed"}:
            status = "solved"
        else:
            status = NOT_WRITTEN if NOT_WRITTEN in statuses else "failed"
        points = max(other["points"] for other in rows if other["exercise"] == number)
        exercises[number] = (status, points)
    return exercises


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    rows = _rows(terminalreporter)
    if not rows:
        return
    if config.getoption("--results"):
        Path(config.getoption("--results")).write_text(json.dumps(rows), encoding="utf-8")
    exercises = _summary(rows)
    terminalreporter.section("exercises")
    for number, (status, points) in exercises.items():
        earned = points if status == "solved" else 0
        terminalreporter.line(f"{number:>6}  {status:<16} {earned} of {points} points")
    earned = sum(points for status, points in exercises.values() if status == "solved")
    total = sum(points for _, points in exercises.values())
    counts = [
        f"{sum(found == status for found, _ in exercises.values())} {status}"
        for status in ("solved", "failed", NOT_WRITTEN)
    ]
    terminalreporter.line(f"{', '.join(counts)}; {earned} of {total} points")

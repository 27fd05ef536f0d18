"""The pytest plugin that grades: which file is graded, what counts as not written yet, the rows.

- `pytest exercises` grades your files in that folder;
- `pytest exercises --submission solutions` grades another folder with the same file names;
- `pytest exercises --exercise 1.2` grades one exercise;
- `--seed 7` draws other cases, `--results FILE` writes a row a test as JSON, `--junit-xml FILE` is
  pytest's own report, with each test's exercise and points as properties;
- `--isolated` runs each submission in a confined process of its own (Linux; see `remote.py`).

`exercises/conftest.py` loads this plugin. A test in a `test_chNN_topic.py` belongs to it when it
uses the fixture `submission`; its mark `exercise` says which exercise it grades:

    @pytest.mark.exercise("2.5", points=2, minutes=15, difficulty=2, section="Heads",
                          allows=("phi1_lib.attention",), forbids=("einsum",))

`allows` are modules that its functions may import besides those of the chapter's own file,
`forbids` names they must do without (`policy.py`).
"""

import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phi1_lib.course.grading import policy
from phi1_lib.course.grading.proxies import RemoteSubmission
from phi1_lib.course.grading.remote import (
    ConfinementError,
    RanOutOfTimeError,
    Session,
)
from phi1_lib.course.grading.results import (
    NOT_WRITTEN,
    is_graders,
    message_of,
    rows_of,
    summary_lines,
)
from phi1_lib.course.grading.source import SubmissionError, load_module, read_source

STUB_MESSAGE = re.compile(r"Exercise (\d+\.\d+)")
RULES = pytest.StashKey[dict[tuple[Path, str], policy.Rule]]()
# Exercises of which no more is run: (grader, number), or (grader, None) for the whole file.
TIMED_OUT = pytest.StashKey[set[tuple[Path, str | None]]]()
BEGUN = pytest.StashKey[float]()
GRADER = re.compile(r"test_ch\d\d_\w+\.py")
MARK = (
    "exercise(number, points, minutes, difficulty, section, allows, forbids): the exercise that a "
    "test belongs to"
)


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
    group.addoption("--seed", metavar="N", type=int, default=0, help="draw other cases (default 0)")
    group.addoption(
        "--isolated",
        action="store_true",
        default=False,
        help="run each submission in a confined process (for strangers' code; Linux, macOS)",
    )
    group.addoption(
        "--test-seconds",
        metavar="S",
        type=float,
        default=10.0,
        help="time limit of an isolated test (default 10)",
    )
    group.addoption(
        "--all-seconds",
        metavar="S",
        type=float,
        default=float("inf"),
        help="time for all isolated tests together; those that come later fail (default: no end)",
    )
    group.addoption(
        "--test-memory",
        metavar="MIB",
        type=int,
        default=1024,
        help="memory limit of an isolated test, on top of torch's own (default 1024)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)
    config.stash[TIMED_OUT] = set()
    config.stash[BEGUN] = time.monotonic()
    given = _option(config, "--submission")
    if given is None:
        return
    folder = Path(given).resolve()
    if not folder.is_dir():
        raise pytest.UsageError(f"there is no submission folder {folder}")
    if not any(folder.iterdir()):
        raise pytest.UsageError(f"the submission folder {folder} is empty")


def _option(config: pytest.Config, name: str, default: object = None):
    """An option's value; the default too where the plugin came after the command line was read."""
    return config.getoption(name, default)


# --- Which tests, and whose file ---------------------------------------------------------------


def submission_path(grader: Path, config: pytest.Config) -> Path:
    """The learner's file that a grader `test_chNN_topic.py` grades."""
    given = _option(config, "--submission")
    folder = Path(given).resolve() if given else grader.parent
    return folder / grader.name.removeprefix("test_")


def is_graded(item: pytest.Item) -> bool:
    """Whether a test grades a submission: it is in a `test_chNN_topic.py` and asks for one."""
    asks = "submission" in getattr(item, "fixturenames", ())
    return asks and GRADER.fullmatch(item.path.name) is not None


def exercise_of(item: pytest.Item) -> str:
    """The number of the exercise that a test grades."""
    mark = item.get_closest_marker("exercise")
    if mark is None or not mark.args:
        raise pytest.UsageError(f'{item.nodeid} has no @pytest.mark.exercise("N.n")')
    return mark.args[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    graded = [item for item in items if is_graded(item)]
    _check_submission(graded, config)
    config.stash[RULES] = {
        (grader, number): _rule(grader, number, [i for i in graded if i.path == grader])
        for grader, number in {(item.path, exercise_of(item)) for item in graded}
    }
    points = _points(graded)
    for order, item in enumerate(graded):
        number = exercise_of(item)
        item.user_properties.append(("order", order))
        item.user_properties.append(("exercise", number))
        item.user_properties.append(("points", points[number]))
    number = _option(config, "--exercise")
    if number is None:
        return
    chosen = [item for item in graded if exercise_of(item) == number]
    if not chosen:
        raise pytest.UsageError(f"there is no exercise {number}")
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _check_submission(graded: list[pytest.Item], config: pytest.Config) -> None:
    paths = {submission_path(item.path, config) for item in graded}
    if paths and not any(path.exists() or path.is_symlink() for path in paths):
        wanted = ", ".join(sorted(path.name for path in paths))
        raise pytest.UsageError(f"the submission folder {min(paths).parent} has none of: {wanted}")


def _points(graded: list[pytest.Item]) -> dict[str, float]:
    """Points of each exercise: what the first mark that names some says."""
    points: dict[str, float] = {}
    for item in graded:
        number = exercise_of(item)
        given = item.get_closest_marker("exercise").kwargs.get("points")
        if given is not None:
            points.setdefault(number, given)
    return {exercise_of(item): points.get(exercise_of(item), 1) for item in graded}


def _rule(grader: Path, number: str, items: list[pytest.Item]) -> policy.Rule:
    """What the tests of an exercise grade, and what their marks allow and forbid."""
    mine = [item for item in items if exercise_of(item) == number]
    used = policy.graded_functions(grader.read_text(encoding="utf-8"))
    kwargs = [item.get_closest_marker("exercise").kwargs for item in mine]
    return policy.Rule(
        number,
        frozenset().union(*(used.get(item.originalname, ()) for item in mine)),
        frozenset(name for given in kwargs for name in given.get("allows", ())),
        frozenset(name for given in kwargs for name in given.get("forbids", ())),
    )


# --- The submission ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """What `--seed` says; a grader draws its cases from it."""
    return _option(request.config, "--seed", 0)


@pytest.fixture
def randn(seed: int) -> Callable[..., object]:
    """Draws normal numbers that `--seed` decides; `stream` tells two draws of one test apart."""
    import torch

    def draw(*shape: int, stream: int = 0) -> torch.Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(1000 * seed + stream))

    return draw


def _scope(fixture_name: str, config: pytest.Config) -> str:
    """A confined process lives for one test, so that no test can leave something for the next."""
    return "function" if _option(config, "--isolated") else "module"


@pytest.fixture(scope=_scope)
def submission(request: pytest.FixtureRequest) -> Iterator[object]:
    """The learner's module that belongs to the grader, read afresh from its text."""
    path = submission_path(request.path, request.config)
    if _option(request.config, "--isolated"):
        session = _open_session(request.node, path)
        yield RemoteSubmission(session)
        session.close()
    else:
        text = read_source(path)
        module = load_module(
            path, text, policy.foreign_lines(text, policy.course_imports(request.path))
        )
        yield module
        sys.modules.pop(module.__name__, None)


def _open_session(item: pytest.Item, path: Path) -> Session:
    config, number = item.config, exercise_of(item)
    used = time.monotonic() - config.stash[BEGUN]
    left = _option(config, "--all-seconds", float("inf")) - used
    if left <= 0:
        raise SubmissionError("not run: the file's tests before this one took all of its time")
    if (item.path, None) in config.stash[TIMED_OUT]:
        raise SubmissionError("not run: the file itself ran out of time, outside of any function")
    if (item.path, number) in config.stash[TIMED_OUT]:
        raise SubmissionError("not run: an earlier check of this exercise ran out of time")
    text = read_source(path)
    try:
        session = Session(
            path.name,
            text,
            seed=_option(config, "--seed", 0),
            missing=policy.foreign_lines(text, policy.course_imports(item.path)),
            seconds=min(_option(config, "--test-seconds", 10.0), round(left + 0.05, 1)),
            memory_mb=_option(config, "--test-memory", 1024),
        )
    except ConfinementError as error:
        pytest.exit(str(error), returncode=int(pytest.ExitCode.USAGE_ERROR))
    except RanOutOfTimeError:
        config.stash[TIMED_OUT].add((item.path, None))
        raise
    item.user_properties.append(("sandbox", session.child.level))
    return session


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose exercise uses what it must not, before anything of it runs."""
    if not is_graded(item):
        return
    try:
        text = read_source(submission_path(item.path, item.config))
    except SubmissionError:
        return  # the fixture says it
    rule = item.config.stash[RULES][item.path, exercise_of(item)]
    message = policy.violation(text, rule, policy.course_imports(item.path))
    if message:
        raise SubmissionError(message)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item):
    """Start random draws from the seed; let no grader overlook that an isolated process is lost."""
    if not is_graded(item):
        return (yield)
    given = _option(item.config, "--seed", 0)
    random.seed(given)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(given)
    try:
        return (yield)
    finally:
        session = getattr(item.funcargs.get("submission"), "_session", None)
        if isinstance(session, Session) and session.lost is not None:
            if isinstance(session.lost, RanOutOfTimeError):
                item.config.stash[TIMED_OUT].add((item.path, exercise_of(item)))
            raise session.lost


# --- What is reported --------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Mark what a stub raised as not written yet, and say in a line what went wrong."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if not is_graded(item) or not report.failed or error is None:
        return report
    stub = STUB_MESSAGE.fullmatch(str(error)) if isinstance(error, NotImplementedError) else None
    if stub:
        report.longrepr = f"Exercise {stub[1]} is {NOT_WRITTEN}."
        report.not_written = True
    path = submission_path(item.path, item.config)
    report.message = message_of(error, item.path, path)
    if not stub and not is_graders(error, item.path, path):
        report.longrepr = report.message  # no traceback through files that are not the learner's
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport):
    if getattr(report, "not_written", False):
        return NOT_WRITTEN, "n", NOT_WRITTEN.upper()
    return None


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    rows = rows_of(terminalreporter)
    if not rows:
        return
    if _option(config, "--results"):
        Path(config.getoption("--results")).write_text(json.dumps(rows), encoding="utf-8")
    terminalreporter.section("exercises")
    for line in summary_lines(rows):
        terminalreporter.line(line)

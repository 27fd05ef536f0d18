"""Options of the test run: GPT-2's vocabulary, and strictness about skips and numbers.

At the end stands the table of the graders, graded, if `tests/exercises` were run.

`--strict-run` is what continuous integration adds: a skip that `allowed_skips.txt` does not list
fails the run, and so do fewer passed tests than `floor.txt` says. (pytest's own `--strict` is about
its settings.)
"""

import signal
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Slow files start first, so that no worker is left with a long one at the end.
FIRST = ("test_chapters.py", "test_classroom.py", "test_pipeline.py", "test_grade.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gpt2-vocab",
        metavar="FOLDER",
        default=None,
        help="folder with GPT-2's vocab.json and merges.txt, which the project does not ship",
    )
    parser.addoption(
        "--phi1-weights",
        metavar="FOLDER",
        default=None,
        help="folder with the released phi-1, which the project does not ship",
    )
    parser.addoption(
        "--strict-run",
        action="store_true",
        help="fail on a skip that tests/allowed_skips.txt does not list, and on fewer passed "
        "tests than tests/floor.txt",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A run in the background of a shell ignores Ctrl-C, and so would all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(GradersTable(), "graders-table")
    if config.getoption("--strict-run") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StrictRun(), "strict-run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)  # stable: the rest keeps its order


def read_allowed_skips(path: Path) -> list[tuple[str, str]]:
    """Return (pattern of test ids, reason) of each line `pattern  # reason`."""
    allowed = []
    for line in path.read_text(encoding="utf-8").splitlines():
        pattern, _, reason = (part.strip() for part in line.partition("#"))
        if pattern and not reason:
            raise pytest.UsageError(f"{path.name}: {pattern} has no reason; write one after #")
        if pattern:
            allowed.append((pattern, reason))
    return allowed


def read_floor(path: Path) -> int:
    """Return the number of tests that must pass at least."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.strip() and not line.startswith("#")))


class GradersTable:
    """Prints the table that a test of `tests/exercises` hands over as a property of its report.

    With pytest-xdist reports come to the controlling process, their properties with them.
    """

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += dict(report.user_properties).get("graders", [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.rows:
            terminalreporter.section("the graders, graded")
            terminalreporter.line("exercise  stub fails  solution passes  wrong answers caught")
            for number, *words in self.rows:
                columns = zip(words, (10, 15, 20), strict=True)
                line = "  ".join(f"{word:<{width}}" for word, width in columns)
                terminalreporter.line(f"{number:<8}  {line}".rstrip())


class StrictRun:
    """Collects what passed and what was skipped, and judges it at the end.

    With pytest-xdist it works in the controlling process, which gets the reports of all workers.
    """

    def __init__(self) -> None:
        self.allowed = read_allowed_skips(HERE / "allowed_skips.txt")
        self.floor = read_floor(HERE / "floor.txt")
        self.passed = 0
        self.skips: dict[str, str] = {}
        self.complaints: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed and report.when == "call":
            self.passed += 1
        elif report.skipped:
            self.skips[report.nodeid] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skips[report.nodeid] = _reason(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        for test, reason in sorted(self.skips.items()):
            if not any(fnmatchcase(test, pattern) for pattern, _ in self.allowed):
                where = "skipped, not on tests/allowed_skips.txt"
                self.complaints.append(f"{where}: {test} ({reason})")
        if self.passed < self.floor:
            self.complaints.append(f"{self.passed} tests passed; tests/floor.txt asks {self.floor}")
        if self.complaints and session.exitstatus in (pytest.ExitCode.OK, 5):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.complaints:
            terminalreporter.section("strict", red=True)
            for complaint in self.complaints:
                terminalreporter.line(complaint)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)

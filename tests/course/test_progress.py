"""The progress file: what is counted, and that nothing in it is ever lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from rich.console import Console

from phi1_lib.course.progress import (
    Entry,
    Progress,
    as_html,
    as_text,
    default_path,
    progress_table,
    summary,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def said():
    return []


@pytest.fixture
def progress(tmp_path, said):
    return Progress(tmp_path / "data" / "progress.json", said.append)


def test_attempts_count_until_solved_and_solved_stays(progress, said):
    for solved in (False, False, True, False, True):
        progress.checked("1.1", solved)
    entry = Progress(progress.path).entry("1.1")
    assert (entry.attempts, entry.hints, entry.solution_seen) == (3, 0, False)
    assert entry.solved_on is not None and len(entry.solved_on) == len("2026-01-31")
    assert said == []


def test_hints_and_solutions(progress):
    progress.hint_shown("1.1", 2)
    progress.hint_shown("1.1", 1)  # shown again
    progress.solution_shown("1.2")
    assert progress.entry("1.1") == Entry(hints=2)
    assert progress.entry("1.2") == Entry(solution_seen=True)
    assert progress.entry("9.9") == Entry()


def test_the_file_says_its_schema(progress):
    progress.checked("1.1", True)
    content = json.loads(progress.path.read_text())
    assert content["schema"] == 1
    assert list(content["exercises"]) == ["1.1"]


def test_it_lies_in_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = Path(platformdirs.user_data_dir("phi1", appauthor=False))
    assert default_path() == folder / "progress.json"
    assert ROOT not in default_path().parents


GOOD = {"attempts": 1, "hints": 0, "solution_seen": False, "solved_on": None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"schema": 1, "exer',
        b"\xff\xfe",
        b"[]",
        b'{"schema": 1}',
        b'{"schema": 1, "exercises": ["1.1"]}',
        b'{"schema": 1, "exercises": {"1.1": 3}}',
        json.dumps({"schema": 1, "exercises": {"1.1": GOOD | {"attempts": "many"}}}).encode(),
        json.dumps({"schema": 1, "exercises": {"1.1": GOOD | {"new": 1}}}).encode(),
        json.dumps({"schema": "one", "exercises": {}}).encode(),
    ],
)
def test_a_damaged_file_is_set_aside_and_said(progress, said, content):
    progress.path.parent.mkdir()
    for number, act in enumerate((progress.entries, lambda: progress.checked("1.1", True)), 1):
        progress.path.write_bytes(content)
        act()
        aside = progress.path.with_name(f"progress.broken-{number}.json")
        assert aside.read_bytes() == content
        assert any(aside.name in message for message in said)
    assert progress.entry("1.1").solved_on


def test_a_newer_files_content_is_left_alone(progress, said):
    progress.path.parent.mkdir()
    content = '{"schema": 2, "exercises": {}, "more": 1}'
    progress.path.write_text(content)
    progress.checked("1.1", True)
    assert progress.entries() == {}
    assert progress.path.read_text() == content
    assert len(said) == 1 and "newer edition" in said[0]


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path, said):
    (tmp_path / "file").write_text("")
    progress = Progress(tmp_path / "file" / "progress.json", said.append)
    progress.checked("1.1", True)
    progress.hint_shown("1.1", 1)
    assert len(said) == 1 and "Your progress is not recorded" in said[0]


def test_a_file_that_cannot_be_replaced_is_said_and_stays(progress, said, monkeypatch):
    progress.checked("1.1", True)
    before = progress.path.read_bytes()

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    progress.checked("1.2", True)
    assert progress.path.read_bytes() == before
    assert said == [
        f"Your progress is not recorded: {progress.path}: Read-only file system. "
        "Checks work as before."
    ]
    assert not list(progress.path.parent.glob("*.tmp"))


WRITER = """
import sys
from pathlib import Path
from phi1_lib.course.progress import Progress
for k in range(40):
    Progress(Path(sys.argv[1])).checked(sys.argv[2] if k % 2 else "1.9", False)
"""


def test_notebooks_at_once_lose_nothing(progress):
    commands = [[sys.executable, "-c", WRITER, str(progress.path), f"1.{k}"] for k in (1, 2, 3)]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    attempts = {number: entry.attempts for number, entry in progress.entries().items()}
    assert attempts == {"1.1": 20, "1.2": 20, "1.3": 20, "1.9": 60}


def test_the_table(small_course, progress):
    progress.checked("1.1", True)
    progress.checked("1.2", False)
    progress.hint_shown("1.2", 2)
    progress.solution_shown("1.2")
    lines = summary(small_course, progress.entries())
    assert as_text(lines).splitlines() == [
        "chapter               solved    tried  hints  solutions seen",
        "01 small  #####.....   1 of 2       1      2               1",
        "all       #####.....   1 of 2       1      2               1",
    ]
    page = as_html(lines)
    assert page.count("<tr") == 3 and "width:50%" in page and "<script" not in page
    console = Console(width=80, record=True, file=open(os.devnull, "w"))
    console.print(progress_table(small_course, progress.path))
    assert "1 of 2" in console.export_text()

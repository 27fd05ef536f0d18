"""The classroom's commands as typed: what their help shows, what they say when they are done."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phi1_lib.cli import app

ROOT = Path(__file__).parents[2]


def said(*arguments: str) -> str:
    """What a command prints, as words in a row."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["grade", "progress", "update", "reset"])
def test_help_says_where_the_course_is_looked_for(command):
    assert "(default: the one you are in)" in said(command, "--help")


def test_help_of_update_says_where_it_looks():
    assert "(default: where the clone came from)" in said("update", "--help")


def test_reset_says_what_is_a_stub_now(tmp_path):
    for folder in ("solutions", "exercises"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".kept"))
    shutil.copy(ROOT / "solutions" / "ch02_attention.py", tmp_path / "exercises")
    course = ("--course", str(tmp_path))
    one = said("reset", "2.3", *course)
    assert one.startswith("Exercise 2.3 is a stub again; your version is kept in ")
    whole = said("reset", "2.3", "--file", *course)
    assert whole.startswith("Every exercise of exercises/ch02_attention.py is a stub again; ")
    assert said("reset", "2.3", *course) == "Exercise 2.3 is a stub now"

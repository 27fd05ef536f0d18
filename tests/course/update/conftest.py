"""The repositories of `small_course.py`, fresh for each test, and git as on no one's machine."""

import os
import shutil
from pathlib import Path

import pytest

from tests.course.update.small_course import (
    EDITION_1,
    EDITION_2,
    EDITION_3,
    Pair,
    commit,
    git,
    write,
)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """`origin` with the editions as tags, published up to the second, and `clone` of the first."""
    folder = tmp_path_factory.mktemp("course")
    identity = {f"GIT_{r}_{k}": "Ada" for r in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**identity, "GIT_CONFIG_GLOBAL": os.devnull}.items():
            patch.setenv(name, value)
        origin = folder / "origin"
        origin.mkdir()
        git(origin, "init", "--quiet", "--template=", "--initial-branch=main")
        git(origin, "config", "receive.denyCurrentBranch", "ignore")
        for number, files in enumerate((EDITION_1, EDITION_2, EDITION_3), start=1):
            write(origin, files)
            commit(origin, f"edition {number}")
            git(origin, "tag", f"edition-{number}")
        git(origin, "reset", "--quiet", "--hard", "edition-1")
        git(folder, "clone", "--quiet", "--template=", "../" + folder.name + "/origin", "clone")
        git(folder / "clone", "config", "remote.origin.url", "../origin")
        git(origin, "update-ref", "refs/heads/main", "edition-2")
    return folder


@pytest.fixture
def pair(template, tmp_path) -> Pair:
    shutil.copytree(template, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Pair(tmp_path / "origin", tmp_path / "clone")

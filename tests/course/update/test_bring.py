"""A learner solves, runs and edits, then updates: theirs stays, the rest is the new edition's.

The oracle is git itself (`git status`, the commits and their files) and the texts of the editions
in `small_course.py`.
"""

import os
import shutil
from pathlib import Path

import pytest

from phi1_lib.course.update import Kept, report, update_course
from phi1_lib.course.update.clone import Clone
from tests.course.update.small_course import (
    EDITION_1,
    EDITION_2,
    EDITION_3,
    SOLVED,
    assert_nothing_lost,
    contents,
    notebook,
    write,
)

STUB_FILE, CHAPTER_1, CHAPTER_2 = (
    "exercises/ch02_attention.py",
    "chapters/01_tokenizer.ipynb",
    "chapters/02_attention.ipynb",
)
NEW_STUB, NEW_CHAPTER_2 = "exercises/ch02_attention.new.py", "chapters/02_attention.new.ipynb"
RUN = notebook("x = 1", "print(x)", "", outputs="1\n")  # JupyterLab adds an empty cell at the end
EDITED = notebook("q = 1", "print(q)  # my own cell", outputs="1\n")
WORK = {STUB_FILE: SOLVED, CHAPTER_1: RUN, CHAPTER_2: EDITED, "mine.txt": "my notes\n"}
IGNORED = {"runs/nano/weights": "mine too\n"}


def edition_files(*editions: dict) -> dict[str, str]:
    together = {path: text for edition in editions for path, text in edition.items()}
    return {path: text for path, text in together.items() if text is not None}


def work(pair, files=WORK) -> set[bytes]:
    """Do a learner's work in the clone; return the contents of all its files."""
    write(pair.clone, {**files, **IGNORED})
    return contents(pair.clone)


def assert_updated(pair, before: set[bytes], edition: dict[str, str], mine: dict[str, str]) -> None:
    """The clone holds `mine`, and everything else is the edition's, as git sees it too."""
    for path, text in {**edition, **mine}.items():
        assert pair.read(path) == text, path
    changed = [f" M {path}" if path in edition else f"?? {path}" for path in mine]
    assert pair.status() == sorted(changed)
    assert pair.git("for-each-ref", "refs/phi1") == ""
    assert not (pair.clone / ".kept/incoming").exists()
    assert_nothing_lost(before, pair.clone)


def test_solve_run_update(pair):
    before = work(pair)
    update = update_course(pair.clone)
    mine = {path: text for path, text in WORK.items() if path != CHAPTER_1}
    assert_updated(pair, before, edition_files(EDITION_1, EDITION_2), mine)
    assert not (pair.clone / "phi1_lib/old").exists()
    assert pair.git("rev-parse", "HEAD") == pair.git("rev-parse", "edition-2")
    assert pair.git("symbolic-ref", "--short", "HEAD") == "main"
    assert pair.read(NEW_STUB) == EDITION_2[STUB_FILE]
    assert pair.read(NEW_CHAPTER_2) == EDITION_2[CHAPTER_2]
    note = "exercise 2.4 changed; the others are as they were"
    assert update.kept == (Kept(CHAPTER_2, NEW_CHAPTER_2), Kept(STUB_FILE, NEW_STUB, note))
    [run] = update.set_aside
    assert run.startswith(".kept/update-") and pair.read(run) == RUN
    assert update.added == ("chapters/03_flash.ipynb", "exercises/ch03_flash.py")
    assert update.gone == ("phi1_lib/old/gone.py",)
    assert "constraints.txt" in update.changed and CHAPTER_1 in update.changed
    assert update.untouched == () and not update.own_commits and not update.resumed
    said = report(update)
    assert "edition-2" in said and "edition-1" in said and note in said and run in said
    assert "make lab (installs what the new edition needs: constraints.txt changed)" in said


def test_the_next_updates_work(pair):
    before = work(pair)
    update_course(pair.clone)
    again = update_course(pair.clone)
    assert again.before == again.after and "already the newest edition" in report(again)

    write(pair.clone, {NEW_CHAPTER_2: "the learner writes into this one"})
    before |= contents(pair.clone) - {EDITION_2[STUB_FILE].encode()}
    pair.publish("edition-3")
    update = update_course(pair.clone)
    numbered = "chapters/02_attention.2.new.ipynb"
    assert [kept.beside for kept in update.kept] == [numbered, NEW_STUB]
    # The learner's file still has the first edition's 2.4, though the third changes it no more.
    around = "exercise 2.4 changed; the others are as they were, what stands around them is not"
    assert update.kept[1].note == around
    assert pair.read(NEW_CHAPTER_2) == "the learner writes into this one"
    assert pair.read(numbered) == EDITION_3[CHAPTER_2]
    assert pair.read(NEW_STUB) == EDITION_3[STUB_FILE]
    mine = {path: text for path, text in WORK.items() if path != CHAPTER_1}
    assert_updated(pair, before, edition_files(EDITION_1, EDITION_2, EDITION_3), mine)


def test_two_editions_at_once_and_a_learner_who_took_the_new_one_over(pair):
    write(pair.clone, {STUB_FILE: EDITION_3[STUB_FILE], "phi1_lib/same.py": "mine\n"})
    pair.publish("edition-3")
    update = update_course(pair.clone)
    assert update.kept == () and update.untouched == ("phi1_lib/same.py",)
    assert pair.status() == [" M phi1_lib/same.py"]
    assert "1 file that you changed and the new edition does not" in report(update)


def test_own_commits_are_merged_and_the_branch_stays(pair):
    pair.git("switch", "--quiet", "--create", "my-answers")
    write(pair.clone, {**WORK, "phi1_lib/same.py": None})
    pair.git("add", "--all")
    pair.git("commit", "--quiet", "--message", "solved")
    mine = pair.git("rev-parse", "HEAD")
    write(pair.clone, {"Makefile": "my change, not committed\n"})
    before = contents(pair.clone)
    update = update_course(pair.clone)
    assert update.own_commits and "merges the new edition" in report(update)
    assert pair.git("symbolic-ref", "--short", "HEAD") == "my-answers"
    parents = pair.git("rev-list", "--parents", "--max-count=1", "HEAD").split()[1:]
    assert parents == [mine, pair.git("rev-parse", "edition-2")]
    edition = edition_files(EDITION_1, EDITION_2, {"phi1_lib/same.py": None})
    kept = {path: text for path, text in WORK.items() if path != CHAPTER_1}
    assert pair.status() == [" M Makefile"]
    for path, text in {**edition, **kept, "Makefile": "my change, not committed\n"}.items():
        assert pair.read(path) == text, path
    assert pair.git("show", "HEAD:Makefile") == EDITION_2["Makefile"].rstrip("\n")
    assert pair.git("ls-tree", "-r", "--name-only", "HEAD", "phi1_lib") == "phi1_lib/model.py"
    assert_nothing_lost(before, pair.clone)

    pair.publish("edition-3")
    update = update_course(pair.clone)
    assert [kept.path for kept in update.kept] == [CHAPTER_2, STUB_FILE]
    assert pair.read("phi1_lib/model.py") == "width = 3\n"
    assert pair.status() == [" M Makefile"]
    assert_nothing_lost(before, pair.clone)


def test_commits_without_a_name_are_refused_before_anything_changes(pair, monkeypatch):
    write(pair.clone, {"mine.txt": "mine\n"})
    pair.git("add", "--all")
    pair.git("commit", "--quiet", "--message", "mine")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    pair.git("config", "user.useConfigOnly", "true")
    with pytest.raises(ValueError, match="git config user.name NAME"):
        update_course(pair.clone)
    assert pair.read("Makefile") == EDITION_1["Makefile"]
    pair.git("config", "user.name", "Ada")
    pair.git("config", "user.email", "ada@example.org")
    assert update_course(pair.clone).own_commits


def test_detached_head_stays_detached(pair):
    pair.git("switch", "--quiet", "--detach")
    update = update_course(pair.clone)
    assert update.kept == () and update.set_aside == ()
    assert pair.git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert pair.git("rev-parse", "HEAD") == pair.git("rev-parse", "edition-2")
    assert pair.git("rev-parse", "main") == pair.git("rev-parse", "edition-1")
    assert pair.status() == []


def test_staged_changes_stay_as_changes_and_no_staged_version_is_lost(pair):
    write(pair.clone, {STUB_FILE: "staged, then edited\n", "mine.txt": "staged, then deleted\n"})
    pair.git("add", "--all")
    before = contents(pair.clone)
    write(pair.clone, {STUB_FILE: SOLVED, "mine.txt": None, "other.txt": "staged\n"})
    pair.git("add", "other.txt")
    update = update_course(pair.clone)
    assert pair.status() == [f" M {STUB_FILE}", "?? other.txt"]
    assert [Path(path).name for path in update.set_aside] == [Path(STUB_FILE).name, "mine.txt"]
    assert_nothing_lost(before | contents(pair.clone), pair.clone)


def test_files_where_the_new_edition_brings_some_are_kept(pair):
    mine = {"exercises/ch03_flash.py": "untracked\n", "chapters/03_flash.ipynb": "no notebook"}
    pair.git("config", "core.excludesFile", ".git/my-ignore")
    (pair.clone / ".git/my-ignore").write_text("03_flash.ipynb\n")
    before = work(pair, mine)
    update = update_course(pair.clone)
    beside = ["chapters/03_flash.new.ipynb", "exercises/ch03_flash.new.py"]
    assert [kept.beside for kept in update.kept] == beside
    for path, new in zip(reversed(mine), beside, strict=True):
        assert pair.read(path) == mine[path]
        assert pair.read(new) == EDITION_2[path]
    assert_nothing_lost(before, pair.clone)


def test_files_that_either_side_removed(pair):
    """Removed by the learner and changed by the edition: beside; the other way round: kept."""
    write(pair.clone, {STUB_FILE: None, "phi1_lib/old/gone.py": "mine\n", "Makefile": None})
    pair.edition({"phi1_lib/same.py": "same = 2\n", "Makefile": None})
    update = update_course(pair.clone)
    assert update.kept == (
        Kept(STUB_FILE, NEW_STUB, "you had removed it"),
        Kept("phi1_lib/old/gone.py", ""),
    )
    assert "not in the new edition any more" in report(update)
    assert pair.read("phi1_lib/old/gone.py") == "mine\n"
    assert pair.read("phi1_lib/same.py") == "same = 2\n"
    assert pair.status() == [f" D {STUB_FILE}", "?? phi1_lib/old/"]


def test_a_folder_becomes_a_file_and_a_file_a_folder(pair):
    pair.edition({"phi1_lib/model.py": None, "phi1_lib/same.py": None})
    pair.edition({"phi1_lib": "now a file\n", "Makefile": None})
    pair.edition({"Makefile/part": "now a folder\n", "data/a file with spaces é.txt": None})
    pair.edition({"data": "a file where you have a folder\n"})
    before = work(pair, {"data/mine.txt": "mine\n"})
    update = update_course(pair.clone)
    assert pair.read("phi1_lib") == "now a file\n"
    assert pair.read("Makefile/part") == "now a folder\n"
    assert update.kept == (Kept("data", "data.new"),)
    assert pair.read("data/mine.txt") == "mine\n"
    assert pair.read("data.new") == "a file where you have a folder\n"
    assert_nothing_lost(before, pair.clone)


def test_a_learners_file_where_the_edition_has_a_folder(pair):
    pair.edition({"extra/part.py": "new\n"})
    outside = pair.clone.parent / "outside"
    outside.mkdir()
    write(pair.clone, {"extra": "mine\n"})
    shutil.move(pair.clone / "chapters", outside / "chapters")
    (pair.clone / "chapters").symlink_to(outside / "chapters")
    there = contents(outside)
    update = update_course(pair.clone)
    assert [kept.beside for kept in update.kept if kept.path == "extra/part.py"] == [
        "extra.new/part.py"
    ]
    assert pair.read("extra") == "mine\n" and pair.read("extra.new/part.py") == "new\n"
    assert contents(outside) == there  # nothing was written through the learner's link
    assert pair.read("chapters.new/02_attention.ipynb") == EDITION_2[CHAPTER_2]


def test_links_modes_and_line_ends(pair):
    maker = pair.origin.with_name("maker")
    pair.edition({"run.sh": "true\n", "lines.txt": "a\nb\n", "linked": "x\n", "mode": "x\n"})
    (maker / "linked").unlink()
    (maker / "linked").symlink_to("lines.txt")
    (maker / "run.sh").chmod(0o755)
    pair.edition({})
    pair.git("config", "core.autocrlf", "true")
    pair.git("config", "core.symlinks", "true")
    update_course(pair.clone)
    assert pair.read("lines.txt") == "a\r\nb\r\n"  # as a checkout would write it
    assert os.readlink(pair.clone / "linked") == "lines.txt"
    assert os.access(pair.clone / "run.sh", os.X_OK)
    assert not os.access(pair.clone / "lines.txt", os.X_OK)

    (maker / "linked").unlink()
    (maker / "linked").symlink_to("run.sh")
    (maker / "mode").chmod(0o755)
    pair.edition({"lines.txt": "a\nc\n", "run.sh": "false\n"})
    (pair.clone / "run.sh").chmod(0o644)  # the learner's change
    update = update_course(pair.clone)
    assert update.kept == (Kept("run.sh", "run.new.sh"),)
    assert os.readlink(pair.clone / "linked") == "run.sh"
    assert os.access(pair.clone / "mode", os.X_OK)
    assert pair.read("lines.txt") == "a\r\nc\r\n"

    pair.edition({"run.sh": "true\n"})
    pair.git("checkout", "--quiet", "run.sh")
    pair.git("config", "core.fileMode", "false")
    (pair.clone / "run.sh").chmod(0o644)  # a disk that keeps no modes
    assert update_course(pair.clone).kept == ()
    assert pair.read("run.sh") == "true\r\n"


class Killed(BaseException):
    """Not an Exception: nothing may catch it and clean up, as when the process is killed."""


def update_until(pair, step: int) -> list[str]:
    """Update, killed before the step-th thing that changes files or git; return the steps done."""
    steps: list[str] = []

    def counted(name: str, function):
        def call(*arguments, **named):
            if len(steps) == step:
                raise Killed
            steps.append(name)
            return function(*arguments, **named)

        return call

    def run_git(self, *arguments, **named):
        changes = arguments[0] in CHANGING
        return (counted(arguments[0], real_git) if changes else real_git)(self, *arguments, **named)

    real_git = Clone.git
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clone, "git", run_git)
        patch.setattr(os, "replace", counted("replace", os.replace))
        patch.setattr(Path, "unlink", counted("unlink", Path.unlink))
        patch.setattr(shutil, "rmtree", counted("rmtree", shutil.rmtree))
        try:
            update_course(pair.clone)
        except Killed:
            assert len(steps) == step
    return steps


CHANGING = ("fetch", "update-ref", "reset", "commit-tree", "checkout-index", "update-index")


@pytest.mark.parametrize("own_commits", [False, True])
def test_killed_before_any_step_a_second_run_finishes_the_job(pair, own_commits):
    before = work(pair)
    if own_commits:
        pair.git("add", "mine.txt")
        pair.git("commit", "--quiet", "--message", "mine")
    fresh = shutil.copytree(pair.clone, pair.clone.with_name("fresh"), symlinks=True)
    steps = update_until(pair, 1000)
    assert {"replace", "unlink", "rmtree", "reset", "update-ref", "checkout-index"} <= {*steps}
    # Up to the merge commit the steps are those without own commits.
    first = steps.index("update-index") if own_commits else 0
    for step in range(first, len(steps)):
        shutil.rmtree(pair.clone)
        shutil.copytree(fresh, pair.clone, symlinks=True)
        done = update_until(pair, step)
        assert done == steps[:step]
        assert_nothing_lost(before, pair.clone)
        begun = "update-ref" in done or "checkout-index" in done
        if begun and "reset" not in done:
            pair.publish("edition-3")  # meanwhile; the edition that was begun comes first
        update = update_course(pair.clone)
        pair.publish("edition-2")
        assert update.after.startswith("edition-2"), done
        assert update.resumed == (begun and "reset" not in done), done
        own = {path: text for path, text in WORK.items() if path != CHAPTER_1}
        changed = [f" M {CHAPTER_2}", f" M {STUB_FILE}"]
        assert pair.status() == changed + ([] if own_commits else ["?? mine.txt"]), done
        for path, text in {**edition_files(EDITION_1, EDITION_2), **own}.items():
            assert pair.read(path) == text, (done, path)
        assert pair.read(NEW_STUB) == EDITION_2[STUB_FILE], done
        [kept] = (path for path in pair.clone.glob(".kept/*/*/*"))
        assert kept.read_text() == RUN, done
        assert pair.git("for-each-ref", "refs/phi1") == "", done
        assert_nothing_lost(before, pair.clone)

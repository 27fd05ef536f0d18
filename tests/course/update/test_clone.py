"""States of a clone in which an update must not begin: each is named, with what to do."""

import shutil

import pytest

from phi1_lib.course.update import update_course
from tests.course.update.small_course import EDITION_1, SOLVED, commit, contents, git, write


def assert_refused(pair, *words: str, source: str | None = None, root=None) -> None:
    """The update raises an error with these words, and no file changes."""
    before = contents(pair.clone)
    with pytest.raises(ValueError) as caught:
        update_course(root or pair.clone, source)
    for word in words:
        assert word in str(caught.value)
    assert contents(pair.clone) == before


def test_no_git(pair, monkeypatch):
    monkeypatch.setenv("PATH", str(pair.clone))
    assert_refused(pair, "the git program is missing", "install it")


def test_a_downloaded_archive(pair):
    shutil.rmtree(pair.clone / ".git")
    assert_refused(pair, "is no git clone of its own (a downloaded archive?)", "Clone the course")


def test_a_folder_of_another_repository(pair):
    shutil.rmtree(pair.clone / ".git")
    git(pair.clone.parent, "init", "--quiet")
    assert_refused(pair, "no git clone of its own", f"inside the repository {pair.clone.parent}")


def test_a_damaged_repository_is_told_in_gits_own_words(pair):
    (pair.clone / ".git/HEAD").unlink()
    assert_refused(pair, "git rev-parse failed", "not a git repository")


def test_no_network_or_no_such_folder(pair):
    pair.git("config", "remote.origin.url", "http://course.invalid/phi1.git")
    pair.git("config", "http.proxy", "http://127.0.0.1:9")
    words = ["could not be fetched from http://course.invalid/phi1.git", "nothing was changed"]
    assert_refused(pair, *words, "phi1 update --from FOLDER", "127.0.0.1")
    assert_refused(pair, "could not be fetched from nowhere", source="nowhere")


def test_nowhere_to_fetch_from(pair):
    pair.git("remote", "remove", "origin")
    assert_refused(pair, "does not know where it came from", "phi1 update --from ADDRESS")


def test_a_branch_that_tracks_a_local_one_asks_origin(pair):
    pair.git("switch", "--quiet", "--create", "mine", "--track", "main")
    assert update_course(pair.clone).added


@pytest.mark.parametrize("kind", ["bundle", "folder", "remote"])
def test_another_source(pair, kind, monkeypatch):
    pair.git("remote", "remove", "origin")
    stick = pair.clone.parent / "a stick"
    git(pair.clone.parent, "clone", "--quiet", "--template=", "origin", str(stick))
    git(stick, "bundle", "create", "--quiet", "course.bundle", "HEAD")
    pair.git("remote", "add", "upstream", str(stick))
    monkeypatch.chdir(pair.clone.parent)  # a folder is meant from where the command runs
    source = {"bundle": "a stick/course.bundle", "folder": "a stick", "remote": "upstream"}[kind]
    assert update_course(pair.clone, source).added


def test_another_project(pair):
    other = pair.clone.parent / "other"
    write(other, EDITION_1)
    git(other, "init", "--quiet")
    commit(other, "another project")
    assert_refused(pair, "no edition in common", source=str(other))


def test_work_of_git_in_progress(pair):
    write(pair.clone, {"Makefile": "mine\n"})
    pair.git("commit", "--quiet", "--all", "--message", "mine")
    pair.git("fetch", "--quiet", "origin")
    with pytest.raises(AssertionError):
        pair.git("merge", "origin/main")
    assert_refused(pair, "a merge is in progress", "finish it or end it")
    pair.git("merge", "--abort")
    with pytest.raises(AssertionError):
        pair.git("rebase", "origin/main")
    assert_refused(pair, "a rebase is in progress")
    pair.git("rebase", "--abort")
    assert update_course(pair.clone).own_commits


def test_unsolved_conflicts(pair):
    write(pair.clone, {"exercises/ch02_attention.py": SOLVED})
    pair.git("stash", "--quiet")
    write(pair.clone, {"exercises/ch02_attention.py": "other\n"})
    pair.git("commit", "--quiet", "--all", "--message", "other")
    with pytest.raises(AssertionError):
        pair.git("stash", "pop")
    assert_refused(pair, "unsolved conflicts", "git status lists them")


def test_another_git_or_another_update_at_work(pair):
    from filelock import FileLock

    with FileLock(pair.clone / ".git/phi1-update.lock"):
        assert_refused(pair, "another phi1 update is at work")
    (pair.clone / ".git/index.lock").touch()
    assert_refused(pair, "another git is at work here", "index.lock")


def test_part_of_the_course(pair):
    pair.git("sparse-checkout", "set", "chapters")
    assert_refused(pair, "git sparse-checkout disable")
    pair.git("sparse-checkout", "disable")
    assert update_course(pair.clone).added


def test_a_shallow_clone(pair):
    shutil.rmtree(pair.clone)
    pair.publish("edition-1")
    address = pair.origin.as_uri()
    git(pair.clone.parent, "clone", "--quiet", "--template=", "--depth=1", address, "clone")
    pair.publish("edition-2")
    assert update_course(pair.clone).added
    assert pair.status() == []


def test_variables_of_a_git_hook_do_not_lead_elsewhere(pair, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(pair.origin / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(pair.origin / "index"))
    assert update_course(pair.clone).added
    assert not (pair.origin / "index").exists()


def test_a_file_that_cannot_be_written(pair, monkeypatch):
    import os

    real = os.replace

    def refuse(source, target):
        if str(target).endswith("Makefile"):
            raise PermissionError(13, "Permission denied", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Makefile: Permission denied.*goes on where it stopped"):
        update_course(pair.clone)
    monkeypatch.undo()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert update_course(pair.clone).resumed
    assert pair.status() == []

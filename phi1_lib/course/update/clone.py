"""The git clone a course lives in, through the `git` program: what an update asks of it.

Nothing here writes to a learner's file. Paths are relative to the course's folder, with slashes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PENDING = "refs/phi1/update"  # the edition an update is bringing; there only while it is at work
IN_PROGRESS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
# Variables that would send git to another repository or index (a hook of git's sets them).
ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
FILE_MODES = ("100644", "100755")
SUBMODULE = "160000"


@dataclass(frozen=True)
class Entry:
    """What stands at a path: git's mode ("100644", "100755", "120000") and the content's id."""

    mode: str
    blob: str


OTHER = Entry("other", "")  # a folder, or something git does not keep, stands at the path
Change = tuple[Entry | None, Entry | None]


class Clone:
    """A clone that an update may work on.

    Args:
        root: the course's folder, which must be the top of the repository.

    Raises:
        ValueError: git is missing, `root` is no clone, or its state does not allow an update.
    """

    def __init__(self, root: Path):
        self.root = root.resolve()
        if not shutil.which("git"):
            raise ValueError("the git program is missing; install it (phi1 doctor says how)")
        if not any((folder / ".git").exists() for folder in (self.root, *self.root.parents)):
            raise ValueError(_no_clone(self.root))
        places = self.line("rev-parse", "--show-toplevel", "--absolute-git-dir")
        top, folder = places.splitlines()
        if not Path(top).samefile(self.root):
            raise ValueError(f"{_no_clone(self.root)} (It lies inside the repository {top}.)")
        self.folder = Path(folder)
        # Keys come in small letters, and the last of several values is the one that counts.
        listed = self.git("config", "--list", "-z").split(b"\0")[:-1]
        self._settings = dict(os.fsdecode(line).partition("\n")[::2] for line in listed)
        self._check_state()
        self.head = self.line("rev-parse", "--verify", "HEAD^{commit}")

    def git(self, *arguments: str, data: bytes = b"", **variables: object) -> bytes:
        """Run git in the clone and return what it prints; `variables` join its environment.

        Raises:
            ValueError: git failed; its own words are in the message.
        """
        environment = {name: text for name, text in os.environ.items() if name not in ELSEWHERE}
        environment |= {"LC_ALL": "C", "GIT_REFLOG_ACTION": "phi1 update"}
        environment |= {name: str(value) for name, value in variables.items()}
        run = subprocess.run(
            ["git", *arguments],
            cwd=environment.get("GIT_WORK_TREE", self.root),
            input=data,
            capture_output=True,
            env=environment,
        )
        if run.returncode:
            said = os.fsdecode(run.stderr).strip() or f"exit code {run.returncode}"
            raise ValueError(f"git {arguments[0]} failed in {self.root}: {said}")
        return run.stdout

    def line(self, *arguments: str) -> str:
        """Run git and return its output without the line's end."""
        return os.fsdecode(self.git(*arguments)).rstrip("\n")

    def _try(self, *arguments: str) -> str:
        """Like `line`, but "" when git says no."""
        try:
            return self.line(*arguments)
        except ValueError:
            return ""

    def _check_state(self) -> None:
        for name, work in IN_PROGRESS.items():
            if (self.folder / name).exists():
                raise ValueError(
                    f"a {work} is in progress in {self.root}; finish it or end it "
                    "(git status says how), then run phi1 update again"
                )
        if self.git("ls-files", "--unmerged"):
            raise ValueError(
                f"files of {self.root} have unsolved conflicts; git status lists them: solve them "
                "and git add them, then run phi1 update again"
            )
        lock = self.folder / "index.lock"
        if lock.exists():
            raise ValueError(f"another git is at work here; if none is running, delete {lock}")
        if self._settings.get("core.sparsecheckout") == "true":
            raise ValueError(
                "this clone holds only part of the course (a sparse checkout); run "
                "git sparse-checkout disable, then phi1 update again"
            )

    def pending(self) -> str:
        """The edition that an interrupted update was still bringing, or ""."""
        pending = self._try("rev-parse", "--verify", "--quiet", PENDING)
        return pending if pending and self.merge_base(pending) != pending else ""

    def fetch(self, source: str | None) -> str:
        """Fetch the newest edition and return its commit.

        Args:
            source: a folder, an address, a remote's name or a bundle; None is where the branch's
                upstream is, else the branch that `origin` shows first.

        Raises:
            ValueError: there is nowhere to fetch from, or fetching failed.
        """
        where, reference = self._upstream() if source is None else (source, "HEAD")
        if Path(where).exists():
            where = str(Path(where).resolve())
        try:
            # No housekeeping by git in the background meanwhile.
            options = ["--quiet", "--no-auto-gc", "--no-recurse-submodules"]
            self.git("fetch", *options, "--", where, reference)
        except ValueError as error:
            address = self._settings.get(f"remote.{where}.url", where)
            raise ValueError(
                f"the new edition could not be fetched from {address}; nothing was "
                "changed. Without a network, try again later, or name a folder that holds it: "
                f"phi1 update --from FOLDER. ({error})"
            ) from None
        return self.line("rev-parse", "--verify", "FETCH_HEAD^{commit}")

    def _upstream(self) -> tuple[str, str]:
        branch = self._try("symbolic-ref", "--quiet", "--short", "HEAD")
        remote = self._settings.get(f"branch.{branch}.remote", ".")
        merge = self._settings.get(f"branch.{branch}.merge", "")
        if remote != "." and merge:
            return remote, merge
        if "remote.origin.url" in self._settings:
            return "origin", "HEAD"
        raise ValueError(
            "this clone does not know where it came from; say where the new edition is: "
            "phi1 update --from ADDRESS"
        )

    def merge_base(self, commit: str) -> str:
        """The last edition that `commit` and the clone's HEAD have in common."""
        base = self._try("merge-base", self.head, commit)
        if not base:
            raise ValueError(
                "the fetched repository has no edition in common with this clone: is it the "
                "course? If the course was published anew, clone it beside this folder and copy "
                "your files of exercises/ and chapters/ there"
            )
        return base

    def name(self, commit: str) -> str:
        """A commit for people: its tag or short id, and its date."""
        described = self.line("describe", "--tags", "--always", commit)
        return f"{described} ({self.line('show', '-s', '--format=%cs', commit)})"

    def changes(self, old: str, new: str) -> dict[str, Change]:
        """The paths whose entries differ between two commits, with both entries."""
        return _changes(self.git("diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", old, new))

    def staged(self) -> dict[str, Entry]:
        """What the index holds where it differs from HEAD."""
        raw = self.git("diff-index", "--cached", "-z", "--no-renames", "--no-abbrev", self.head)
        return {path: new for path, (_, new) in _changes(raw).items() if new}

    def changed_by_learner(self) -> tuple[str, ...]:
        """Tracked paths whose working tree differs from HEAD."""
        raw = self.git("status", "-z", "--porcelain", "--untracked-files=no", "--no-renames")
        return tuple(os.fsdecode(line[3:]) for line in raw.split(b"\0") if line)

    def working(self, paths: Iterable[str]) -> dict[str, Entry | None]:
        """What the working tree holds at `paths`: an entry, None for nothing, or `OTHER`."""
        found: dict[str, Entry | None] = {}
        files: dict[str, str] = {}
        for path in paths:
            place = self.root / path
            if blocker(self.root, path) != path:
                found[path] = OTHER
            elif place.is_symlink():
                link = os.fsencode(os.readlink(place))
                blob = self.git("hash-object", "--no-filters", "--stdin", data=link)
                found[path] = Entry("120000", blob.decode().strip())
            elif place.is_file():
                files[path] = "100755" if place.stat().st_mode & 0o100 else "100644"
            else:
                found[path] = OTHER if place.exists() else None
        names = b"".join(os.fsencode(path) + b"\n" for path in files)
        blobs = (
            self.git("hash-object", "--stdin-paths", data=names).decode().split() if files else []
        )
        for (path, mode), blob in zip(files.items(), blobs, strict=True):
            found[path] = Entry(mode, blob)
        return found

    def same(self, mine: Entry | None, other: Entry | None) -> bool:
        """Whether a path of the working tree holds `other`; modes count where the disk has them."""
        if self._settings.get("core.filemode") == "false" and mine and other:
            if {mine.mode, other.mode} <= set(FILE_MODES):
                return mine.blob == other.blob
        return mine == other

    def blob(self, blob: str) -> bytes:
        """The content of an id, as git keeps it."""
        return self.git("cat-file", "blob", blob)

    def export(self, commit: str, paths: Iterable[str], folder: Path) -> None:
        """Write files of a commit under the empty `folder` as a checkout would."""
        index = folder.with_name("index")
        place = {"GIT_DIR": self.folder, "GIT_WORK_TREE": folder, "GIT_INDEX_FILE": index}
        self.git("read-tree", commit, **place)
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        self.git("checkout-index", "-z", "--stdin", data=names, **place)

    def check_identity(self) -> None:
        """Raise a ValueError unless git knows in whose name a merge commit is made."""
        if not self._try("var", "GIT_COMMITTER_IDENT") or not self._try("var", "GIT_AUTHOR_IDENT"):
            raise ValueError(
                "you have commits of your own, so the update ends in a merge commit, and git does "
                "not know your name. Run git config user.name NAME and git config user.email "
                "ADDRESS, then phi1 update again"
            )

    def merge(self, new: str, own: dict[str, Entry | None], index: Path) -> str:
        """Commit `new` with the entries `own` in its place, as a merge with HEAD; return its id."""
        gone = Entry("0", "0" * len(new))
        kept = sorted(own.items(), key=lambda item: item[1] is not None)  # removals first
        lines = [(path, entry or gone) for path, entry in kept]
        data = b"".join(os.fsencode(f"{e.mode} {e.blob}\t{path}") + b"\0" for path, e in lines)
        self.git("read-tree", new, GIT_INDEX_FILE=index)
        self.git("update-index", "-z", "--replace", "--index-info", data=data, GIT_INDEX_FILE=index)
        tree = self.git("write-tree", GIT_INDEX_FILE=index).decode().strip()
        message = f"New edition of the course: {self.name(new)}"
        return self.line("commit-tree", tree, "-p", self.head, "-p", new, "-m", message)

    def begin(self, new: str) -> None:
        """Note that the update to `new` is at work: the next one finishes it."""
        self.git("update-ref", PENDING, new)

    def finish(self, commit: str) -> None:
        """Move HEAD (and its branch) and the index to `commit`; the working tree stays."""
        self.git("reset", "--quiet", "--mixed", commit)
        self.forget()

    def forget(self) -> None:
        """Drop the note that `begin` made."""
        self.git("update-ref", "-d", PENDING)


def blocker(root: Path, path: str) -> str:
    """The first part of `path` where no folder can be, because something else is there.

    `path` itself, when all of its parents are folders or free.
    """
    parts = path.split("/")
    for count in range(1, len(parts)):
        place = root.joinpath(*parts[:count])
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return "/".join(parts[:count])
    return path


def _changes(raw: bytes) -> dict[str, Change]:
    """Read git's raw difference: `:mode mode id id status`, NUL, path, NUL, and so on."""
    fields = os.fsdecode(raw).split("\0")[:-1]
    changes = {}
    for note, path in zip(fields[::2], fields[1::2], strict=True):
        old_mode, new_mode, old, new, _ = note.removeprefix(":").split(" ")
        if SUBMODULE not in (old_mode, new_mode):
            changes[path] = (_entry(old_mode, old), _entry(new_mode, new))
    return changes


def _entry(mode: str, blob: str) -> Entry | None:
    return Entry(mode, blob) if blob.strip("0") else None


def _no_clone(root: Path) -> str:
    return (
        f"{root} is no git clone of its own (a downloaded archive?), so it cannot be updated in "
        "place. Clone the course into a new folder (README.md says how), copy your files of "
        "exercises/ and chapters/ there, and work on in the clone."
    )

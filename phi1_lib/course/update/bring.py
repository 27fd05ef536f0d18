"""The work of an update: which version stays at each path, and the order that loses nothing."""

import itertools
import os
import re
import shutil
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from phi1_lib.course.update.clone import FILE_MODES, OTHER, Change, Clone, Entry, blocker
from phi1_lib.course.update.compare import compare_exercises, only_run
from phi1_lib.course.update.report import Kept, Update

KEPT = ".kept"
EXERCISES = re.compile(r"exercises/ch\d\d_\w+\.py")


def update_course(root: Path, source: str | None = None) -> Update:
    """Bring the newest edition into the clone at `root`; every change of the learner's is kept.

    Args:
        root: the course's folder, the top of its clone.
        source: where the new edition is: a folder, an address, a remote's name or a bundle.
            None: where the clone came from.

    Raises:
        ValueError: git is missing, the clone's state does not allow it, or fetching failed.
        OSError: a file could not be written; a second run finishes what was begun.
    """
    clone = Clone(root)
    try:
        with FileLock(clone.folder / "phi1-update.lock", timeout=0):
            pending = clone.pending()
            new = pending or clone.fetch(source)
            return _Work(clone, new).run(resumed=bool(pending))
    except Timeout:
        raise ValueError(f"another phi1 update is at work in {root}; wait for its end") from None
    except OSError as error:
        raise OSError(
            f"{error.filename or root}: {error.strerror or error}. Nothing is lost: mend this, "
            "then run phi1 update again, which goes on where it stopped"
        ) from error


class _Work:
    """One update at work: from the clone's HEAD to the commit `new`."""

    def __init__(self, clone: Clone, new: str):
        self.clone = clone
        self.new = new
        self.old = clone.merge_base(new)
        self.store = clone.root / KEPT / f"update-{new[:10]}"
        self.incoming = clone.root / KEPT / "incoming"
        self.kept: list[Kept] = []

    def run(self, resumed: bool) -> Update:
        clone, own_commits = self.clone, self.clone.head != self.old
        before, after = clone.name(self.old), clone.name(self.new)
        if self.old == self.new:
            clone.forget()
            self._clear_incoming()
            return Update(clone.root, before, after)
        if own_commits:
            clone.check_identity()
        changes = clone.changes(self.old, self.new)
        clone.begin(self.new)
        self._fetch_files([path for path, (_, new) in changes.items() if new])
        self._set_staged_aside()
        # Removals first: the new edition may have a folder where a file was.
        for there in (False, True):
            paths = [path for path, (_, new) in changes.items() if bool(new) == there]
            for path, mine in clone.working(paths).items():
                self._update_path(path, mine, *changes[path])
        commit = self._merge(changes) if own_commits else self.new
        set_aside = self._set_aside_so_far()
        clone.finish(commit)
        self._clear_incoming()
        stayed = {kept.path for kept in self.kept}
        taken = {path: change for path, change in changes.items() if path not in stayed}
        return Update(
            root=clone.root,
            before=before,
            after=after,
            added=tuple(path for path, (old, _) in taken.items() if not old),
            changed=tuple(path for path, (old, new) in taken.items() if old and new),
            gone=tuple(path for path, (_, new) in taken.items() if not new),
            kept=tuple(sorted(self.kept, key=lambda kept: kept.path)),
            set_aside=set_aside,
            untouched=tuple(path for path in clone.changed_by_learner() if path not in stayed),
            own_commits=own_commits,
            resumed=resumed,
        )

    def _fetch_files(self, paths: list[str]) -> None:
        """Write the new edition's files where a rename can take them into place."""
        self._clear_incoming()
        (self.incoming / "files").mkdir(parents=True)
        _write(self.incoming.with_name(".gitignore"), b"*\n")
        self.clone.export(self.new, paths, self.incoming / "files")

    def _clear_incoming(self) -> None:
        if self.incoming.exists():  # an interrupted update may have left it
            shutil.rmtree(self.incoming)

    def _update_path(
        self, path: str, mine: Entry | None, old: Entry | None, new: Entry | None
    ) -> None:
        """Bring one path that differs between the editions."""
        clone = self.clone
        if clone.same(mine, new):
            return
        if not clone.same(mine, old):
            if not self._only_run(path, mine, old):
                self._keep(path, mine, old, new)
                return
            self._set_aside(path, (clone.root / path).read_bytes())
        if new:
            self._take(path, path)
        else:
            (clone.root / path).unlink()
            _prune((clone.root / path).parent, clone.root)

    def _take(self, path: str, target: str) -> None:
        place = self.clone.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.incoming / "files" / path, place)

    def _only_run(self, path: str, mine: Entry | None, other: Entry | None) -> bool:
        """Whether a chapter differs from `other` only by what running it changes."""
        if not (path.endswith(".ipynb") and mine and other and mine.mode in FILE_MODES):
            return False
        return only_run((self.clone.root / path).read_bytes(), self.clone.blob(other.blob))

    def _keep(self, path: str, mine: Entry | None, old: Entry | None, new: Entry | None) -> None:
        """Leave a path as the learner has it, and lay what is new beside it."""
        if not new:
            if mine != OTHER:
                self.kept.append(Kept(path, ""))
            return
        if self._only_run(path, mine, new):  # the learner took the new edition over
            return
        note = "" if mine else "you had removed it"
        if EXERCISES.fullmatch(path) and old and mine and mine.mode in FILE_MODES:
            blobs = [self.clone.blob(entry.blob) for entry in (old, new)]
            texts = [*blobs, (self.clone.root / path).read_bytes()]
            note = compare_exercises(*(text.decode(errors="replace") for text in texts))
        self.kept.append(Kept(path, self._lay_beside(path, old, new), note))

    def _lay_beside(self, path: str, old: Entry | None, new: Entry) -> str:
        """Write the new edition's file beside theirs; an untouched earlier one makes room."""
        for count in itertools.count(1):
            name = _beside(path, blocker(self.clone.root, path), count)
            there = self.clone.working([name])[name]
            if there and there.blob == new.blob:
                return name
            if there is None or (old and there.blob == old.blob):
                self._take(path, name)
                return name
        raise AssertionError("unreachable")

    def _set_staged_aside(self) -> None:
        """Keep staged versions that the working tree has since left behind."""
        staged = self.clone.staged()
        working = self.clone.working(staged)
        for path, entry in staged.items():
            there = working[path]
            if there is None or there.blob != entry.blob:
                self._set_aside(f"staged/{path}", self.clone.blob(entry.blob))

    def _set_aside(self, path: str, content: bytes) -> None:
        """Keep a copy of `content`; nothing that was kept before is overwritten."""
        for count in itertools.count(1):
            place = self.store / (path if count == 1 else _numbered(path, f".{count}"))
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                _write(place, content)
            if place.read_bytes() == content:
                return

    def _set_aside_so_far(self) -> tuple[str, ...]:
        """Also what an interrupted run of the same update set aside."""
        files = (path for path in self.store.rglob("*") if path.is_file())
        return tuple(sorted(path.relative_to(self.clone.root).as_posix() for path in files))

    def _merge(self, changes: dict[str, Change]) -> str:
        """Commit the new edition with what the learner's commits changed."""
        own = {}
        for path, (old, mine) in self.clone.changes(self.old, self.clone.head).items():
            new = changes[path][1] if path in changes else old
            if mine != new and not (path in changes and self._committed_run(path, old, mine)):
                own[path] = mine
        return self.clone.merge(self.new, own, self.incoming / "index")

    def _committed_run(self, path: str, old: Entry | None, mine: Entry | None) -> bool:
        """Whether the learner's commits only ran the chapter at `path`."""
        if not (path.endswith(".ipynb") and old and mine):
            return False
        return only_run(self.clone.blob(mine.blob), self.clone.blob(old.blob))


def _numbered(path: str, mark: str) -> str:
    """`path` with a mark before its suffix: a/b.py and ".new" make a/b.new.py."""
    name = PurePosixPath(path)
    return name.with_name(f"{name.stem}{mark}{name.suffix}").as_posix()


def _beside(path: str, blocked: str, count: int) -> str:
    """The count-th name under which a new `path` may lie; `blocked` is the part that is taken."""
    mark = ".new" if count == 1 else f".{count}.new"
    return _numbered(blocked, mark) + path.removeprefix(blocked)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _prune(folder: Path, root: Path) -> None:
    """Remove `folder` and its parents below `root` as far as they are empty."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent

"""What an update did, and how it is told."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = ("pyproject.toml", "constraints.txt", "environment.yml", "lab/make_environment.py")
CHAPTERS = re.compile(r"chapters/\d\d_\w+\.ipynb")


@dataclass(frozen=True)
class Kept:
    """A path that both the learner and the new edition changed; the learner's stayed.

    beside: where the new edition's lies, or "" if it has no such file any more.
    note: what differs between the editions, for files of exercises, or "".
    """

    path: str
    beside: str
    note: str = ""


@dataclass(frozen=True)
class Update:
    """What `update_course` did. Paths are relative to `root`; names are those of editions.

    added, changed, gone: paths that are now the new edition's.
    kept: changed by both.
    set_aside: copies of what was replaced and is not in git: run chapters, staged versions.
    untouched: the learner's changes that the new edition does not concern.
    own_commits: the learner had commits, which are now merged with the new edition.
    resumed: this finished an interrupted update; there may be a newer edition.
    """

    root: Path
    before: str
    after: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    set_aside: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    own_commits: bool = False
    resumed: bool = False


def report(update: Update) -> str:
    """Return the text that tells a learner what an update did, and what to do next."""
    if update.before == update.after:
        return f"The course is already the newest edition, {update.after}."
    lines = [f"The course is now the edition {update.after}; it was {update.before}."]
    if update.resumed:
        lines.append("This finished an update that was interrupted.")
    count = len(update.added) + len(update.changed) + len(update.gone)
    lines.append(
        f"{_files(count)} brought up to date: {len(update.changed)} changed, "
        f"{len(update.added)} new, {len(update.gone)} gone."
    )
    chapters = [path for path in update.added if CHAPTERS.fullmatch(path)]
    if chapters:
        lines.append(f"New chapters: {', '.join(chapters)}")
    lines += _report_kept(update)
    if update.set_aside:
        lines += ["", "Replaced by the new edition; your version is kept in:"]
        lines += [f"  {path}" for path in update.set_aside]
    if update.untouched:
        lines += [
            "",
            f"{_files(len(update.untouched))} that you changed and the new edition does not: "
            "unchanged.",
        ]
    if update.own_commits:
        lines.append("Your own commits stay; the newest commit merges the new edition into them.")
    return "\n".join([*lines, "", "What to do next:", *_next_steps(update)])


def _report_kept(update: Update) -> list[str]:
    if not update.kept:
        return []
    lines = ["", "Both you and the new edition changed these. Yours stay as they are:"]
    for kept in update.kept:
        lines.append(f"  {kept.path}")
        new = f"new edition's: {kept.beside}" if kept.beside else "not in the new edition any more"
        lines += [f"    {text}" for text in (new, kept.note) if text]
    if any(not kept.path.startswith(("chapters/", "exercises/")) for kept in update.kept):
        lines.append(
            "  Outside chapters/ and exercises/ the new edition counts on its own versions."
        )
    return lines


def _next_steps(update: Update) -> list[str]:
    needs = [path for path in ENVIRONMENT if path in (*update.changed, *update.added)]
    why = f" (installs what the new edition needs: {', '.join(needs)} changed)" if needs else ""
    steps = [f"make lab{why}"]
    if any(path.endswith(".ipynb") for path in update.changed):
        steps.append(
            "A chapter open in JupyterLab: File, Reload Notebook from Disk; do not save it. "
            "Then Kernel, Restart Kernel."
        )
    beside = [kept for kept in update.kept if kept.beside]
    code = next((kept for kept in beside if not kept.beside.endswith(".ipynb")), None)
    if code:
        pair = f"{shlex.quote(code.path)} {shlex.quote(code.beside)}"
        steps.append(f"Compare yours with the new one: git diff --no-index {pair}")
    if any(kept.beside.endswith(".ipynb") for kept in beside):
        steps.append("Chapters: open both in JupyterLab, and drag one tab beside the other.")
    if any(kept.note.startswith("exercise") for kept in beside):
        steps.append(
            "A changed exercise: phi1 reset N.n puts the new stub into your file (yours is kept)."
        )
    if beside:
        steps.append("Take over what you like, then delete the .new files; or keep yours as it is.")
    if update.resumed:
        steps.append("phi1 update once more: there may be a newer edition.")
    return [f"  {number}. {step}" for number, step in enumerate(steps, 1)]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"

"""`make lab`: JupyterLab on the course, opened on the README's table of chapters.

The settings are the course's own (`lab/`) and the state lies in `.lab/`, so nothing is read from or
written to your own `~/.jupyter`. Arguments are passed on: `make lab ARGS="--port=9000"`.

JupyterLab runs no script of a notebook that it does not trust, and it trusts what was run here. The
chapters as the course ships them are trusted from the start, so that their sliders move at once.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

ROOT = Path(__file__).parents[2]
WORKSPACE = "course"
PREVIEW = "markdownviewer-widget:README.md"


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether a browser could show a window here."""
    if platform in ("darwin", "win32"):
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def workspace() -> dict:
    """The layout of the first start: files on the left, the README as a page."""
    return {
        "data": {
            "layout-restorer:data": {
                "main": {
                    "dock": {"type": "tab-area", "currentIndex": 0, "widgets": [PREVIEW]},
                    "current": PREVIEW,
                },
                "left": {
                    "collapsed": False,
                    "visible": True,
                    "current": "filebrowser",
                    "widgets": ["filebrowser", "running-sessions", "@jupyterlab/toc:plugin"],
                },
                "right": {"collapsed": True, "visible": True, "widgets": []},
                "relativeSizes": [0.2, 0.8, 0],
            },
            PREVIEW: {"data": {"path": "README.md", "factory": "Markdown Preview"}},
        },
        "metadata": {"id": WORKSPACE},
    }


def save_workspace(folder: Path) -> None:
    """Write the course's workspace, unless a learner's own arrangement is saved there already."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    if folder.is_dir() and any(folder.iterdir()):
        return
    WorkspacesManager(str(folder)).save(WORKSPACE, json.dumps(workspace()))


def shipped_chapters(root: Path) -> list[Path]:
    """Return the chapters whose bytes are those of the commit, as git tells; without git, none."""
    try:
        known = _git(root, "ls-files")
        changed = _git(root, "diff", "--name-only", "--relative", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return []
    return [root / name for name in known if name not in changed]


def _git(root: Path, *command: str) -> list[str]:
    """The names of chapters that a git command prints."""
    run = subprocess.run(
        ["git", "--no-optional-locks", *command, "-z", "--", "chapters/*.ipynb"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return run.stdout.split("\0")[:-1]


def trust_chapters(root: Path, data: Path) -> None:
    """Sign the shipped chapters, as JupyterLab signs what a learner has run.

    Args:
        root: the course.
        data: the JUPYTER_DATA_DIR whose secret signs.
    """
    chapters = shipped_chapters(root)
    if not chapters:
        return
    import nbformat
    from nbformat.sign import NotebookNotary

    data.mkdir(parents=True, exist_ok=True)
    notary = NotebookNotary(data_dir=str(data))
    for path in chapters:
        with contextlib.suppress(OSError, ValueError):  # its sliders wait until it is run
            notary.sign(nbformat.read(path, as_version=4))


def state_folder(root: Path) -> Path:
    """Return where JupyterLab's state lies: `.lab`; if the course is read-only, with the user."""
    inside = root / ".lab"
    if os.access(inside if inside.exists() else root, os.W_OK):
        return inside
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]  # each course has its own
    return platformdirs.user_state_path("phi1") / f"lab-{name}"


def lab_environment(root: Path, state: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which JupyterLab keeps to the course's settings and folders."""
    programs = [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    return {
        **environment,
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_CONFIG_PATH": str(root / "lab"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
        "JUPYTER_COLUMNS": "88",  # the width of rich's tables: what a 1280 pixel window shows
        "PATH": os.pathsep.join(programs),  # `!phi1` in a chapter is this environment's
    }


def lab_command(root: Path, environment: Mapping[str, str], user_id: int | None) -> list[str]:
    """Return the command that starts JupyterLab, without a learner's own arguments."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    # The path opens the README also where a saved arrangement has closed it.
    command.append(f"--LabApp.default_url=/lab/workspaces/{WORKSPACE}/tree/README.md")
    if user_id == 0:  # containers often have no other user
        command.append("--allow-root")
    if not has_display(environment):
        command.append("--no-browser")
    return command


def main(arguments: list[str]) -> None:
    """Replace this process by JupyterLab."""
    state = state_folder(ROOT)
    if not state.is_relative_to(ROOT):
        print(f"{ROOT} is read-only: chapters run, but are not saved.", flush=True)
    save_workspace(state / "workspaces")
    environment = lab_environment(ROOT, state, os.environ)
    trust_chapters(ROOT, Path(environment["JUPYTER_DATA_DIR"]))
    user_id = os.geteuid() if hasattr(os, "geteuid") else None
    command = lab_command(ROOT, os.environ, user_id) + arguments
    if "--no-browser" in command:
        print("No display is seen: open the address printed below in a browser.", flush=True)
    os.chdir(ROOT)
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])

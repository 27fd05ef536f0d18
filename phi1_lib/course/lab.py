"""`make lab`: JupyterLab on the course, opened on the README's table of chapters.

The settings are the course's own (`lab/`) and the state lies in `.lab/`, so nothing is read from or
written to your own `~/.jupyter`. Arguments are passed on: `make lab ARGS="--port=9000"`.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

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


def lab_environment(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which JupyterLab keeps to the course's settings and folders."""
    state = root / ".lab"
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
    save_workspace(ROOT / ".lab" / "workspaces")
    environment = lab_environment(ROOT, os.environ)
    user_id = os.geteuid() if hasattr(os, "geteuid") else None
    command = lab_command(ROOT, os.environ, user_id) + arguments
    if "--no-browser" in command:
        print("No display is seen: open the address printed below in a browser.", flush=True)
    os.chdir(ROOT)
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])

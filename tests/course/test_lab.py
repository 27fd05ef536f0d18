"""How JupyterLab is started, and that it comes up: with the port taken and a space in the path."""

import contextlib
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phi1_lib.course import lab

ROOT = Path(__file__).parents[2]


def test_without_a_display_no_browser_is_opened():
    assert "--no-browser" in lab.lab_command(ROOT, {}, 1000)
    assert "--no-browser" not in lab.lab_command(ROOT, {"DISPLAY": ":0"}, 1000)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({}, "darwin", True),
    ],
)
def test_display(environment, platform, expected):
    assert lab.has_display(environment, platform) is expected


def test_root_is_allowed_only_for_root():
    assert "--allow-root" in lab.lab_command(ROOT, {}, 0)
    assert "--allow-root" not in lab.lab_command(ROOT, {}, 1000)
    assert "--allow-root" not in lab.lab_command(ROOT, {}, None)


def test_state_stays_inside_the_course(tmp_path):
    environment = lab.lab_environment(tmp_path, {"PATH": "/bin", "HOME": "/home/x"})
    for name, value in environment.items():
        if name.startswith(("JUPYTER", "IPYTHON")):
            assert value.startswith(str(tmp_path))
    assert environment["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]
    assert ".lab/" in (ROOT / ".gitignore").read_text().splitlines()


def test_workspace_is_written_once(tmp_path):
    lab.save_workspace(tmp_path / "w")
    (path,) = (tmp_path / "w").iterdir()
    assert json.loads(path.read_text()) == lab.workspace()
    path.write_text("{}")  # a learner's own arrangement
    lab.save_workspace(tmp_path / "w")
    assert path.read_text() == "{}"


def test_no_question_about_news():
    folder = ROOT / "lab" / "labconfig"
    settings = json.loads((folder / "default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    disabled = json.loads((folder / "page_config.json").read_text())["disabledExtensions"]
    assert disabled["@jupyterlab/apputils-extension:announcements"] is True


def address(process: subprocess.Popen, seconds: float = 90) -> tuple[int, str]:
    """Port and token from what JupyterLab prints."""
    printed = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([process.stdout], [], [], 0.2)[0]:
            piece = os.read(process.stdout.fileno(), 65536)
            printed += piece
            found = re.search(rb"http://127\.0\.0\.1:(\d+)/\S+token=(\w+)", printed)
            if found:
                return int(found[1]), found[2].decode()
            if not piece:
                break
    raise AssertionError(f"no address was printed:\n{printed.decode()}")


def wait_until_it_listens(port: int, seconds: float = 30) -> None:
    """JupyterLab prints its address a moment before it answers there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=5).close()
        time.sleep(0.1)
    raise AssertionError(f"nothing answers on port {port}")


@contextlib.contextmanager
def running(root: Path, port: int):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment.pop("BROWSER", None)
    environment["PYTHONPATH"] = str(root)
    process = subprocess.Popen(
        [sys.executable, "-m", "phi1_lib.course.lab", f"--port={port}"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_lab_comes_up_with_its_port_taken_and_a_space_in_the_path(tmp_path):
    root = tmp_path / "my course"
    (root / "phi1_lib" / "course").mkdir(parents=True)
    for name in ("__init__.py", "course/__init__.py", "course/checking.py", "course/lab.py"):
        shutil.copy(ROOT / "phi1_lib" / name, root / "phi1_lib" / name)
    shutil.copytree(ROOT / "lab", root / "lab")
    (root / "README.md").write_text("# The chapters\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        with running(root, wanted) as process:
            port, token = address(process)
            assert port != wanted
            wait_until_it_listens(port)
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            headers = {"Authorization": f"token {token}"}
            server.request("GET", "/api/contents/README.md", headers=headers)
            assert json.load(server.getresponse())["content"] == "# The chapters\n"
            server.request("GET", "/lab/api/workspaces/course", headers=headers)
            assert lab.PREVIEW in json.load(server.getresponse())["data"]
            server.request("GET", "/lab/workspaces/course", headers=headers)
            assert b"announcements" in server.getresponse().read()  # among the disabled extensions
    assert (root / ".lab" / "workspaces").is_dir()

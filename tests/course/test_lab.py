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

import nbformat
import pytest
from nbformat.sign import NotebookNotary

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
    state = lab.state_folder(tmp_path)
    environment = lab.lab_environment(tmp_path, state, {"PATH": "/bin", "HOME": "/home/x"})
    for name, value in environment.items():
        if name.startswith(("JUPYTER", "IPYTHON")) and name != "JUPYTER_COLUMNS":
            assert value.startswith(str(tmp_path))
    assert environment["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]
    assert ".lab/" in (ROOT / ".gitignore").read_text().splitlines()


def test_state_of_a_read_only_course_lies_with_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(lab.os, "access", lambda path, mode: False)  # root may write anywhere
    folders = {lab.state_folder(tmp_path / name) for name in ("one", "other")}
    assert len(folders) == 2, "two courses do not share a state"
    if sys.platform == "linux":
        assert all(folder.is_relative_to(tmp_path / "state") for folder in folders)


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


@pytest.fixture
def clone(tmp_path):
    """A course under git with two chapters."""
    root = tmp_path / "course"
    (root / "chapters").mkdir(parents=True)
    cell = nbformat.v4.new_code_cell("show()")
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": "<b>x</b>"})]
    for name in ("00_a.ipynb", "01_b.ipynb"):
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), root / "chapters" / name)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "edition"]):
        subprocess.run([*git, *command], check=True)
    return root


def trusted(root: Path, data: Path) -> list[str]:
    """The chapters whose scripts a JupyterLab with this JUPYTER_DATA_DIR would run."""
    notary = NotebookNotary(data_dir=str(data))
    chapters = sorted((root / "chapters").glob("*.ipynb"))
    return [p.name for p in chapters if notary.check_signature(nbformat.read(p, as_version=4))]


def test_the_chapters_as_shipped_are_trusted(clone, tmp_path):
    lab.trust_chapters(clone, tmp_path / "data")
    assert trusted(clone, tmp_path / "data") == ["00_a.ipynb", "01_b.ipynb"]
    (tmp_path / "other").mkdir()
    assert trusted(clone, tmp_path / "other") == [], "a secret of its own"


def test_a_chapter_that_is_not_the_courses_own_is_not_trusted(clone, tmp_path):
    changed, foreign = clone / "chapters" / "01_b.ipynb", clone / "chapters" / "02_c.ipynb"
    changed.write_text(changed.read_text().replace("<b>x</b>", "<script>1</script>"))
    shutil.copy(changed, foreign)
    lab.trust_chapters(clone, tmp_path / "data")
    assert trusted(clone, tmp_path / "data") == ["00_a.ipynb"]


def test_without_git_nothing_is_trusted_and_nothing_fails(clone, tmp_path, monkeypatch):
    shutil.rmtree(clone / ".git")
    lab.trust_chapters(clone, tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))
    lab.trust_chapters(clone, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_chapter_that_does_not_parse_is_passed_over(clone, tmp_path, monkeypatch):
    chapters = [clone / "chapters" / name for name in ("00_a.ipynb", "gone.ipynb", "01_b.ipynb")]
    chapters[0].write_text("{")
    monkeypatch.setattr(lab, "shipped_chapters", lambda root: chapters)
    lab.trust_chapters(clone, tmp_path / "data")
    chapters[0].unlink()
    assert trusted(clone, tmp_path / "data") == ["01_b.ipynb"]


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
    ignored = shutil.ignore_patterns("artifacts", "__pycache__")
    shutil.copytree(ROOT / "phi1_lib", root / "phi1_lib", ignore=ignored)
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

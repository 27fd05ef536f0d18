"""The fork server: what a child is given and refused, how it ends, who ends it."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from phi1_lib.sandbox import confine
from phi1_lib.sandbox.server import ForkServer

LEVELS = pytest.mark.parametrize("weakest", [False, True], ids=["strongest", "weakest"])
strong = pytest.mark.skipif(
    confine.level() != confine.STRONG, reason="this kernel has no Landlock or no seccomp"
)


class Desk:
    """A fork server over an entry, and what one of its children wrote."""

    def __init__(self, tmp_path: Path, body: str, **options) -> None:
        entry = tmp_path / "entry.py"
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        entry.write_text(f"import os, sys, time\ndef child(fds):\n{lines}")
        self.folder = tmp_path / "scratch"
        self.folder.mkdir()
        self.server = ForkServer(entry, **options)

    def start(self, extra=(), memory_mb=256, **more):
        self.ours, theirs = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return self.server.start(
                fds=[null, theirs, theirs, *extra],
                folder=self.folder,
                memory_mb=memory_mb,
                cpu_seconds=20,
                **more,
            )
        finally:
            os.close(theirs)
            os.close(null)

    def run(self, extra=(), memory_mb=256, **more) -> tuple[int, str]:
        with self.start(extra, memory_mb, **more) as child:
            code = child.wait(30.0)
        with open(self.ours, encoding="utf-8") as file:
            return code, file.read()


@pytest.fixture
def desk(tmp_path):
    desks = []

    def make(body, **options):
        desks.append(Desk(tmp_path, body, **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.server.close()


SHOW = """
found = []
for descriptor in range(256):
    try:
        os.fstat(descriptor)
        found.append(descriptor)
    except OSError:
        pass
print(fds, found, os.getcwd(), os.getpid() == os.getsid(0) == os.getpgid(0), os.read(fds[3], 9))
print(sorted(os.environ), os.environ["HOME"] == os.environ["TMPDIR"] == os.getcwd())
print([name for name in sys.modules if name.startswith("phi1_lib")])
"""


@LEVELS
def test_a_child_gets_this_and_nothing_else(desk, weakest, monkeypatch, tmp_path):
    monkeypatch.setenv("PHI1_TEST_SECRET", "value")
    desk = desk(SHOW, weakest=weakest)
    reader, writer = os.pipe()
    os.write(writer, b"letter")
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        code, text = desk.run([reader, writer])
    numbers = "[0, 1, 2, 3, 4]"
    first, second, third = text.splitlines()
    assert code == 0
    assert first == f"{numbers} {numbers} {os.path.realpath(desk.folder)} True b'letter'"
    given = ["HOME", "LANG", "OMP_NUM_THREADS", "PATH", "TMPDIR"]
    assert all(name in second for name in given) and "SECRET" not in second and "True" in second
    assert third == "[]"
    assert os.write(writer, b"x") == 1  # the caller's own stay open
    os.close(reader), os.close(writer)


@LEVELS
@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ("print('done')", 0, "done"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os._exit(7)", 7, ""),
        ("sys.exit(3)", 1, "SystemExit"),
        ("os.kill(os.getpid(), 9)", -9, ""),
        ("os.abort()", -6, ""),
    ],
)
def test_how_a_child_ends(desk, weakest, body, code, word):
    seen, text = desk(body, weakest=weakest).run()
    assert seen == code and word in text


@LEVELS
def test_children_side_by_side_waited_for_and_killed(desk, weakest):
    desk = desk("time.sleep(60)", weakest=weakest)
    children = [desk.start() for _ in range(3)]
    assert children[0].wait(0.05) is None
    start = time.monotonic()
    children[1].kill()
    assert children[1].returncode == children[1].wait(0) == -signal.SIGKILL
    assert children[0].wait(0) is None and children[2].wait(0) is None
    children[1].kill()  # without effect
    desk.server.close()
    assert [child.wait(5.0) for child in children] == [-signal.SIGKILL] * 3
    assert time.monotonic() - start < 10.0


@LEVELS
def test_a_dead_server_is_replaced(desk, weakest):
    desk = desk("time.sleep(60)", weakest=weakest)
    first = desk.start()
    desk.server.process.kill()
    desk.server.process.wait()
    deadline = time.monotonic() + 10.0
    while sys.platform == "linux" and alive(first.pid):  # elsewhere `wait` has to see to it
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = desk.start()
    assert first.wait(10.0) == -signal.SIGKILL
    assert second.wait(0.05) is None and not alive(first.pid)
    second.kill()


def test_children_die_with_the_caller(tmp_path):
    entry = tmp_path / "entry.py"
    entry.write_text("import time\ndef child(fds):\n    time.sleep(60)\n")
    code = """
import os, sys
from phi1_lib.sandbox.server import ForkServer
server = ForkServer(sys.argv[1])
null = os.open(os.devnull, os.O_RDWR)
child = server.start(fds=[null] * 3, folder=".", memory_mb=64, cpu_seconds=9)
print(server.process.pid, child.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(entry)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    for pid in map(int, run.stdout.split()):
        deadline = time.monotonic() + 10.0
        while alive(pid):
            assert time.monotonic() < deadline, f"process {pid} lives on"
            time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip() not in ("", "Z")


@LEVELS
def test_memory_is_counted_on_top_of_what_is_mapped(desk, weakest):
    if sys.platform == "darwin":
        return  # it does not limit the address space: documented
    body = """
found = []
for size in (32, 512):
    try:
        found.append(len(bytearray(size << 20)) >> 20)
    except MemoryError:
        found.append("refused")
print(found)
"""
    assert desk(body, weakest=weakest).run(memory_mb=128) == (0, "[32, 'refused']\n")


@strong
def test_only_named_folders_can_be_read(desk, tmp_path):
    for name in ("named", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    packages = Path(sysconfig.get_path("purelib"))
    installed = next(packages.glob("*/__init__.py"))
    body = f"""
for path in {[str(tmp_path / "named/file"), str(tmp_path / "other/file"), str(installed)]}:
    try:
        print(len(open(path).read()) > 0)
    except OSError as error:
        print(error.errno)
open("made", "w").write("text")
import decimal, sqlite3, ssl, hashlib, zoneinfo, ctypes
ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)()
print(os.urandom(1) != b"", open(os.devnull, "w").write("gone"))
"""
    desk = desk(body, read=[tmp_path / "named"], site_packages=True)
    assert desk.run() == (0, "True\n13\n13\nTrue 4\n")
    assert (desk.folder / "made").read_text() == "text"


WRITES = """
from pathlib import Path
for action in (lambda: Path("file").write_text("text"), lambda: os.mkdir("folder")):
    try:
        action()
        print("done", end=" ")
    except OSError as error:
        print(type(error).__name__, end=" ")
print(os.listdir())
"""


@LEVELS
def test_a_folder_that_may_not_be_written(desk, weakest):
    desk = desk(WRITES, weakest=weakest)
    strongest = desk.server.level == confine.STRONG
    right = "PermissionError PermissionError []" if strongest else "OSError done"
    code, text = desk.run(writable=False)
    assert code == 0 and text.startswith(right), text
    assert not any(path.stat().st_size for path in desk.folder.glob("file"))


def test_faults_of_the_setup_are_told(desk, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    for entry, options, word in [
        (broken, {}, "ZeroDivisionError"),
        (tmp_path / "missing.py", {}, "FileNotFoundError"),
        (broken, {"preload": ["no_such_module"]}, "no_such_module"),
        (broken, {"preload": ["numpy"]}, "numpy"),  # not without site_packages
    ]:
        with ForkServer(entry, **options) as server, pytest.raises(OSError, match=word):
            _ = server.level
    threads = tmp_path / "threads.py"
    threads.write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1,)).start()"
    )
    if sys.platform == "linux":
        with ForkServer(threads) as server, pytest.raises(OSError, match="2 threads"):
            _ = server.level
    desk = desk("pass")
    with pytest.raises(ValueError, match="standard input"):
        desk.server.start(fds=[0, 1], folder=tmp_path, memory_mb=64, cpu_seconds=1)
    desk.folder.rmdir()
    with pytest.raises(OSError, match="no confined child process.*scratch"):
        desk.run()
    desk.folder.mkdir()
    assert desk.run()[0] == 0  # the server goes on


@strong
def test_a_child_that_cannot_be_confined_does_not_run(tmp_path):
    entry = tmp_path / "entry.py"
    entry.write_text("""
import sys
frame = sys._getframe()
while not hasattr(frame.f_locals.get("self"), "confine"):
    frame = frame.f_back
def refuse(*_):
    raise OSError("no lock today")
frame.f_locals["self"].confine.lock_down = refuse
def child(fds):
    open("ran", "w")
""")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with ForkServer(entry) as server, pytest.raises(OSError, match="no lock today"):
        server.start(fds=[0, 1, 2], folder=scratch, memory_mb=64, cpu_seconds=1)
    assert os.listdir(scratch) == []


@strong
def test_root_gives_up_its_powers(desk):
    body = """
import ctypes, struct
sets = ctypes.create_string_buffer(24)
ctypes.CDLL(None).capget(struct.pack("=Ii", 0x20080522, 0), sets)
print(struct.unpack("=6I", sets.raw))
"""
    kept = 4 if os.geteuid() == 0 else 0  # CAP_DAC_READ_SEARCH, which Landlock still bounds
    code, text = desk(body).run()
    assert (code, text.strip()) in ((0, str((n, n, 0, 0, 0, 0))) for n in {kept, 0}), text


TORCH = """
import torch
x = torch.randn(8, 6, dtype=torch.float64, requires_grad=True)
f = lambda x: torch.softmax(x @ x.T, dim=-1).square().sum()
f(x).backward()
step = 1e-6 * torch.randn_like(x)
with torch.no_grad():
    rise = f(x + step) - f(x - step)
print(torch.allclose(rise, 2 * (x.grad * step).sum(), rtol=1e-3), torch.get_num_threads())
try:
    torch.zeros(1 << 30)
except RuntimeError as error:
    print("memory" in str(error))
"""


@LEVELS
def test_torch_computes_in_a_child(desk, weakest):
    folder = Path(sysconfig.get_path("purelib"), "torch")
    desk = desk(TORCH, preload=["torch"], read=[folder], site_packages=True, weakest=weakest)
    code, text = desk.run(memory_mb=512)
    assert code == 0 and text.endswith("True 1\nTrue\n"), text

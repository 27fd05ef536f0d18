"""The parts of the confinement: filter, Landlock of each ABI, limits, levels.

The filter's oracle is a small interpreter of its machine, so that the table of a machine this test
does not run on is checked too, and the kernel's own headers where they are installed.
"""

import ctypes
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phi1_lib.sandbox import confine, landlock, seccomp
from phi1_lib.sandbox.syscalls import ABSENT, DENIED, MACHINES, NEWEST, number

PID = 4242
CALLS = {name: n for group in (*DENIED.values(), ABSENT) for name, n in group.items()}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


def judge(machine: str, call: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter answers, by interpreting its steps as seccomp(2) and bpf(4) describe."""
    arch = seccomp.AUDIT_ARCH[machine] if arch is None else arch
    words = {0: call, 4: arch}
    for i, value in enumerate((*arguments, *[0] * (6 - len(arguments)))):
        words[16 + 8 * i], words[20 + 8 * i] = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
    steps, accumulator, at = seccomp.build(machine, PID), 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words[constant]
            case 0x54:
                accumulator &= constant
            case 0x15:
                at += if_true if accumulator == constant else if_false
            case 0x25:
                at += if_true if accumulator > constant else if_false
            case 0x06:
                return constant
            case _:
                raise AssertionError(f"no such step: {code:#x}")


EPERM, ENOSYS = 0x50000 + errno.EPERM, 0x50000 + errno.ENOSYS
ALLOWED, KILLED = 0x7FFF0000, 0x80000000


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_refused(machine):
    for group in DENIED.values():
        for name, call in group.items():
            if (n := number(call, machine)) is not None:
                assert judge(machine, n) == EPERM, name
    for name, call in ABSENT.items():
        assert judge(machine, number(call, machine)) == ENOSYS, name


def test_no_call_is_lost_from_the_list():
    # Each was looked at. Whoever takes one off the list, or adds one, says so here as well.
    counts = [sum(number(n, machine) is not None for n in CALLS.values()) for machine in MACHINES]
    assert counts == [166, 148]


@pytest.mark.parametrize("machine", MACHINES)
def test_what_python_needs_is_allowed(machine):
    # read, write, close, fstat, lseek, mmap, munmap, brk, rt_sigaction, pread64, getpid,
    # getdents64, futex, clock_nanosleep, exit_group, getrandom, unlinkat, mkdirat, renameat,
    # ftruncate, dup3
    calls = {
        "x86_64": "0 1 3 5 8 9 11 12 13 17 39 217 202 230 231 318 263 258 264 77 292",
        "aarch64": "63 64 57 80 62 222 215 214 134 67 172 61 98 115 94 278 35 34 38 46 24",
    }[machine]
    for call in map(int, calls.split()):
        assert judge(machine, call) == ALLOWED, call


def test_foreign_and_newer_calls():
    assert judge("x86_64", 1, arch=0x40000003) == KILLED  # 32-bit code, where 1 is exit
    assert judge("aarch64", 1, arch=0x40000028) == KILLED
    for machine in MACHINES:
        assert judge(machine, NEWEST) == ALLOWED
        assert judge(machine, NEWEST + 1) == ENOSYS
    assert judge("x86_64", 0x40000000 + 59) == ENOSYS  # x32


ARGUMENTS = [  # call, arguments, answer
    ((62, 129), (PID, 9), ALLOWED),  # kill
    ((62, 129), (PID + 1, 9), EPERM),
    ((62, 129), (0, 9), EPERM),
    ((62, 129), (2**64 - 1, 9), EPERM),
    ((200, 130), (PID + 1, 9), EPERM),  # tkill
    ((234, 131), (PID, PID, 6), ALLOWED),  # tgkill, as abort() does
    ((234, 131), (1, 1, 6), EPERM),
    ((302, 261), (0, 7, 0, 2**40), ALLOWED),  # prlimit64 that reads
    ((302, 261), (0, 7, 2**40, 0), EPERM),  # a pointer whose lower half is 0
    ((302, 261), (0, 7, 4096, 0), EPERM),
    ((302, 261), (1, 7, 0, 4096), EPERM),
    ((157, 167), (15, 4096), ALLOWED),  # prctl: its name
    ((157, 167), (4, 0), EPERM),
    ((16, 29), (1, 0x5401), ALLOWED),  # ioctl: is it a terminal?
    ((16, 29), (0, 0x5412), EPERM),  # TIOCSTI
    ((16, 29), (0, 0x1_0000_5412), EPERM),  # the kernel looks at the lower half only
    ((72, 25), (1, 1), ALLOWED),  # fcntl F_GETFD
    ((72, 25), (1, 4), ALLOWED),
    ((72, 25), (1, 8), EPERM),  # F_SETOWN
    ((72, 25), (1, 10), EPERM),  # F_SETSIG
    ((72, 25), (1, 15), EPERM),  # F_SETOWN_EX
    ((257, 56), (0, 4096, os.O_RDONLY), ALLOWED),  # openat
    ((257, 56), (0, 4096, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), ALLOWED),
    ((257, 56), (0, 4096, os.O_RDWR | os.O_TRUNC), ALLOWED),
    ((257, 56), (0, 4096, os.O_RDONLY | os.O_TRUNC), EPERM),
    ((257, 56), (0, 4096, 3), EPERM),
    ((2, None), (4096, os.O_RDONLY), ALLOWED),  # open
    ((2, None), (4096, os.O_RDONLY | os.O_TRUNC), EPERM),
]


@on_linux  # the flags of open are the system's
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("call", "arguments", "answer"), ARGUMENTS)
def test_calls_judged_by_their_arguments(call, arguments, answer, machine):
    if (n := number(call, machine)) is not None:
        assert judge(machine, n, *arguments) == answer


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_numbers_are_the_kernels(machine, header):
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed here")
    pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$"
    known = {k: int(v) for k, v in re.findall(pattern, Path(header).read_text(), re.MULTILINE)}
    judged = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "ioctl": (16, 29)}
    judged |= {"prlimit64": (302, 261), "prctl": (157, 167), "fcntl": (72, 25)}
    judged |= {"openat": (257, 56), "open": (2, None)}
    for name, call in (CALLS | judged).items():
        assert known.get(name) == number(call, machine), name


def test_landlock_structure_of_each_abi():
    # linux/landlock.h through the years: 8 bytes; 16 with ABI 4 (network); 24 with ABI 6 (scope).
    files = [0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF]
    for abi, expected in enumerate(files, 1):
        text = landlock.ruleset(abi)
        fields = [int.from_bytes(text[i : i + 8], sys.byteorder) for i in range(0, len(text), 8)]
        assert fields == [expected] + [3] * (abi >= 4) + [3] * (abi >= 6)
    assert landlock.bits(landlock.WRITE, 1) == 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x80 | 0x100
    assert landlock.bits(landlock.WRITE, 3) == landlock.bits(landlock.WRITE, 1) | 0x6000


# Run as a script: confine a forked copy as a kernel of each ABI would, and try what differs.
EACH_ABI = """
import ctypes, errno, json, os, sys
from phi1_lib.sandbox import confine, landlock
root = sys.argv[1]
newest = landlock.kernel_abi(ctypes.CDLL(None, use_errno=True))

def attempt(action, *arguments):
    try:
        action(*arguments)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def tries():
    os.chdir(root + "/scratch")
    yield "read", attempt(open, root + "/readable/file")
    yield "read secret", attempt(open, root + "/secret")
    yield "write", attempt(open, "new", "w")
    yield "write readable", attempt(open, root + "/readable/file", "w")
    yield "create readable", attempt(open, root + "/readable/new", "x")
    yield "cut", attempt(os.truncate, root + "/readable/file", 0)
    yield "cut by opening", attempt(os.open, root + "/readable/file", os.O_TRUNC)
    yield "unlink readable", attempt(os.unlink, root + "/readable/file")
    yield "folder", attempt(os.mkdir, "a")
    yield "move", attempt(os.rename, "new", "a/new")
    yield "move out", attempt(os.rename, "program", root + "/program")
    yield "signal", attempt(os.kill, os.getppid(), 0)

for abi in range(1, newest + 1):
    reader, writer = os.pipe()
    if os.fork() == 0:
        landlock.kernel_abi = lambda libc: abi
        confine.lock_down([root + "/readable"], [root + "/scratch"])
        os.write(writer, json.dumps(dict(tries())).encode())
        os._exit(0)
    os.wait()
    os.close(writer)
    print(os.read(reader, 4096).decode())
    for name in ("a/new", "new"):
        if os.path.exists(root + "/scratch/" + name):
            os.unlink(root + "/scratch/" + name)
    os.rmdir(root + "/scratch/a")
"""


@on_linux
def test_landlock_of_each_abi_holds(tmp_path):
    if confine.level() != confine.STRONG:
        pytest.skip("this kernel has no Landlock or no seccomp")
    for folder in ("readable", "scratch"):
        (tmp_path / folder).mkdir()
    (tmp_path / "readable" / "file").write_text("text")
    (tmp_path / "scratch" / "program").write_text("text")
    (tmp_path / "secret").write_text("text")
    run = subprocess.run(
        [sys.executable, "-c", EACH_ABI, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert results, run.stderr
    for abi, result in enumerate(results, 1):
        expected = dict.fromkeys(result, "EACCES")
        expected |= dict.fromkeys(("read", "write", "folder", "move"), "done")
        expected |= dict.fromkeys(("cut", "cut by opening", "signal"), "EPERM")
        if abi == 1:  # files do not change folders at all
            expected["move"] = "EXDEV"
        assert result == expected, f"ABI {abi}"
    assert (tmp_path / "readable" / "file").read_text() == "text"


@on_linux
def test_the_strong_level_is_had_where_the_kernel_has_its_parts():
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(444, None, ctypes.c_size_t(0), 1)  # landlock_create_ruleset: its version
    libc.prctl(22, 2, None, 0, 0)  # a filter at address 0: EFAULT if there are filters at all
    filters = ctypes.get_errno() == errno.EFAULT
    parts = abi >= 1 and filters and os.uname().machine in MACHINES
    assert (confine.level() == confine.STRONG) == parts


def test_levels(monkeypatch):
    probe = confine.level.__wrapped__
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert probe() == "rlimits"
        with pytest.raises(OSError, match="darwin"):
            confine.lock_down([], [])
    if confine.level() == confine.WEAK:
        return
    assert probe() == "landlock+seccomp"

    def refuse(*_):
        raise OSError("no")

    for module, name in ((landlock, "kernel_abi"), (seccomp, "apply")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, refuse)
            assert probe() == "rlimits"
    # A kernel that says yes and does nothing (as some emulations do) is no sandbox.
    for module, name in ((landlock, "restrict"), (seccomp, "apply")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda *_: None)
            assert probe() == "rlimits"


def test_installation_is_the_standard_library_without_packages():
    read, listed = confine.installation()
    assert os.path.dirname(os.path.realpath(os.__file__)) in listed
    assert os.path.realpath(os.__file__) in map(os.path.realpath, read)
    home = os.path.realpath(Path.home())
    for path in map(os.path.realpath, read):
        assert "site-packages" not in path and not home.startswith(path + "/"), path
        assert path not in ("/", "/usr", "/etc", "/usr/local")


def test_limits_in_a_process_of_its_own():
    code = """
import resource as r
from phi1_lib.sandbox.confine import set_limits
set_limits(1 << 33, 7, 12345, 33)
print([r.getrlimit(getattr(r, "RLIMIT_" + n)) for n in ("CPU", "FSIZE", "NOFILE", "CORE")])
"""
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert run.stdout == "[(7, 8), (12345, 12345), (33, 33), (0, 0)]\n", run.stderr

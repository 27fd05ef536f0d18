"""A seccomp filter: the kernel refuses this process the system calls it has no need of.

The filter is a short program of the kernel's classic BPF machine (seccomp(2), linux/filter.h): one
accumulator, forward jumps, and a verdict. It is built here from a few named steps and handed to the
kernel by `prctl`. A refused call fails with EPERM, so that Python raises PermissionError; a call
from another machine's table (32-bit code on a 64-bit kernel) ends the process.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from phi1_lib.sandbox.syscalls import ABSENT, DENIED, NEWEST, number

# linux/audit.h: which table of system calls a call's number belongs to.
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/filter.h and linux/bpf_common.h
LOAD_WORD, AND = 0x20, 0x54
JUMP_EQUAL, JUMP_GREATER, RETURN = 0x15, 0x25, 0x06

# linux/seccomp.h: what the filter answers.
ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
REFUSE = 0x00050000 | errno.EPERM
NOT_IMPLEMENTED = 0x00050000 | errno.ENOSYS

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]
NUMBER, ARCH, ARGUMENTS = 0, 4, 16

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

# What the calls that are neither allowed nor refused as a whole may be asked for.
PRCTL_ALLOWED = (15, 16)  # PR_SET_NAME, PR_GET_NAME: the thread's own name
IOCTL_ALLOWED = (  # what Python asks of an open file; not TIOCSTI, which types into a terminal
    0x5401,  # TCGETS: is it a terminal?
    0x5413,  # TIOCGWINSZ: how wide?
    0x541B,  # FIONREAD: how much is there to read?
    0x5421,  # FIONBIO: os.set_blocking
    0x5450,  # FIONCLEX and FIOCLEX: os.set_inheritable
    0x5451,
)
FCNTL_REFUSED = (  # ways to have the kernel send a chosen signal to a chosen process, and watches
    8,  # F_SETOWN
    10,  # F_SETSIG
    15,  # F_SETOWN_EX
    1024,  # F_SETLEASE
    1026,  # F_NOTIFY
)
O_ACCMODE, O_TRUNC = 0o3, 0o1000

Step = tuple[int, int, int, int]  # code, steps to skip if true, if false, constant


def load(offset: int) -> Step:
    """Put the 32-bit word at `offset` of the call's description into the accumulator."""
    return (LOAD_WORD, 0, 0, offset)


def argument(index: int, *, high: bool = False) -> Step:
    """Load the lower (or upper) half of one of the call's arguments (little endian)."""
    return load(ARGUMENTS + 8 * index + 4 * high)


def skip_if_equal(value: int, then: int, otherwise: int = 0) -> Step:
    return (JUMP_EQUAL, then, otherwise, value)


def answer(verdict: int) -> Step:
    return (RETURN, 0, 0, verdict)


def refuse_if(*values: int) -> list[Step]:
    """Refuse if the accumulator holds one of `values`, else go on."""
    *first, last = values
    left = len(first)
    steps = [skip_if_equal(value, left - i) for i, value in enumerate(first)]
    return [*steps, skip_if_equal(last, 0, 1), answer(REFUSE)]


def refuse_unless(*values: int) -> list[Step]:
    """Refuse if the accumulator holds none of `values`, else go on."""
    left = len(values)
    return [*(skip_if_equal(v, left - i) for i, v in enumerate(values)), answer(REFUSE)]


def for_call(numbers: tuple[int, int | None], machine: str, steps: Sequence[Step]) -> list[Step]:
    """Run `steps` for one system call and allow it unless they refuse; others pass by.

    The accumulator must hold the call's number, and still does where others pass by.
    """
    value = number(numbers, machine)
    if value is None:
        return []
    return [skip_if_equal(value, 0, len(steps) + 1), *steps, answer(ALLOW)]


def opening(flags: int) -> list[Step]:
    """How a file may be opened, its flags being argument `flags`.

    Landlock judges reading and writing. Two ways would pass it by: access mode 3 asks for neither,
    and before ABI 3 a file opened for reading only is cut to nothing by O_TRUNC.
    """
    return [
        argument(flags),
        (AND, 0, 0, O_ACCMODE),
        *refuse_if(O_ACCMODE),
        argument(flags),
        (AND, 0, 0, O_ACCMODE | O_TRUNC),
        *refuse_if(O_TRUNC),
    ]


def build(machine: str, pid: int) -> list[Step]:
    """The whole filter for a process that may signal only itself.

    Args:
        machine: "x86_64" or "aarch64".
        pid: the process's own id.
    """
    own = [argument(0), *refuse_unless(pid)]
    no_new_limit = [  # prlimit64(0, resource, NULL, old) only reads
        *(argument(0), *refuse_unless(0)),
        *(argument(2), *refuse_unless(0)),
        *(argument(2, high=True), *refuse_unless(0)),
    ]
    steps = [load(ARCH), skip_if_equal(AUDIT_ARCH[machine], 1), answer(KILL_PROCESS), load(NUMBER)]
    # Newer calls, and on x86_64 those of the x32 table, which start at 2**30.
    steps += [(JUMP_GREATER, 0, 1, NEWEST), answer(NOT_IMPLEMENTED)]
    for call in ABSENT.values():
        steps += [skip_if_equal(number(call, machine), 0, 1), answer(NOT_IMPLEMENTED)]
    for calls in DENIED.values():
        known = (number(call, machine) for call in calls.values())
        steps += refuse_if(*(value for value in known if value is not None))
    for numbers, judged in [
        ((62, 129), own),  # kill
        ((200, 130), own),  # tkill: no threads, so the thread's id is the process's
        ((234, 131), own),  # tgkill
        ((302, 261), no_new_limit),  # prlimit64
        ((157, 167), [argument(0), *refuse_unless(*PRCTL_ALLOWED)]),  # prctl
        ((16, 29), [argument(1), *refuse_unless(*IOCTL_ALLOWED)]),  # ioctl
        ((72, 25), [argument(1), *refuse_if(*FCNTL_REFUSED)]),  # fcntl
        ((2, None), opening(flags=1)),  # open
        ((257, 56), opening(flags=2)),  # openat
    ]:
        steps += for_call(numbers, machine, judged)
    return [*steps, answer(ALLOW)]


class FilterProgram(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def apply(libc: ctypes.CDLL) -> None:
    """Put this thread under the filter, for good. Needs no_new_privs.

    Raises:
        OSError: this machine has no table here, or the kernel refuses the filter.
    """
    machine = os.uname().machine
    if machine not in AUDIT_ARCH or struct.calcsize("P") != 8:
        raise OSError(f"seccomp: no table of system calls for a {machine} process of this kind")
    steps = build(machine, os.getpid())
    text = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(text, len(text))
    program = FilterProgram(len(steps), ctypes.addressof(buffer))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp: the kernel refuses the filter")

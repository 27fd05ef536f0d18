"""Landlock: the kernel lets this process reach only the files it was given (landlock(7)).

The kernel's Landlock has grown; its version is called ABI. Each right below names the ABI that
brought it, and only rights the running kernel knows are asked for. A right that is asked for is
denied everywhere but where a rule grants it.
"""

import ctypes
import functools
import os
import stat
import struct
from collections.abc import Iterable

# linux/landlock.h, rights to files: name -> (bit, first ABI)
RIGHTS = {
    "EXECUTE": (1 << 0, 1),
    "WRITE_FILE": (1 << 1, 1),
    "READ_FILE": (1 << 2, 1),
    "READ_DIR": (1 << 3, 1),
    "REMOVE_DIR": (1 << 4, 1),
    "REMOVE_FILE": (1 << 5, 1),
    "MAKE_CHAR": (1 << 6, 1),
    "MAKE_DIR": (1 << 7, 1),
    "MAKE_REG": (1 << 8, 1),
    "MAKE_SOCK": (1 << 9, 1),
    "MAKE_FIFO": (1 << 10, 1),
    "MAKE_BLOCK": (1 << 11, 1),
    "MAKE_SYM": (1 << 12, 1),
    "REFER": (1 << 13, 2),  # move or link a file into another folder; ABI 1 never allows it
    "TRUNCATE": (1 << 14, 3),
    "IOCTL_DEV": (1 << 15, 5),
}
FILE_RIGHTS = ("EXECUTE", "WRITE_FILE", "READ_FILE", "TRUNCATE", "IOCTL_DEV")  # else folders only
LIST = ("READ_DIR",)
READ = ("READ_FILE", "READ_DIR")
# Plain files and folders. No links, sockets, pipes or devices, and nothing is executed.
WRITE = (*READ, "WRITE_FILE", "TRUNCATE", "REFER", "MAKE_REG", "MAKE_DIR")
WRITE += ("REMOVE_FILE", "REMOVE_DIR")

NETWORK, NETWORK_ABI = 0b11, 4  # BIND_TCP, CONNECT_TCP: no rule grants them
SCOPE, SCOPE_ABI = 0b11, 6  # ABSTRACT_UNIX_SOCKET, SIGNAL: none outside this process

# The same numbers on every machine.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1


@functools.cache
def bits(names: tuple[str, ...], abi: int) -> int:
    """The rights `names` as one number, without those that the kernel's ABI does not know."""
    return sum(bit for bit, since in (RIGHTS[name] for name in names) if since <= abi)


def ruleset(abi: int) -> bytes:
    """struct landlock_ruleset_attr, as long as this ABI knows it: everything is denied by it."""
    fields = [bits(tuple(RIGHTS), abi)]
    if abi >= NETWORK_ABI:
        fields.append(NETWORK)
    if abi >= SCOPE_ABI:
        fields.append(SCOPE)
    return struct.pack(f"={len(fields)}Q", *fields)


def call(libc: ctypes.CDLL, number: int, what: str, *arguments) -> int:
    """One of the three system calls, which the C library has no functions for."""
    answer = libc.syscall(ctypes.c_long(number), *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {what}: {os.strerror(code)}")
    return answer


def kernel_abi(libc: ctypes.CDLL) -> int:
    """The kernel's ABI, 1 or above.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off at boot.
    """
    size = ctypes.c_size_t(0)
    return call(libc, CREATE_RULESET, "version", None, size, CREATE_RULESET_VERSION)


def restrict(libc: ctypes.CDLL, grants: Iterable[tuple[str, tuple[str, ...]]], abi: int) -> None:
    """Confine this thread, for good, to the files granted. Needs no_new_privs.

    Args:
        grants: (path, names of rights); a folder's hold for all beneath it. A path that is
            missing, or that the user may not reach, is passed over: nothing is granted.
        abi: at most `kernel_abi(libc)`.

    Raises:
        OSError: the kernel refuses, saying what.
    """
    attributes, files_only = ruleset(abi), bits(FILE_RIGHTS, abi)
    rules = call(libc, CREATE_RULESET, "ruleset", attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path, names in grants:
            try:
                file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            try:
                rights = bits(names, abi)
                if not stat.S_ISDIR(os.fstat(file).st_mode):
                    rights &= files_only
                rule = struct.pack("=Qi", rights, file)  # struct landlock_path_beneath_attr
                call(libc, ADD_RULE, f"rule for {path}", rules, RULE_PATH_BENEATH, rule, 0)
            finally:
                os.close(file)
        call(libc, RESTRICT_SELF, "restrict", rules, 0)
    finally:
        os.close(rules)

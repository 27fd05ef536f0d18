"""What a process does to itself before it runs code that nobody has read.

Standard library only: the fork server (`forkserver.py`) loads it without the rest of the package.
Everything here holds for the calling process, for good, and for whatever it starts.
"""

import ctypes
import functools
import os
import signal
import struct
import sys
from collections.abc import Iterator, Sequence

from phi1_lib.sandbox import landlock, seccomp

STRONG, WEAK = "landlock+seccomp", "rlimits"

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CAPABILITY_VERSION = 0x20080522  # linux/capability.h, _LINUX_CAPABILITY_VERSION_3
# Of root's powers one is kept: reading files that are not root's own. Landlock still decides which.
CAP_DAC_READ_SEARCH = 1 << 2

DEVICES_READ = ("/dev/urandom", "/dev/random", "/dev/zero")
NULL_RIGHTS = ("READ_FILE", "WRITE_FILE", "TRUNCATE")
PACKAGES = ("site-packages", "dist-packages")


def set_limits(
    memory_bytes: int, cpu_seconds: int, file_bytes: int = 1 << 20, open_files: int = 64
) -> None:
    """Lower this process's limits, soft and hard, so that they cannot be raised again.

    (At level "rlimits", a process of root can; see the package's docstring.)

    Args:
        memory_bytes: address space, what is mapped already included. macOS does not limit it.
        cpu_seconds: CPU time; SIGXCPU then, SIGKILL a second later.
        file_bytes: the largest file the process may write.
        open_files: descriptors it may hold.
    """
    import resource  # here, so that this module can be imported on any system

    limits = {
        "RLIMIT_CPU": (cpu_seconds, cpu_seconds + 1),
        "RLIMIT_AS": (memory_bytes, memory_bytes),
        "RLIMIT_FSIZE": (file_bytes, file_bytes),
        "RLIMIT_NOFILE": (open_files, open_files),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NPROC": (0, 0),  # no child processes and no threads; the kernel exempts root
    }
    for name, (soft, hard) in limits.items():
        limit = getattr(resource, name)
        _, ceiling = resource.getrlimit(limit)
        if ceiling != resource.RLIM_INFINITY:  # the caller's own limits may be lower already
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(limit, (soft, hard))
        except (ValueError, OSError):
            if sys.platform == "darwin" and name == "RLIMIT_AS":
                continue  # macOS refuses to limit the address space
            raise


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies. Linux only; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def lock_down(read: Sequence[str], write: Sequence[str], listed: Sequence[str] = ()) -> None:
    """Confine this process: no new privileges, Landlock, seccomp. Linux only.

    Args:
        read: files and folders that may be read, all beneath them included.
        write: folders that may be read and written.
        listed: folders whose names may be listed (all beneath them, too), but not read.

    Raises:
        OSError: this system cannot; the process may then be confined in part: end it.
    """
    if sys.platform != "linux":
        raise OSError(f"Landlock and seccomp are Linux's; this is {sys.platform}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel refuses no_new_privs")
    grants = [(path, landlock.LIST) for path in listed]
    grants += [(path, landlock.READ) for path in (*DEVICES_READ, *read)]
    grants += [(os.devnull, NULL_RIGHTS)]
    grants += [(path, landlock.WRITE) for path in write]
    landlock.restrict(libc, grants, landlock.kernel_abi(libc))
    drop_capabilities(libc)
    seccomp.apply(libc)


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up root's powers, all but one; an ordinary user has none to give up."""
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    sets = ctypes.create_string_buffer(24)  # (effective, permitted, inheritable), twice 32 bits
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "the kernel does not say what capabilities there are")
    _, permitted, *_ = struct.unpack("=6I", sets.raw)
    kept = permitted & CAP_DAC_READ_SEARCH
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "the kernel refuses to drop capabilities")


@functools.cache
def level() -> str:
    """The strongest level this system offers: "landlock+seccomp", or "rlimits".

    Found once by confining a forked process and seeing what it may still do. Ask it from a process
    with one thread; others ask `phi1_lib.sandbox.ForkServer(...).level`.
    """
    if sys.platform != "linux":
        return WEAK
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            lock_down(read=(), write=())
            code = 0 if all(refused(f) for f in (lambda: os.listdir("/"), os.setsid)) else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return STRONG if status == 0 else WEAK


def refused(action) -> bool:
    try:
        action()
    except PermissionError:
        return True
    return False


def installation() -> tuple[list[str], list[str]]:
    """Return what Python itself must read: (files and folders to read, folders to list).

    That is the standard library, without the packages installed into it, and the folders of shared
    libraries. A library folder that also holds the standard library (`/usr/local/lib`, or conda's
    `lib`) gives its libraries only; the system's own (`/usr/lib64`) are given as a whole.
    """
    # Not by `sysconfig`, whose tables take longer to load than everything else here.
    standard = {os.path.realpath(os.path.dirname(os.__file__))}
    standard |= {os.path.realpath(p) for p in sys.path if os.path.basename(p) == "lib-dynload"}
    read = []
    for folder in standard:
        inside = list(entries(folder))
        if any(map(is_package, inside)):  # Landlock has no "all but": name each of the rest
            read += [entry for entry in inside if not is_package(entry)]
        else:
            read.append(folder)
    multiarch = getattr(sys.implementation, "_multiarch", "")
    system = [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"] if multiarch else []
    system += ["/lib64", "/usr/lib64"]
    for folder in sorted(mapped_folders() - {os.path.realpath(path) for path in system}):
        if any(path.startswith(folder + "/") for path in standard):
            read += [entry for entry in entries(folder) if ".so" in os.path.basename(entry)]
        elif not is_package(folder):
            read.append(folder)
    read += [*system, "/etc/ld.so.cache", "/usr/share/zoneinfo"]
    return read, sorted(standard)


def entries(folder: str) -> Iterator[str]:
    return (entry.path for entry in os.scandir(folder))


def is_package(path: str) -> bool:
    """Whether a path lies in a folder that packages are installed into."""
    return any(f"/{name}/" in f"{path}/" for name in PACKAGES)


def mapped_folders() -> set[str]:
    """Folders that hold this process's shared libraries (Linux; elsewhere nothing)."""
    try:
        with open("/proc/self/maps") as file:
            paths = [line.split(maxsplit=5)[5].strip() for line in file if ".so" in line]
    except OSError:
        return set()
    return {os.path.dirname(os.path.realpath(path)) for path in paths if path.startswith("/")}

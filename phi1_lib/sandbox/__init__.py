"""Running programs nobody has read: code a model wrote, code a learner handed in.

A fork server (a warm Python process with nothing of the caller's: `python -I`, no environment, no
open files) forks a child for each program. Before the program starts, the child makes a session of
its own, closes every descriptor but the given pipes, enters a scratch folder that is removed
afterwards, lowers its limits (memory, CPU time, file size, open files, processes) and, where the
system offers it, locks itself down by Landlock and seccomp. Neither root nor any package is needed.

How strongly a program was confined is part of every result (`Result.level`), and a program is never
run at less than the level its server has announced.

What every level promises (Linux, macOS):

- The caller comes back soon after the time limit, whatever the program does; its memory does not
  grow with the program's output.
- No such code runs in the caller's process; the caller's environment variables and open files are
  not handed on.
- "passed" means that the program's last line was reached. Exiting early with any code, printing
  anything, or raising cannot earn it: the child must return a random nonce, and its runner writes
  that only after the last line. While the program runs, no variable, frame, pipe or object that
  Python's introspection lists holds the nonce; the fork server never sees it.
- A file the program writes is 1 MiB at most, and it holds 64 open at most.

What level "landlock+seccomp" promises in addition (Linux with Landlock, which came with 5.13, on
x86_64 and aarch64; for root and ordinary users alike):

- No file is read but the scratch folder, Python's standard library, shared libraries, time zones
  and the random devices; not `/proc`, no installed package, no other program's files.
- No file is changed but in the scratch folder, and there only plain files and folders are made: no
  links, devices or pipes. Owners, permissions, times and attributes stay as they are.
- No process and no thread is started, no other program is run.
- No sockets of any kind: no network, no Unix sockets, no pairs (so no `asyncio` either).
- No other process is signalled, traced, read, slowed or reached by shared memory or messages.
- No limit is raised, no power gained; root's powers are given up first.
- No calls into the kernel's seldom used parts: `phi1_lib/sandbox/syscalls.py` lists every refused
  system call with the reason. What is refused fails with PermissionError; the program may go on.

What no level promises:

- It does not stop a program written to cheat. Whoever reads the process's own memory by `ctypes`,
  or uses trace hooks to skip the failing line, can forge a pass; and a program that replaces what
  the tests rely on (an `__eq__` that always says yes) truly reaches its last line.
- A hole in the kernel is a hole in the sandbox. A virtual machine is the stronger wall.
- The program can find out whether a file it knows by name exists, how large and how old it is,
  where a symbolic link leads, and which process ids are taken.
- The size of the scratch folder as a whole is not limited: until its time is over, a program can
  fill it with many files of up to 1 MiB. Output beyond 8 MiB on one stream ends the program.
- Packages that the system's package manager keeps right among its shared libraries (`/usr/lib64` on
  Fedora, `/usr/lib` on Arch) can be read; those in a virtual environment or on Debian cannot.
- String hashes differ from server to server, so a program whose result depends on the order of a
  set can change its verdict.

What level "rlimits" leaves open besides (macOS, older kernels):

- It does not hide the machine. The program can read files, write where the user may write, open
  network connections, and signal the user's other processes, the fork server included (which ends
  that program and costs a new server). Run it as a user with little to lose.
- As root, the kernel ignores the limit on processes, and root can raise the other limits again.
  A process that starts a session of its own outlives the time limit. As an ordinary user no child
  process and no thread can be started at all.
- The nonce can also be found through `/proc/self/mem`.
- On macOS the memory limit does not hold.

Each promise has its attack in `tests/sandbox/`.
"""

from phi1_lib.sandbox.run import Result, run_program, run_programs
from phi1_lib.sandbox.server import Child, ForkServer

__all__ = ["Child", "ForkServer", "Result", "run_program", "run_programs"]

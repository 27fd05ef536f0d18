"""Running programs nobody has read: code a model wrote, code a learner handed in.

Each program runs in a child process of its own: `python -I -S` (no user or site packages), a new
session, limits on memory, CPU time, file size and open files, an environment with nothing of the
caller's, a scratch folder that is removed afterwards, empty standard input, and a time limit after
which the whole process group is killed.

What this promises (level "rlimits", Linux, macOS):

- The caller comes back soon after the time limit, whatever the program does; its memory does not
  grow with the program's output.
- No model-written code runs in the caller's process; the caller's environment variables and open
  files are not handed on.
- "passed" means that the program's last line was reached. Exiting early with any code, printing
  anything, or raising cannot earn it: the child must return a random nonce, and its runner writes
  that only after the last line. While the program runs, no variable, frame, pipe or object that
  Python's introspection lists holds the nonce.

What it does not promise:

- It does not hide the machine. The program can read files, write where the user may write, open
  network connections, and signal the user's other processes. Run it as a user with little to lose.
- It does not stop a program written to cheat. Whoever reads the process's raw memory (`ctypes`,
  `/proc/self/mem`), or uses trace hooks to skip the failing line, can forge a pass; and a program
  that replaces what the tests rely on (an `__eq__` that always says yes) truly reaches its last
  line.
- As root, the kernel ignores the limit on processes, and root can raise the other limits again.
  A process that starts a session of its own outlives the time limit. As an ordinary user no child
  process and no thread can be started at all.
- A program can fill its scratch folder with many files of up to 1 MiB until its time is over.
- On macOS the memory limit does not hold.
- String hashes differ from run to run (`-I` ignores PYTHONHASHSEED), so a program whose result
  depends on the order of a set can change its verdict.
"""

from phi1_lib.sandbox.run import Result, run_program, run_programs

__all__ = ["Result", "run_program", "run_programs"]

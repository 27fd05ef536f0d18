"""Runs one program inside the child process. Started as `python -I -S -B runner.py ...`.

It imports nothing of ours: the file is a script, and a small start-up is most of a run's time.
Arguments: the program's path, the report pipe's descriptor, memory in MiB, CPU seconds.
The nonce (32 bytes) waits on standard input.
"""

import os
import sys

NONCE_BYTES = 32
EXIT_FAILED, EXIT_MEMORY, EXIT_NO_VERDICT = 1, 77, 78
FILE_BYTES = 1 << 20  # the largest file a program may write
OPEN_FILES = 64


def set_limits(memory_mb: int, cpu_seconds: int) -> None:
    """Lower this process's limits, soft and hard, so that the program cannot raise them again.

    (A process of root can; see the package's docstring.)
    """
    import resource  # here, so that the constants above can be imported on any system

    limits = {
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_AS": memory_mb << 20,
        "RLIMIT_FSIZE": FILE_BYTES,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,  # no child processes and no threads; the kernel exempts root
    }
    for name, value in limits.items():
        limit = getattr(resource, name)
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)  # the caller's own limits may be lower already
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            if sys.platform == "darwin" and name == "RLIMIT_AS":
                continue  # macOS refuses to limit the address space
            raise


def run(path: str) -> bytes:
    """Run the program; return b"" after its last line, else end the process."""
    module = type(sys)("__main__")  # a fresh module, so that `import __main__` finds the program
    sys.modules["__main__"] = module
    try:
        with open(path, encoding="utf-8") as file:
            code = compile(file.read(), "program.py", "exec")
        exec(code, module.__dict__)
        sys.stdout.flush()
        return b""
    except SystemExit:
        leave(EXIT_NO_VERDICT)
    except MemoryError:
        leave(EXIT_MEMORY)
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next  # without this file's frame
        sys.__excepthook__(type(error), error, error.__traceback__)
        leave(EXIT_FAILED)
    raise AssertionError("unreachable")


def leave(code: int, _exit=os._exit) -> None:
    """End at once, without exit handlers or waiting for threads the program left behind."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # a closed or replaced stream must not change the verdict
            pass
    _exit(code)


def main(write=os.write, leave=leave) -> None:
    """Read the nonce, run the program, report."""
    path, report, memory_mb, cpu_seconds = sys.argv[1], *map(int, sys.argv[2:])
    sys.argv[:] = ["program.py"]
    set_limits(memory_mb, cpu_seconds)
    # The nonce is never given a name. While the program runs it is a temporary value of this
    # expression: in no frame's variables, in no object the garbage collector lists, and no longer
    # in the pipe. It is written only if `run` returns, so only if the last line was reached.
    write(report, os.read(0, NONCE_BYTES) + close_stdin() + run(path))
    leave(0)


def close_stdin() -> bytes:
    """Replace standard input, now read, by an empty one."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return b""


if __name__ == "__main__":
    main()

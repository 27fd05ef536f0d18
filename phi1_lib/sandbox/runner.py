"""Runs one program inside a confined child of the fork server, which calls `child`.

The file stands alone: the child shall find no module of ours. Its folder holds `program.py`;
its descriptors are an input that holds the nonce (32 bytes), output, error output, and the pipe on
which it reports.
"""

import os
import sys

NONCE_BYTES = 32
EXIT_FAILED, EXIT_MEMORY, EXIT_NO_VERDICT = 1, 77, 78


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


def child(fds: list[int], write=os.write, leave=leave) -> None:
    """Read the nonce, run the program, report."""
    sys.argv[:] = ["program.py"]
    # The nonce is never given a name. While the program runs it is a temporary value of this
    # expression: in no frame's variables, in no object the garbage collector lists, and no longer
    # in the pipe. It is written only if `run` returns, so only if the last line was reached.
    write(fds[3], os.read(0, NONCE_BYTES) + close_stdin() + run("program.py"))
    leave(0)


def close_stdin() -> bytes:
    """Replace standard input, now read, by an empty one."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return b""

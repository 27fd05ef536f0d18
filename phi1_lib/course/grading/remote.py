"""The judge's side of an isolated submission: its functions are called in a confined process.

`Session` runs one submission in one child of the fork server, for one test. The test sees a proxy:
a call goes to the child by value, and only plain values come back (`codec.py`). What the learner's
function changes in its arguments is written back into the caller's. Callables, iterators and
mappings of the grader's own classes stay here; the child may call, step or look up, and nothing
more: attributes of the judge's objects could lead it to the answers. (A grader's class may list
methods in `exposes`.)

Known to differ from running in one process: no file can be written; gradients do not cross; two
arguments that are one object arrive as two; objects of the submission's own classes are equal to
themselves only.
"""

import atexit
import contextlib
import functools
import importlib.util
import os
import signal
import socket
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi1_lib.course.grading import codec
from phi1_lib.course.grading.proxies import (
    HANDLES,
    Remote,
    make_error,
    operations,
    remote_type,
    write_back,
)
from phi1_lib.course.grading.source import LEFT_THE_PROCESS, MissingNameError, SubmissionError
from phi1_lib.sandbox.scratch import remove_folder

# What a submission may read besides the standard library: torch and what it imports late.
READABLE = (
    *("torch", "torchgen", "functorch", "numpy", "sympy", "mpmath", "networkx", "jinja2"),
    *("markupsafe", "regex"),
)
MAX_ERRORS = 100  # of the judge's own that a session keeps
MAX_NESTING = 20  # calls from the judge into the submission into the judge ...
END_SECONDS = 1.0  # how long a process that hung up may take to end
# What decoding can raise when the message is no encoder's.
SUSPICIOUS = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError),
)
FORGED = "your code wrote to the grader's channel what is no answer"


class ConfinementError(RuntimeError):
    """No confined process can be made; no fault of the submission's."""


class RanOutOfTimeError(SubmissionError):
    """The submission took longer than a test may."""


@functools.cache
def fork_server():
    """The one fork server of this process, with torch imported."""
    from phi1_lib.sandbox.server import ForkServer

    server = ForkServer(
        Path(__file__).with_name("host.py"),
        preload=[name for name in ("torch", "numpy", "regex") if importlib.util.find_spec(name)],
        read=readable_folders(),
        site_packages=True,
    )
    atexit.register(server.close)
    importlib.import_module("torch")  # now, while the server warms up: no test's time goes to it
    return server


def readable_folders() -> list[str]:
    """The folders of the packages in `READABLE` that are installed."""
    specs = [importlib.util.find_spec(name) for name in READABLE]
    return [folder for spec in specs if spec for folder in spec.submodule_search_locations or ()]


class Session:
    """One submission in one confined process.

    Args:
        name: the submission's file name, for messages.
        text: its source.
        seed: what the process starts its random numbers from.
        missing: lines whose imports may fail until what they import is used.
        seconds: wall-clock time for everything the session does.
        memory_mb: MiB of memory, on top of what torch takes.

    Raises:
        SubmissionError: the process ended, took too long, or answered what is no answer; and what
            its text raises, as an error of the same name.
        ConfinementError: no confined process can be made here.
    """

    def __init__(
        self,
        name: str,
        text: str,
        *,
        seed: int = 0,
        missing: list[int] | None = None,
        seconds: float = 10.0,
        memory_mb: int = 1024,
    ) -> None:
        self.name, self.seconds, self.memory_mb = name, seconds, memory_mb
        self.nesting = 0
        self.mine: list[object] = []  # objects the child knows by number, kept alive
        # Raised here while the child was calling; the child may raise the latest again.
        self.errors: dict[int, BaseException] = {}
        self.raised = 0
        self.lost: SubmissionError | None = None
        self._start()
        self.deadline = time.monotonic() + seconds
        load = {"name": name, "text": text, "seed": seed, "missing": missing or []}
        load["packages"] = list(READABLE)
        try:
            self._exchange({"op": "load", "load": load})
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="phi1-submission-"))
        self.channel, theirs = socket.socketpair()
        try:
            with open(os.devnull, "r+b") as nothing, theirs:
                self.child = fork_server().start(
                    fds=[*[nothing.fileno()] * 3, theirs.fileno()],
                    folder=self._folder,
                    writable=False,
                    memory_mb=self.memory_mb,
                    cpu_seconds=int(self.seconds) + 2,
                )
        except OSError as error:
            self.channel.close()
            remove_folder(self._folder)
            raise ConfinementError(f"no confined process can be made here: {error}") from None

    def close(self) -> None:
        """End the process and what it started."""
        self.channel.close()
        self.child.kill()
        remove_folder(self._folder)

    def ask(self, op: str, on: int | None, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Have the child do something; write back what it changed in the arguments."""
        kwargs = kwargs or {}
        request = {"op": op, "on": on}
        request |= {"args": self.encode(list(args)), "kwargs": self.encode(kwargs)}
        reply = self._exchange(request)
        with self._suspicious():
            for place, tree in reply.get("changed", ()):
                given = kwargs[place] if isinstance(place, str) else args[place]
                write_back(given, self.decode(tree))
            return self.decode(reply["return"])

    def encode(self, value: object) -> Any:
        return codec.Encoder(self._number, exact=True).encode(value)

    def decode(self, tree: Any) -> Any:
        return codec.Decoder(self._object, self._tick).decode(tree)

    def _tick(self) -> None:
        if time.monotonic() > self.deadline:
            self._lose(self._too_long())

    def _exchange(self, request: dict) -> dict:
        """Send a request and serve the child's until its answer comes."""
        if self.lost is not None:
            raise self.lost
        self.nesting += 1
        try:
            self._send(request)
            while True:
                reply = self._receive()
                if "op" not in reply:
                    break
                self._serve(reply)
        finally:
            self.nesting -= 1
        if "raise" in reply:
            with self._suspicious():
                error = self._error(reply["raise"])
            raise error
        return reply

    def _send(self, message: dict) -> None:
        data = codec.pack(message)
        try:
            self.channel.settimeout(max(0.001, self.deadline - time.monotonic()))
            self.channel.sendall(data)
        except TimeoutError:
            self._lose(self._too_long())
        except OSError:
            self._lose(SubmissionError(self._end()))

    def _receive(self) -> dict:
        try:
            return codec.receive(self._read)
        except TimeoutError:
            self._lose(self._too_long())
        except EOFError:
            self._lose(SubmissionError(self._end()))
        except codec.CodecError:
            self._lose(SubmissionError(FORGED))

    def _read(self, size: int) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.channel.settimeout(left)
        try:
            return self.channel.recv(size)
        except ConnectionError:
            return b""

    def _lose(self, error: SubmissionError) -> None:
        """The child is of no more use: end it, and let every later call fail alike."""
        self.lost = error
        self.child.kill()
        raise error

    @contextlib.contextmanager
    def _suspicious(self) -> Iterator[None]:
        """Whatever goes wrong with what the child sent is the child's doing."""
        try:
            yield
        except SUSPICIOUS:
            self._lose(SubmissionError(FORGED))

    def _too_long(self) -> RanOutOfTimeError:
        return RanOutOfTimeError(
            f"your code was not done after {self.seconds:g} s: does a loop never end?"
        )

    def _end(self) -> str:
        """How the process ended, in words for the learner."""
        code = self.child.wait(END_SECONDS)
        if code is None:
            return "your code closed the grader's channel"
        if code >= 0:
            return LEFT_THE_PROCESS
        if -code == signal.SIGXCPU:
            return str(self._too_long())
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        if -code == signal.SIGKILL:
            return f"your code was stopped ({name}): did it take more than {self.memory_mb} MiB?"
        return f"your code crashed the Python process ({name})"

    # --- What the child asks of the judge's objects ---

    def _serve(self, request: dict) -> None:
        with self._suspicious():
            if self.nesting > MAX_NESTING:
                raise RuntimeError
            target, op = self.mine[_index(request["on"])], request["op"]
            args, kwargs = self.decode(request["args"]), self.decode(request["kwargs"])
            allowed = op in operations(target)
            if type(args) is not list or type(kwargs) is not dict:
                raise TypeError
        try:
            if not allowed:
                raise AttributeError("that is all there is to see of this object")
            reply = {"return": self.encode(operations(target)[op](*args, **kwargs))}
        except BaseException as error:
            if error is self.lost:
                raise
            kinds = [kind.__name__ for kind in type(error).__mro__]
            number = self._remember(error)
            reply = {"raise": {"kinds": kinds, "text": str(error)[:500], "number": number}}
        self._send(reply)

    def _remember(self, error: BaseException) -> int:
        """Keep an error, but not what its frames held: the child decides how many and how large."""
        traceback.clear_frames(error.__traceback__)
        number = self.raised
        self.raised += 1
        self.errors[number] = error
        self.errors.pop(number - MAX_ERRORS, None)
        return number

    def _number(self, value: object) -> list:
        """The handle of an object that crosses by number only."""
        if isinstance(value, Remote) and value._session is self:
            return ["o", value._number]
        for kind, fits in HANDLES.items():
            if fits(value):
                number = next((n for n, other in enumerate(self.mine) if other is value), None)
                if number is None:
                    self.mine.append(value)
                    number = len(self.mine) - 1
                return ["h", number, kind]
        raise codec.CodecError(
            f"a grader cannot pass a {type(value).__name__} to an isolated submission"
        )

    def _object(self, letter: str, parts: list) -> object:
        if letter == "o":
            return self.mine[_index(parts[0])]
        number, name, flags = parts
        return remote_type(str(name), str(flags))(self, _index(number))

    def _error(self, found: dict) -> BaseException:
        """An error like the one that the child describes; or the judge's own, come back."""
        line = found["line"] if type(found["line"]) is int else None
        if "judge" in found:
            error = self.errors[_index(found["judge"])]
        else:
            kinds = [str(kind)[:60] for kind in found["kinds"]]
            if kinds[0] == "CodecError":
                error = SubmissionError(f"your function's result cannot be graded: {found['text']}")
            elif kinds[0] == "SubmissionError":
                error = SubmissionError(str(found["text"])[:500])
            elif kinds[0] == "MissingNameError":
                error = MissingNameError(str(found["text"])[:200])
            else:
                error = make_error(kinds, str(found["text"])[:500], str(found["repr"])[:500])
        error.learner_line = line
        return error


def _index(number: object) -> int:
    """A number the child gave, if it can be a place in a list."""
    if type(number) is not int or number < 0:
        raise IndexError
    return number

"""The process in which an isolated submission runs: the entry of the judge's fork server.

Nothing here guards the grader: the submission shares this process and may change all of it. What
guards the grader is that the judge takes plain values only (`codec.py`), and that the kernel keeps
this process from everything else.

The judge asks, over the fourth descriptor, for the submission to be loaded, for a name, a call or
an item; while it waits for the answer, the submission may in turn call what the judge has passed.
"""

import builtins
import importlib.machinery
import importlib.util
import os
import random
import sys
from pathlib import Path
from typing import Any

MAX_TEXT = 500
FLAGS = {"c": "__call__", "i": "__iter__", "n": "__next__", "l": "__len__", "g": "__getitem__"}


def _sibling(name: str):
    """Load a file beside this one; `phi1_lib` is not importable here."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


codec, source = _sibling("codec"), _sibling("source")


def child(fds: list[int]) -> None:
    """Serve the judge until it closes the channel."""
    host = Host(fds[3])
    try:
        while True:
            host.serve(host.receive())
    except EOFError:
        return


class Readable:
    """Finds modules of the standard library and of some packages; others are as if not installed.

    The kernel refuses to read those anyway, but a refusal is a PermissionError, for which libraries
    that would do without an optional package are not prepared.
    """

    def __init__(self, packages: list[str]) -> None:
        self.tops = {*packages, *sys.stdlib_module_names}

    def find_spec(self, name: str, path=None, target=None):
        top = name.partition(".")[0]
        if top in self.tops or top.startswith("_sysconfigdata"):  # named after the system
            return importlib.machinery.PathFinder.find_spec(name, path, target)
        return None


class JudgeError(BaseException):
    """A check of the grader failed inside something that the submission called."""


class Host:
    """The submission's module, and the objects that each side knows by number."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.path = Path("submission.py")
        self.module: Any = None
        self.mine: list[object] = []  # objects that the judge holds by number
        self.theirs: dict[int, object] = {}  # what stands here for the judge's objects
        self.numbers: dict[int, int] = {}  # id of such an object -> its number

    def receive(self) -> dict:
        return codec.receive(lambda size: os.read(self.channel, size))

    def send(self, message: dict) -> None:
        data = codec.pack(message)
        while data:  # not by a socket's methods: their system calls are refused here
            data = data[os.write(self.channel, data) :]

    def encode(self, value: object) -> Any:
        return codec.Encoder(self._handle).encode(value)

    def decode(self, tree: Any) -> Any:
        return codec.Decoder(self._object, lambda: None).decode(tree)

    def _handle(self, value: object) -> list:
        if id(value) in self.numbers:
            return ["o", self.numbers[id(value)]]
        flags = "".join(flag for flag, name in FLAGS.items() if hasattr(type(value), name))
        self.mine.append(value)
        return ["h", len(self.mine) - 1, type(value).__name__, flags]

    def _object(self, letter: str, parts: list) -> object:
        if letter == "o":
            return self.mine[parts[0]]
        number, kind = parts
        if number not in self.theirs:
            made = KINDS[kind](self, number)
            self.theirs[number] = made
            self.numbers[id(made)] = number
        return self.theirs[number]

    def serve(self, request: dict) -> None:
        """Do what the judge asks and answer."""
        try:
            reply = self._answer(request)
        except BaseException as error:
            reply = {"raise": self._describe(error)}
        try:
            self.send(reply)
        except codec.CodecError as error:
            self.send({"raise": self._describe(error)})

    def _answer(self, request: dict) -> dict:
        if request["op"] == "load":
            self._load(**request["load"])
            return {"return": None}
        args, kwargs = self.decode(request["args"]), self.decode(request["kwargs"])
        before = [self._state(arg) for arg in [*args, *kwargs.values()]]
        found = self._operate(request["op"], request["on"], args, kwargs)
        places = zip([*range(len(args)), *kwargs], [*args, *kwargs.values()], before, strict=True)
        changed = []
        for place, arg, old in places:
            if old is not None and (new := self._state(arg)) != old:
                changed.append([place, new])
        return {"return": self.encode(found), "changed": changed}

    def _state(self, value: object) -> Any:
        """What an argument holds, to see later whether the submission has changed it."""
        return None if isinstance(value, int | str | float) else self.encode(value)

    def _operate(self, op: str, on: int | None, args: list, kwargs: dict) -> object:
        target = self.module if on is None else self.mine[on]
        if op == "attribute":
            return getattr(target, *args)
        if op == "call":
            return target(*args, **kwargs)
        return OPERATIONS[op](target, *args)

    def _load(
        self, name: str, text: str, seed: int, missing: list[int], packages: list[str]
    ) -> None:
        """Run the submission's text; imports on the lines `missing` may fail until used."""
        self.path = Path(name)
        known = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)
        sys.meta_path[:] = [*known, Readable(packages)]
        random.seed(seed)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seed)
        self.module = source.load_module(self.path, text, missing)

    def _describe(self, error: BaseException) -> dict:
        """An error as plain text, for the judge to make one like it."""
        if isinstance(error, JudgeError) or hasattr(error, "_phi1_number"):
            return {"judge": error._phi1_number, "line": source.learner_line(error, self.path)}
        kinds = [kind.__name__ for kind in type(error).__mro__]
        try:
            words, shown = str(error), repr(error)
        except Exception:
            words = shown = kinds[0]
        refused = isinstance(error, codec.CodecError)
        return {
            "kinds": ["CodecError"] if refused else kinds[:20],
            "text": words[:MAX_TEXT],
            "repr": shown[:MAX_TEXT],
            "line": source.learner_line(error, self.path),
        }

    def ask(self, op: str, number: int, args: tuple, kwargs: dict) -> Any:
        """Have the judge do something with an object of its own."""
        request = {"op": op, "on": number}
        request |= {"args": self.encode(list(args)), "kwargs": self.encode(kwargs)}
        self.send(request)
        while True:
            reply = self.receive()
            if "op" not in reply:
                break
            self.serve(reply)
        if "raise" in reply:
            raise self._judges_error(reply["raise"])
        return self.decode(reply["return"])

    def _judges_error(self, found: dict) -> BaseException:
        names = (getattr(builtins, name, None) for name in found["kinds"])
        base = next((kind for kind in names if isinstance(kind, type)), BaseException)
        if not issubclass(base, Exception):
            base = JudgeError
        error = type(found["kinds"][0], (base,), {"__str__": lambda self: found["text"]})()
        error._phi1_number = found["number"]
        return error


OPERATIONS = {"len": len, "iterate": iter, "next": next, "bool": bool}
OPERATIONS |= {
    "item": lambda target, key: target[key],
    "contains": lambda target, key: key in target,
}


# --- What stands here for objects of the judge -------------------------------------------------


def _function(host: Host, number: int):
    def function(*args, **kwargs):
        return host.ask("call", number, args, kwargs)

    return function


class JudgesIterator:
    """An iterator of the judge's."""

    def __init__(self, host: Host, number: int) -> None:
        self._ask = lambda op, *args: host.ask(op, number, args, {})

    def __iter__(self):
        return self

    def __next__(self):
        return self._ask("next")


class JudgesMapping(dict):
    """A mapping of the judge's; each look-up goes there. A dict only for `isinstance`."""

    def __init__(self, host: Host, number: int) -> None:
        self._ask = lambda op, *args: host.ask(op, number, args, {})

    __hash__ = object.__hash__

    def __getitem__(self, key):
        return self._ask("item", key)

    def __contains__(self, key):
        return self._ask("contains", key)

    def __len__(self):
        return self._ask("len")

    def __iter__(self):
        return self._ask("iterate")

    def get(self, key, default=None):
        return self._ask("get", key, default)

    def keys(self):
        return self._ask("keys")

    def values(self):
        return self._ask("values")

    def items(self):
        return self._ask("items")


class JudgesObject:
    """Any other object of the judge's: what its class lists in `exposes` can be called."""

    def __init__(self, host: Host, number: int) -> None:
        self._number, self._host = number, host

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._host.ask("attribute", self._number, (name,), {})

    def __call__(self, *args, **kwargs):
        return self._host.ask("call", self._number, args, kwargs)


KINDS = {
    "function": _function,
    "iterator": JudgesIterator,
    "mapping": JudgesMapping,
    "object": JudgesObject,
}

"""What stands on the judge's side for a submission's objects, and what it may do with the judge's.

A `session` here is a `remote.Session`: `ask` has the submission's process do something.
"""

import builtins
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def make_error(kinds: list[str], text: str, shown: str) -> Exception:
    """An exception named `kinds[0]`, derived from the first of `kinds` that Python itself has."""
    found = (getattr(builtins, kind, None) for kind in kinds)
    base = next((kind for kind in found if isinstance(kind, type)), Exception)
    if not issubclass(base, Exception) or issubclass(base, BaseExceptionGroup):  # cannot be empty
        base = Exception
    body = {"__init__": lambda self: None, "__str__": lambda self: text}
    body |= {"__repr__": lambda self: shown, "from_submission": True}
    return type(kinds[0] if kinds[0].isidentifier() else "Exception", (base,), body)()


# --- The judge's objects, as far as the child may use them -------------------------------------

HANDLES: dict[str, Callable[[object], bool]] = {
    "mapping": lambda value: isinstance(value, Mapping),
    "iterator": lambda value: isinstance(value, Iterator),
    "object": lambda value: bool(getattr(type(value), "exposes", ())),
    "function": callable,
}


def operations(value: Any) -> dict[str, Callable]:
    """What the child may do with an object of the judge's, by name."""
    if isinstance(value, Mapping):
        return {
            "item": lambda key: value[key],
            "contains": lambda key: key in value,
            "len": lambda: len(value),
            "iterate": lambda: iter(value),
            "get": value.get,
            "keys": lambda: iter(value.keys()),
            "values": lambda: iter(value.values()),
            "items": lambda: iter(value.items()),
        }
    if isinstance(value, Iterator):
        return {"next": lambda: next(value)}
    allowed: dict[str, Callable] = {"call": value} if callable(value) else {}
    names = getattr(type(value), "exposes", ())
    if names:
        allowed["attribute"] = lambda name: getattr(value, names[names.index(name)])
    return allowed


# --- The child's objects -----------------------------------------------------------------------


class Remote:
    """An object of the submission's. It is equal to itself only, whatever it claims."""

    def __init__(self, session: Any, number: int) -> None:
        self._session, self._number = session, number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.ask("attribute", self._number, (name,))

    def __bool__(self) -> bool:
        return self._session.ask("bool", self._number) is True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the submission>"


def _length(self: Remote) -> int:
    found = self._session.ask("len", self._number)
    return found if type(found) is int and found >= 0 else 0


METHODS = {
    "c": ("__call__", lambda self, *args, **kw: self._session.ask("call", self._number, args, kw)),
    "i": ("__iter__", lambda self: self._session.ask("iterate", self._number)),
    "n": ("__next__", lambda self: self._session.ask("next", self._number)),
    "l": ("__len__", _length),
    "g": ("__getitem__", lambda self, key: self._session.ask("item", self._number, (key,))),
}


@functools.lru_cache(256)
def remote_type(name: str, flags: str) -> type[Remote]:
    """A proxy class with the name of the object's class and the methods that it has."""
    name = name if name.isidentifier() and len(name) <= 60 else "object"
    return type(name, (Remote,), dict(METHODS[flag] for flag in flags))


class RemoteSubmission:
    """Stands for the submission's module in a test."""

    def __init__(self, session: Any) -> None:
        self.__dict__["_session"] = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.ask("attribute", None, (name,))


# --- Arguments that were changed ---------------------------------------------------------------


def write_back(old: Any, new: Any) -> None:
    """Make the caller's object hold what the child's copy holds now.

    What it holds stays the same objects where its length stayed the same.

    Raises:
        TypeError: the two are not of one kind.
    """
    import torch

    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        if old.shape == new.shape and old.dtype == new.dtype:
            with torch.no_grad():
                old.copy_(new)
        else:
            old.data = new.detach()
    elif isinstance(old, dict) and isinstance(new, dict):
        merged = {key: merge(old[key], new[key]) if key in old else new[key] for key in new}
        old.clear()
        old.update(merged)
    elif type(old) is not type(new):
        raise TypeError(f"a {type(old).__name__} became a {type(new).__name__}")
    elif isinstance(old, list | tuple) and len(old) == len(new):
        merged = [merge(mine, theirs) for mine, theirs in zip(old, new, strict=True)]
        if isinstance(old, list):
            old[:] = merged
    elif isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif hasattr(old, "dtype") and old.shape == new.shape:
        old[...] = new


def merge(old: Any, new: Any) -> Any:
    """The caller's own object with the new contents, or the new one where it is another."""
    try:
        write_back(old, new)
    except (TypeError, ValueError, RuntimeError):
        return new
    return old if isinstance(old, list | dict | set | bytearray) or hasattr(old, "dtype") else new

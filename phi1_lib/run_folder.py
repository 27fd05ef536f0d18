"""A run's folder belongs to one process at a time, and to one configuration for ever."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from phi1_lib.data.jsonl import read_json, write_json


@contextmanager
def held(folder: Path, identity: dict[str, Any]) -> Iterator[None]:
    """Hold the folder for this process, and check that it was made by this configuration.

    Args:
        folder: made if it does not exist.
        identity: what must not change between the processes that continue a run; kept in
            `run.json`.

    Raises:
        ValueError: another process holds the folder, or the run in it was made otherwise; the
            message names the first difference.
    """
    busy = f"{folder} is in use by another run; wait for it, or choose another with --out"
    with locked(folder, busy):
        _check_identity(folder, identity)
        yield


@contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Hold a folder, made if it does not exist, for this process.

    Raises:
        ValueError: another process holds it; `busy` is the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(busy) from None
    try:
        yield
    finally:
        lock.release()


def _check_identity(folder: Path, identity: dict[str, Any]) -> None:
    identity = json.loads(json.dumps(identity))
    path = folder / "run.json"
    if not path.exists():
        write_json(path, identity)
    elif (difference := first_difference(read_json(path), identity)) is not None:
        raise ValueError(
            f"{folder} holds a run made with another configuration ({difference}); "
            "choose another folder with --out, or delete this one"
        )


def first_difference(old: Any, new: Any, name: str = "") -> str | None:
    """Name the first place where two nested dictionaries differ, or None."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            inner = f"{name}.{key}" if name else key
            found = first_difference(old.get(key), new.get(key), inner)
            if found:
                return found
        return None
    return None if old == new else f"{name}: {old!r} there, {new!r} here"

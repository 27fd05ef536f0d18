"""Checkpoints: folders `step-000100/`, each whole or absent.

A checkpoint holds the weights (a Hugging Face folder, so `Phi.from_pretrained` reads it), the
optimizer's state, every rank's random state, and `checkpoint.json`: the step, the configuration
that made it, and a SHA-256 for every other file. It is written under a temporary name and renamed
when complete; the last two are kept.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError

KEEP = 2  # ours: one to continue from, one in case that one is damaged
DESCRIPTION_FILE = "checkpoint.json"
_NAME = re.compile(r"step-(\d{6,})")
# Fields that may change when a run continues: they do not touch the steps already made.
_FREE_FIELDS = {("train", "steps"), ("train", "checkpoint_every")}


class Engine(Protocol):
    """What the loop and the checkpoints ask of an engine (DeepSpeed's shape)."""

    rank: int
    ranks: int

    def save(self, folder: Path) -> None: ...
    def load(self, folder: Path) -> None: ...
    def barrier(self) -> None: ...


def checkpoint_step(path: Path) -> int:
    """The step of a checkpoint, from its name."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is not named like a checkpoint (step-000100)")
    return int(match[1])


def list_checkpoints(folder: str | Path) -> list[Path]:
    """All whole checkpoints in `folder`, oldest first."""
    found = [p for p in Path(folder).glob("step-*") if p.is_dir() and _NAME.fullmatch(p.name)]
    return sorted(found, key=checkpoint_step)


def latest_checkpoint(folder: str | Path) -> Path | None:
    """The newest whole checkpoint in `folder`, or None."""
    return next(reversed(list_checkpoints(folder)), None)


# --- Writing ---


def save_checkpoint(engine: Engine, folder: Path, step: int, made_by: dict[str, Any]) -> Path:
    """Write the checkpoint of `step` and drop all but the last `KEEP`. Every rank calls it.

    Args:
        made_by: the configuration, as `check_made_by` will compare it.

    Raises:
        OSError: the disk is full or cannot be written; earlier checkpoints stay as they were.
    """
    path = folder / f"step-{step:06d}"
    if path.exists():  # continued from it, and stopped again before the next
        return path
    with whole_folder(path, engine.rank) as partial:
        engine.barrier()
        engine.save(partial)
        write_state(_random_state(), partial / _random_file(engine.rank))
        engine.barrier()
        if engine.rank == 0:
            _write_description(partial, {"step": step, **made_by})
    if engine.rank == 0:
        for old in list_checkpoints(folder)[:-KEEP]:
            shutil.rmtree(old)
    engine.barrier()
    return path


@contextmanager
def whole_folder(path: Path, rank: int) -> Iterator[Path]:
    """Yield a temporary folder to write into; rename it to `path` at the end, remove it on errors.

    Rank 0 makes and renames it; the others wait for it at a barrier of the caller's.

    Raises:
        OSError: something could not be written, in one line.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        if rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        yield partial
        if rank == 0:
            shutil.rmtree(path, ignore_errors=True)
            partial.rename(path)
            _flush(path.parent)
    # A full disk is an OSError in Python, a RuntimeError (with the OSError behind it) in torch's
    # writer, and a SafetensorError in safetensors'.
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OSError(_write_failure(path, error)) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def remove_partial(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in folder.glob("*.partial"):
        shutil.rmtree(path)


def _write_failure(path: Path, error: Exception) -> str:
    free = shutil.disk_usage(path.parent).free
    reason = "the disk is full" if _disk_was_full(error) else str(error).splitlines()[0]
    earlier = latest_checkpoint(path.parent)
    stays = f"{earlier.name} stays" if earlier else "there is no earlier checkpoint"
    return (
        f"{path} could not be written: {reason} ({free / 1e9:.2f} GB free); {stays}; "
        "make room and run the same command again"
    )


def _disk_was_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with `torch.save`.

    By an open file: given a path, torch's own writer hides why it could not write.
    """
    with open(path, "wb") as file:
        torch.save(state, file)


def _write_description(folder: Path, description: dict[str, Any]) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {}
    for path in files:
        _flush(path)
        sums[path.relative_to(folder).as_posix()] = _sha256(path)
    target = folder / DESCRIPTION_FILE
    target.write_text(json.dumps(description | {"sha256": sums}, indent=2) + "\n", encoding="utf-8")
    _flush(target)


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk: a crash comes any time."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Reading ---


def read_description(path: Path) -> dict[str, Any]:
    """The content of `checkpoint.json`.

    Raises:
        ValueError: it is missing or damaged.
    """
    file = path / DESCRIPTION_FILE
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        return description | {"sha256": dict(description["sha256"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(_damaged(path, DESCRIPTION_FILE)) from None


def precision_of(path: Path) -> str:
    """The precision in which a checkpoint was made.

    Raises:
        ValueError: its description is missing or damaged.
    """
    try:
        return str(read_description(path)["train"]["precision"])
    except (KeyError, TypeError):
        raise ValueError(_damaged(path, DESCRIPTION_FILE)) from None


def check_made_by(path: Path, made_by: dict[str, Any]) -> None:
    """Check that a checkpoint was made by this configuration.

    Raises:
        ValueError: it was not; the message names the first field that differs.
    """
    description = read_description(path)
    for group, values in json.loads(json.dumps(made_by)).items():
        there = description.get(group)
        pairs = values.items() if isinstance(values, dict) else [(None, values)]
        for name, here in pairs:
            old = there.get(name) if isinstance(there, dict) else there
            if old != here and (group, name) not in _FREE_FIELDS:
                field = f"{group}.{name}" if name else group
                raise ValueError(
                    f"{path} was made with {field}={old!r}, and this run has {here!r}; continue "
                    "it with its own configuration, or train into another folder"
                )


def load_checkpoint(engine: Engine, path: Path) -> int:
    """Bring the engine and the random state back to a checkpoint; returns its step.

    Raises:
        ValueError: a file of the checkpoint is damaged or missing; the message names it.
    """
    description = read_description(path)
    if engine.rank == 0:
        for name, expected in description["sha256"].items():
            if not (path / name).is_file() or _sha256(path / name) != expected:
                raise ValueError(_damaged(path, name))
    engine.barrier()
    engine.load(path)
    state = read_state(path / _random_file(engine.rank))
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
    return description["step"]


def read_state(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read what `write_state` wrote. No code in the file is run."""
    return torch.load(path, map_location=map_location, weights_only=True)


def _damaged(path: Path, name: str) -> str:
    earlier = [p for p in list_checkpoints(path.parent) if p != path]
    then = f"continue from {earlier[-1].name}" if earlier else "start anew"
    return f"{path / name} is damaged or missing; delete the folder {path} to {then}"


def _random_file(rank: int) -> str:
    return f"random-rank{rank}.pt"


def _random_state() -> dict[str, torch.Tensor]:
    """The generators that dropout draws from on this rank."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    elif torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state

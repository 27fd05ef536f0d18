"""Samples in a file: OpenAI's JSON Lines, one {"task_id": ..., "completion": ...} a line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from phi1_lib.data.jsonl import write_jsonl


def write_samples(path: str | Path, completions: Mapping[str, Sequence[str]]) -> int:
    """Write the completions of each task, task by task in their order; return how many.

    The file is written under a temporary name and renamed, so it is whole or absent.
    """
    rows = (
        {"task_id": task_id, "completion": completion}
        for task_id, samples in completions.items()
        for completion in samples
    )
    return write_jsonl(path, rows)


def read_samples(path: str | Path) -> dict[str, list[str]]:
    """Read completions by task; the samples of a task keep the file's order.

    Keys other than "task_id" and "completion" are passed over, as are empty lines.

    Raises:
        ValueError: the file holds no sample, or a line is not UTF-8, not a JSON object, or lacks a
            key; the file and the line are named.
        OSError: the file cannot be read.
    """
    completions: dict[str, list[str]] = {}
    for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
        if line.strip():
            try:
                task_id, completion = _parse(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            completions.setdefault(task_id, []).append(completion)
    if not completions:
        raise ValueError(f'{path}: no samples; expected lines like {{"task_id", "completion"}}')
    return completions


def _parse(line: bytes) -> tuple[str, str]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise ValueError(f'expected an object with "task_id" and "completion", found {row!r:.40}')
    for key in ("task_id", "completion"):
        if not isinstance(row.get(key), str):
            raise ValueError(f'"{key}" is missing or not a string')
    return row["task_id"], row["completion"]

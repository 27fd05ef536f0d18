"""The record of a run: `metrics.jsonl`, one line a step."""

import json
import math
from pathlib import Path
from typing import Any, Self

FILE_NAME = "metrics.jsonl"


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """Read what a training run recorded; an empty list when there is nothing yet.

    Each line: `step` (from 1), `loss` (nats a token, mean over the batch), `learning_rate`,
    `grad_norm` (before clipping; null where 16-bit gradients overflowed and the step was skipped),
    `tokens` (read so far), `seconds` (wall time of this step).

    Raises:
        ValueError: a line is not JSON. Only the last may be broken: a killed run leaves it so.
    """
    path = Path(folder) / FILE_NAME
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number == len(lines):
                break
            raise ValueError(f"{path}, line {number} is not JSON; delete the file") from None
    return rows


class MetricsLog:
    """Appends to `metrics.jsonl` so that each step stands in it once.

    Opened at the step a run continues from: lines of later steps, left by a run that was killed
    after its last checkpoint, are cut.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / FILE_NAME
        kept = [row for row in read_metrics(folder) if row["step"] <= step]
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("".join(_line(row) for row in kept), encoding="utf-8")
        temporary.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, row: dict[str, Any]) -> None:
        """Append one step, whole: a reader never waits for a buffer to fill."""
        self._file.write(_line(row))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _line(row: dict[str, Any]) -> str:
    # JSON has no infinity and no NaN.
    plain = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()
    }
    return json.dumps(plain) + "\n"

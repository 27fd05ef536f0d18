"""One measurement in a process to itself, and what many of them say."""

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Run = dict[str, Any]  # what one measurement found
Report = dict[str, Any]


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process, so that its peak memory is its own.

    Nothing large may happen outside: a process's peak begins with that of the one that started it.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def in_turn(
    function: Callable[..., Run], repeats: dict[str, int], *arguments: Any
) -> dict[str, list[Run]]:
    """Measure `function(who, *arguments)` in new processes: everyone once, everyone again, ..."""
    runs: dict[str, list[Run]] = {who: [] for who in repeats}
    for turn in range(max(repeats.values())):
        for who, number in repeats.items():
            if turn < number:
                runs[who].append(alone(function, who, *arguments))
    return runs


def use_threads(number: int) -> None:
    """Let `tokenizers` use so many threads; it reads this before its first work."""
    os.environ["RAYON_NUM_THREADS"] = str(number)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if number > 1 else "false"


def timed(function: Callable[[], Any]) -> tuple[Any, Run]:
    """Call the function; return its result and what it cost this process.

    `before_mb` is the peak memory when the clock starts. Where one thread is allowed, processor
    time much above time is an error.
    """
    before, processor, start = _peak_mb(), time.process_time(), time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    processor = time.process_time() - processor
    assert processor < 1.1 * seconds or os.environ["RAYON_NUM_THREADS"] != "1"
    return result, {"s": seconds, "cpu_s": processor, "before_mb": before, "peak_mb": _peak_mb()}


def workers_peak() -> Run:
    """Return the peak memory of the largest process that this one has started and ended."""
    return {"worker_peak_mb": _peak_mb(resource.RUSAGE_CHILDREN)}


def _peak_mb(whose: int = resource.RUSAGE_SELF) -> float:
    peak = resource.getrusage(whose).ru_maxrss  # in kB; in bytes on macOS
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def summary(runs: Sequence[Run]) -> Report:
    """Return the median and the spread of measurements of the same thing."""

    def median(key: str, digits: int | None = None) -> float:
        return round(statistics.median(run[key] for run in runs), digits)

    return {
        "median_s": median("s", 4),
        "min_s": round(min(run["s"] for run in runs), 4),
        "max_s": round(max(run["s"] for run in runs), 4),
        "repeats": len(runs),
        "cpu_s": median("cpu_s", 4),
        **{key: median(key) for key in runs[0] if key.endswith("_mb")},
    }


def ratio(one: Report, other: Report) -> float:
    return round(one["median_s"] / other["median_s"], 2)


def agreed(runs: dict[str, list[Run]], key: str) -> Any:
    """Return what all measurements that know it found; it must be the same."""
    first, *others = [run[key] for found in runs.values() for run in found if key in run]
    assert all(other == first for other in others), key
    return first


def read(paths: Sequence[Path]) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in paths]

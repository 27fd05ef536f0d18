"""Going through a corpus that is larger than memory, in one process or in several."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from multiprocessing import current_process
from pathlib import Path
from typing import TypeVar

import regex

# What is held at a time, and what one task of a worker holds: enough to outweigh the cost of
# sending it, little beside memory.
BATCH_CHARACTERS = 1 << 20
BATCH_TEXTS = 1_000

_LAST_BORDER = regex.compile(r"(?r)(?<=\S)\s")  # (?r) searches from the end

Text = TypeVar("Text", str, str | Path)
Batch = TypeVar("Batch")
Result = TypeVar("Result")


def batches(
    texts: Iterable[Text], kinds: tuple[type, ...] = (str,)
) -> Iterator[tuple[int, list[Text]]]:
    """Gather texts until there is enough to do; yield the first one's number and all of them.

    Raises:
        ValueError: `texts` is one text alone, or holds something that is not one of `kinds`.
    """
    if isinstance(texts, str | bytes | Path):
        raise ValueError("texts must be an iterable of texts, not one alone: write [text]")
    batch: list[Text] = []
    size = number = 0
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"text {number - 1} is no {names} but {type(text).__name__}")
        batch.append(text)
        size += _size(text)
        if size >= BATCH_CHARACTERS or len(batch) == BATCH_TEXTS:
            yield number - len(batch), batch
            batch, size = [], 0
    if batch:
        yield number - len(batch), batch


def _size(text: str | Path) -> int:
    if isinstance(text, str):
        return len(text)
    try:
        return text.stat().st_size
    except OSError:
        return 0  # whoever reads the file says what is wrong with it


def map_batches(
    function: Callable[[Batch], Result], batches: Iterable[Batch], workers: int
) -> Iterator[Result]:
    """Apply a function to batch after batch, in order; in other processes if workers > 1.

    At most two batches a worker are read ahead, however slow the caller is to take the results.

    Raises:
        ValueError: `workers` is below 1, or above 1 in a daemonic process.
    """
    if workers < 1:
        raise ValueError(f"workers={workers}: must be at least 1")
    return map(function, batches) if workers == 1 else _in_processes(function, batches, workers)


def _in_processes(
    function: Callable[[Batch], Result], batches: Iterable[Batch], workers: int
) -> Iterator[Result]:
    from loky import ProcessPoolExecutor  # its workers need no `if __name__ == "__main__"`

    if current_process().daemon:
        raise ValueError(f"workers={workers}: a daemonic process starts no others; take workers=1")
    # For this call alone. Workers that wait for the next one (loky's reusable executor) may end
    # under a task just given, keep a child process from ending, and are dead to a forked one.
    executor = ProcessPoolExecutor(workers)
    waiting: deque[Future[Result]] = deque()
    try:
        for batch in batches:
            waiting.append(executor.submit(function, batch))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(kill_workers=True)


def read_blocks(path: Path, characters: int = BATCH_CHARACTERS) -> Iterator[str]:
    """Yield a file's text in blocks that have the same pieces as the whole.

    A block ends before whitespace that follows something else: there GPT-2's expression cuts in any
    case. Newlines stay as they are in the file.

    Raises:
        ValueError: the file cannot be read, or is not UTF-8 text.
    """
    text = ""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            while more := file.read(characters):
                searched = len(text)  # what is left over from before holds no border
                text += more
                if border := _LAST_BORDER.search(text, searched):
                    yield text[: border.start()]
                    text = text[border.start() :]
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); mend the path or leave the file out"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is not UTF-8 text; convert it, read it yourself with errors='replace', or "
            "leave it out"
        ) from None
    yield text

"""Files cut into snippets: the unit that the quality filter reads and judges.

A file of a real project is long and mixed: a licence banner, imports, a clear function, a class of
glue. Judged as a whole it says little, so each top-level function and class becomes a snippet of
its own, and what stands between them another.
"""

import ast
import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from phi1_lib.data.documents import Document

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def split_snippets(document: Document, max_lines: int = 60) -> list[Document]:
    """Cut a file into its top-level functions, its classes and the code between them.

    A definition keeps its decorators and the comments above it. What is longer than `max_lines` is
    cut at blank lines; so is a whole file that Python's parser refuses (Python 2, say). Every line
    that is not blank is in exactly one snippet, and blank lines at a snippet's ends are dropped.

    Args:
        document: a file, lines ended by "\\n".
        max_lines: the most lines of one snippet.

    Returns:
        Snippets in the order of the file, the text of each ended by "\\n". The id is
        "<file id>:<first>-<last>"; `meta` adds `first` and `last`, lines counted from 1, both
        included.

    Raises:
        ValueError: `max_lines` is below 1.
    """
    if max_lines < 1:
        raise ValueError(f"max_lines={max_lines}: must be at least 1")
    lines = document.text.split("\n")
    with _collector_paused():
        borders = [0, *_definition_borders(document.text, lines), len(lines)]
    snippets = []
    for begin, end in pairwise(borders):
        for first, last in _windows(lines, begin, end, max_lines):
            snippets.append(
                Document(
                    text="\n".join(lines[first:last]) + "\n",
                    id=f"{document.id}:{first + 1}-{last}",
                    source=document.source,
                    license=document.license,
                    meta={**document.meta, "first": first + 1, "last": last},
                )
            )
    return snippets


def _definition_borders(text: str, lines: list[str]) -> list[int]:
    """Return the line indices (from 0) between definitions, and between them and other code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a plain string, and the like
            statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # not this Python's grammar, a null byte, or nested too deeply
    borders = []
    for before, after in pairwise(statements):
        if isinstance(before, DEFINITIONS) or isinstance(after, DEFINITIONS):
            border = before.end_lineno  # as an index from 0: the line after the statement
            # Indented comments still belong to what stands above them.
            while not lines[border][:1].strip():
                border += 1
            borders.append(border)
    return borders


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector still; reading a corpus takes half the time.

    A syntax tree is many objects without cycles, which the collector would search over and over.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _windows(lines: list[str], begin: int, end: int, max_lines: int) -> Iterator[tuple[int, int]]:
    """Yield index ranges of at most `max_lines` that hold lines[begin:end] without blank ends."""
    while True:
        while begin < end and not lines[begin].strip():
            begin += 1
        while begin < end and not lines[end - 1].strip():
            end -= 1
        if begin == end:
            return
        cut = end if end - begin <= max_lines else _best_cut(lines, begin, max_lines)
        last = cut
        while not lines[last - 1].strip():
            last -= 1
        yield begin, last
        begin = cut


def _best_cut(lines: list[str], begin: int, max_lines: int) -> int:
    """Return where to cut after `begin`: at the last of the least indented lines after blank ones.

    The second half of the window is tried first, so that pieces do not get needlessly short.
    """
    middle, limit = begin + (max_lines + 1) // 2, begin + max_lines
    for candidates in (range(middle, limit + 1), range(begin + 1, middle)):
        cuts = [i for i in candidates if lines[i].strip() and not lines[i - 1].strip()]
        if cuts:
            return min(cuts, key=lambda i: (_indentation(lines[i]), -i))
    return limit


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())

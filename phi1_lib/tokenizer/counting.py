"""Counting the pieces of a corpus: all that training needs to know of it.

A corpus repeats itself, so its different pieces are few beside its text; only their counts are
kept. Counts add up in any order, so several processes give exactly what one gives.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from phi1_lib.tokenizer.corpus import batches, map_batches, read_blocks
from phi1_lib.tokenizer.pretokenize import pretokenize, reject_lone_surrogates


def count_pieces(
    texts: Iterable[str | Path], *, workers: int = 1, progress: bool = False
) -> Counter[bytes]:
    """Pre-tokenise every text and count the different pieces, as UTF-8 bytes.

    Args:
        texts: texts, or paths of UTF-8 text files, which are read where they are needed.
        workers: processes; the counts are the same for any number.
        progress: show a bar with the texts counted.

    Raises:
        ValueError: `texts` is one string, a text holds a lone surrogate, or a file cannot be read
            as UTF-8 text; the message names it.
    """
    counts: Counter[str] = Counter()
    with tqdm(desc="pieces", unit=" texts", disable=not progress, leave=False) as bar:
        for texts_counted, found in map_batches(_count_batch, batches(texts, (str, Path)), workers):
            counts.update(found)
            bar.update(texts_counted)
    return Counter({piece.encode("utf-8"): count for piece, count in counts.items()})


def _count_batch(batch: tuple[int, list[str | Path]]) -> tuple[int, Counter[str]]:
    first, texts = batch
    counts: Counter[str] = Counter()
    for number, text in enumerate(texts, start=first):
        if isinstance(text, str):
            reject_lone_surrogates(text, f"text {number}")
            counts.update(pretokenize(text))
        else:
            for block in read_blocks(text):
                counts.update(pretokenize(block))
    return len(texts), counts

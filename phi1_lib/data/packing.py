"""Documents laid end to end, and their borders found again.

phi-1 puts all files into one row of ids with `<|endoftext|>` between them and slices that row into
sequences (paper, section 2.3). Nothing is padded and nothing is thrown away, but a sequence may
hold the end of one document and the beginning of the next.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


def pack(token_lists: Iterable[Sequence[int]], end_of_text_id: int) -> Iterator[np.ndarray]:
    """Yield the ids of each document, int64 (length + 1,), ended by the end-of-text id."""
    for tokens in token_lists:
        ids = np.empty(len(tokens) + 1, dtype=np.int64)
        ids[:-1] = tokens
        ids[-1] = end_of_text_id
        yield ids


def document_bounds(ids: np.ndarray, end_of_text_id: int) -> np.ndarray:
    """Return where documents begin and end in packed ids, for attention that stays inside them.

    The end-of-text id is the last of its document. Ids after the last one are a document too, cut
    off by the slicing, as are those before the first.

    Args:
        ids: (N,) packed ids, or (B, T) sequences that will be laid end to end; each row's end is
            then a border as well.

    Returns:
        `cu_seqlens` for `phi1_lib.attention.attend`: int32 (documents + 1,), from 0 to N;
        document i is ids[cu_seqlens[i]:cu_seqlens[i + 1]].

    Raises:
        ValueError: `ids` is empty.

    >>> document_bounds(np.array([5, 6, 0, 7, 0, 8]), end_of_text_id=0).tolist()
    [0, 3, 5, 6]
    """
    ids = np.atleast_2d(ids)
    if ids.size == 0:
        raise ValueError("ids is empty: there is no document to find")
    last = ids == end_of_text_id
    last[:, -1] = True
    return np.concatenate([[0], np.flatnonzero(last) + 1]).astype(np.int32)

"""Applying the merges to one piece of text."""

import heapq
from collections.abc import Mapping

_GONE = -1  # stands where a token was joined into its left neighbour


def apply_merges(
    ids: list[int], merge_table: Mapping[tuple[int, int], tuple[int, int]]
) -> list[int]:
    """Join pairs in the order in which training found them, until none is left that it knows.

    Of all neighbouring pairs in the piece, the one with the lowest rank is joined first, the
    leftmost among equals. Looking through the whole piece for it each time would cost n^2 steps for
    a piece of n bytes; a heap of candidates and links between neighbours make it n log n, so a
    megabyte of letters without a space is no trap.

    Args:
        ids: the piece's bytes as token ids.
        merge_table: pair of ids -> (rank, id of the joined token).
    """
    tokens = list(ids)
    size = len(tokens)
    before, after = list(range(-1, size - 1)), list(range(1, size + 1))
    candidates: list[tuple[int, int]] = []  # (rank, position of the pair's left token)

    def consider(left: int) -> None:
        if left >= 0 and after[left] < size:
            found = merge_table.get((tokens[left], tokens[after[left]]))
            if found is not None:
                heapq.heappush(candidates, (found[0], left))

    for position in range(size - 1):
        consider(position)
    while candidates:
        rank, left = heapq.heappop(candidates)
        right = after[left]
        found = merge_table.get((tokens[left], tokens[right])) if right < size else None
        if found is None or found[0] != rank:  # one of the two changed since this was noted
            continue
        tokens[left], tokens[right] = found[1], _GONE
        after[left] = after[right]
        if after[right] < size:
            before[after[right]] = left
        consider(before[left])
        consider(left)
    return [token for token in tokens if token != _GONE]

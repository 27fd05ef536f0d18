"""Tokens that are matched in the text itself, before pre-tokenisation."""

import re
from collections.abc import Collection


def match_longest(texts: Collection[str]) -> re.Pattern[str] | None:
    """A pattern that finds the texts, from left to right, the longest first where two begin.

    The pattern is one group, so `split` gives ordinary, match, ordinary, match, ..., ordinary.
    None when there is nothing to find.
    """
    if not texts:
        return None
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("(" + "|".join(re.escape(text) for text in longest_first) + ")")

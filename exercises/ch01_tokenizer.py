"""Exercises of chapter 01: the tokenizer.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 1.1` in the chapter, or `pytest exercises --exercise 1.1` in a terminal.

A *pair* is a tuple of two token ids that stand side by side. Ids 0 to 255 are the 256 bytes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

Pair = tuple[int, int]


def utf8_length(text: str) -> int:
    """Exercise 1.1: How many bytes?

    Return how many bytes `text` has in UTF-8, without `encode` and `bytes`. A character takes

        1 byte   below U+0080          2 bytes  from U+0080, below U+0800
        3 bytes  from U+0800, below U+10000    4 bytes  from U+10000

    `ord(character)` gives the code point, the number after U+ (which is written in hexadecimal).

        utf8_length("née") -> 4
    """
    raise NotImplementedError("Exercise 1.1")


def count_pairs(pieces: Mapping[tuple[int, ...], int]) -> dict[Pair, int]:
    """Exercise 1.2: Count the pairs of many pieces.

    `pieces` maps each different piece (a tuple of ids) to how often the text holds it. Return how
    often each pair occurs, inside pieces only. In (7, 7, 7) the pair (7, 7) occurs twice. Pairs
    that do not occur are left out.

        count_pairs({(1, 2, 1): 3, (1, 2): 1}) -> {(1, 2): 4, (2, 1): 3}
    """
    raise NotImplementedError("Exercise 1.2")


def best_pair(counts: Mapping[Pair, int]) -> Pair:
    """Exercise 1.3: Choose the pair to merge.

    Return the pair with the highest count. Among equals, take the one whose left id is smaller;
    if these are equal too, the one whose right id is smaller. The order in which the pairs stand
    in `counts` plays no part. There is at least one pair.

        best_pair({(5, 2): 9, (3, 8): 9, (1, 1): 4}) -> (3, 8)
    """
    raise NotImplementedError("Exercise 1.3")


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Exercise 1.4: Merge without overlap.

    Return a new list in which each occurrence of `pair` is replaced by `new_id`, found from left
    to right. An id belongs to one occurrence at most. Leave `ids` unchanged.

        merge_pair([7, 7, 7, 1], (7, 7), 9) -> [9, 7, 1]
    """
    raise NotImplementedError("Exercise 1.4")


def train(
    texts: Sequence[str], vocab_size: int, split: Callable[[str], list[str]], min_count: int = 2
) -> list[Pair]:
    """Exercise 1.5: Train a tokenizer.

    Cut each text into pieces by `split(text)`, and each piece into its UTF-8 bytes. Then repeat:
    count all pairs inside pieces, choose the best (the rule of exercise 1.3), merge it in every
    piece (exercise 1.4) under the next free id: 256, 257, ... Stop when there are `vocab_size` ids,
    the 256 bytes included, or when the best pair occurs fewer than `min_count` times. Return the
    merged pairs in order.

        train(["aab aab"], 300, str.split) -> [(97, 97), (256, 98)]
    """
    raise NotImplementedError("Exercise 1.5")


def encode_piece(piece: bytes, ranks: Mapping[Pair, int]) -> list[int]:
    """Exercise 1.6: Encode by rank.

    `ranks` maps each pair that training merged to its place in the order: the first merge has rank
    0, and the merge of rank r makes the id 256 + r. Start from the piece's bytes. Again and again,
    look at the pairs that stand in the piece now, take the one with the lowest rank, and merge its
    occurrences (as in exercise 1.4), until no pair has a rank. Look pairs up in `ranks`; do not
    walk through it: phi-1's holds 50,000.

        encode_piece(b"aab", {(97, 98): 0, (97, 256): 1}) -> [257]
    """
    raise NotImplementedError("Exercise 1.6")


def decode(ids: Sequence[int], token_bytes: Sequence[bytes]) -> str:
    """Exercise 1.7: Decode what a model wrote.

    `token_bytes[i]` holds the bytes of token i. Return the text of `ids`. One character may be
    spread over several tokens. Bytes that are no valid UTF-8 become the character U+FFFD, as
    `bytes.decode` does with `errors="replace"`. An id that does not exist, a negative one too,
    raises a ValueError.

        decode([1, 0], [b"b", b"a"]) -> "ab"
    """
    raise NotImplementedError("Exercise 1.7")


def split_spaces(text: str, longest: int = 31) -> list[str]:
    """Exercise 1.8: Take out the runs of spaces.

    phi-1's tokenizer takes runs of 2 to `longest` spaces out of the text before anything else sees
    it. Return the parts in order: each run of at least two spaces is a part of its own, and so is
    the text between two runs. Of a run longer than `longest`, the first `longest` spaces are one
    part, and so on with the rest; a single space that is left over belongs to the text after it,
    like any single space. No part is empty; joined, the parts are the text.

        split_spaces("if a:\\n    b = 1") -> ["if a:\\n", "    ", "b = 1"]
    """
    raise NotImplementedError("Exercise 1.8")


def surviving_tokens(prompt: str, completion: str, encode: Callable[[str], list[int]]) -> int:
    """Exercise 1.9: Does the prompt end where a token ends?

    A model saw whole texts in training; at use it sees the prompt's tokens alone. Return how many
    of the prompt's tokens, from the first on, also begin the tokens of `prompt + completion`. If
    that is all of them, the prompt ends at a token's border.

        surviving_tokens("a ", "b", encode) -> 1   # if " b" is one token, "a" another
    """
    raise NotImplementedError("Exercise 1.9")


def encode_with_special(
    text: str,
    special_tokens: Mapping[str, int],
    allowed: Collection[str],
    encode: Callable[[str], list[int]],
) -> list[int]:
    """Exercise 1.10: Special tokens, only where allowed.

    `special_tokens` maps the text of each special token to its id; `encode` turns ordinary text
    into ids. Return the ids of `text`. Where the text of a special token named in `allowed` stands,
    its id stands; everything else, the text of other special tokens too, goes through `encode`,
    in stretches as long as possible. Where two allowed tokens begin at one place, the longer wins.
    Do not call `encode` with an empty text.

        encode_with_special("a<s>b", {"<s>": 300}, ["<s>"], encode)
            -> [*encode("a"), 300, *encode("b")]
        encode_with_special("a<s>b", {"<s>": 300}, [], encode) -> encode("a<s>b")
    """
    raise NotImplementedError("Exercise 1.10")


def tokenize_corpus(
    documents: Iterable[str], vocab_size: int, split: Callable[[str], list[str]], end_of_text: int
) -> tuple[list[Pair], list[int]]:
    """Exercise 1.11: Tokenise nano's corpus.

    Train on all documents together, by the rule of exercise 1.5 with `min_count=1`: merge the best
    pair until there are `vocab_size` ids, or until no pair is left. Return the merges and one list
    of ids: the pieces of each document in their order, encoded by the rule of 1.6, and after each
    document, an empty one too, the id `end_of_text`. `vocab_size` does not count that id.

    A corpus says the same things again and again: its many pieces are few different ones. So go
    through `documents` once (they may come from an iterator), `split` each once, train on each
    different piece once, and encode it once. You may call your own functions.

        tokenize_corpus(["aab aab", ""], 300, str.split, 999)
            -> ([(97, 97), (256, 98)], [257, 257, 999, 999])
    """
    raise NotImplementedError("Exercise 1.11")

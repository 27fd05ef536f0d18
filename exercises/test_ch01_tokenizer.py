"""Grades chapter 01.

Right answers come from Python's own codecs, from counting by hand and from Hugging Face's
`tokenizers`.

Every test compares with the right answer first. Only when that fails are the well-known wrong
answers computed, to say which mistake it looks like. Cases written by hand come first; the drawn
ones (`draw`) change with `--seed`.
"""

import json
import os.path
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random

import pytest

Mistakes = Iterable[tuple[object, str]]


def expect(found: object, right: object, mistakes: Mistakes, otherwise: str) -> None:
    """Fail unless found equals right; with the message of the mistake that it equals, if any."""
    if found == right and isinstance(found, type(right)) and not isinstance(found, bool):
        return
    if found is None:
        pytest.fail("your function returned None: is there a `return`?", pytrace=False)
    if not isinstance(found, type(right)):
        pytest.fail(
            f"your function returned a {type(found).__name__}; a {type(right).__name__} is asked",
            pytrace=False,
        )
    for wrong, message in mistakes:
        if found == wrong:
            pytest.fail(message, pytrace=False)
    pytest.fail(
        f"{otherwise}. You returned {_short(found)}, right is {_short(right)}", pytrace=False
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "..."


@pytest.fixture
def draw(seed) -> Random:
    """Draws the cases that `--seed` decides."""
    return Random(seed)


# --- 1.1 ---------------------------------------------------------------------------------------


@pytest.mark.exercise(
    "1.1",
    points=1,
    minutes=5,
    difficulty=1,
    section="Text is numbers already",
    forbids=("encode", "bytes", "bytearray"),
)
def test_ascii_takes_one_byte_each(submission):
    expect(submission.utf8_length("def f(x):"), 9, [], "nine ASCII characters are nine bytes")
    expect(submission.utf8_length(""), 0, [], "an empty text has no bytes")


def check_length(submission, text: str) -> None:
    units = len(text.encode("utf-16-le")) // 2
    expect(
        submission.utf8_length(text),
        len(text.encode()),
        [
            (len(text), "you counted characters; é is one character and two bytes"),
            (
                sum(1 if char.isascii() else 2 for char in text),
                "you gave every character beyond ASCII two bytes; € has three, 🙂 has four",
            ),
            (units, "these are the 16-bit units of UTF-16"),
            (2 * units, "these are the bytes of UTF-16; UTF-8 writes ASCII in one byte"),
            (
                sum(min(3, len(char.encode())) for char in text),
                "no character got four bytes; those from U+10000 on take four",
            ),
        ],
        f"{text!r} has another number of bytes in UTF-8",
    )


@pytest.mark.exercise("1.1")
@pytest.mark.parametrize(
    "text",
    ["née", "größer ≥ 3 €", "名前", "🙂 ok", "\U0001f600" * 3],
    ids=[
        "an accent",
        "two and three bytes",
        "three bytes",
        "four bytes",
        "four bytes, three times",
    ],
)
def test_other_characters_take_two_to_four(submission, text):
    check_length(submission, text)


@pytest.mark.exercise("1.1")
def test_drawn_texts(submission, draw):
    ranges = [(0x20, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0x10000, 0x10FFFF)]
    for _ in range(5):
        text = "".join(chr(draw.randint(*draw.choice(ranges))) for _ in range(draw.randint(3, 9)))
        check_length(submission, text)


@pytest.mark.exercise("1.1")
@pytest.mark.parametrize("border", [0x80, 0x800, 0x10000], ids="U+{:04X}".format)
def test_the_borders(submission, border):
    for code in (border - 1, border):
        right = len(chr(code).encode())
        found = submission.utf8_length(chr(code))
        assert found == right, (
            f"U+{code:04X} takes {right} bytes, you say {found}: the border belongs to the "
            "longer form (U+0080 is the first with two bytes)"
        )


# --- 1.2 ---------------------------------------------------------------------------------------

PIECES = {(1, 2, 1): 3, (1, 2): 1, (7, 7, 7): 2, (5,): 9}


@pytest.mark.exercise(
    "1.2", points=1, minutes=8, difficulty=1, section="Join what often stands together"
)
def test_counts_inside_pieces(submission):
    right = {(1, 2): 4, (2, 1): 3, (7, 7): 4}
    across = Counter(right)
    flat = [token for piece, count in PIECES.items() for token in piece * count]
    once_each = [token for piece in PIECES for token in piece]
    expect(
        submission.count_pairs(dict(PIECES)),
        right,
        [
            (
                {(1, 2): 2, (2, 1): 1, (7, 7): 2},
                "every piece was counted once: multiply by how often the text holds it",
            ),
            (
                {(1, 2): 4, (2, 1): 3, (7, 7): 2},
                "in (7, 7, 7) the pair (7, 7) occurs twice: count places, not joins",
            ),
            ({(1, 2): 7, (7, 7): 4}, "(1, 2) and (2, 1) are two pairs: the order matters"),
            (
                {(1, 2): 3, (7, 7): 2},
                "the last pair of each piece is missing: n ids have n - 1 pairs",
            ),
            (
                dict(Counter(zip(flat, flat[1:], strict=False))),
                "you counted pairs across two pieces: joined pieces make pairs that never merge",
            ),
            (
                dict(Counter(zip(once_each, once_each[1:], strict=False))),
                "you counted pairs across two pieces, and each piece once",
            ),
            (
                dict(across) | {(1, 1): 0},
                "pairs that do not occur must be left out",
            ),
        ],
        "the counts are wrong",
    )


@pytest.mark.exercise("1.2")
def test_a_dictionary_without_zeros(submission):
    found = submission.count_pairs({(5,): 9, (): 2})
    assert found == {}, f"pieces of one id or none have no pairs; you returned {_short(found)}"


def pairs_of(pieces: dict[tuple[int, ...], int]) -> dict[tuple[int, int], int]:
    return dict(
        Counter(
            piece[i : i + 2]
            for piece, count in pieces.items()
            for _ in range(count)
            for i in range(len(piece) - 1)
        )
    )


@pytest.mark.exercise("1.2")
def test_drawn_pieces(submission, draw):
    for _ in range(5):
        pieces = {
            tuple(draw.choices(range(4), k=draw.randint(1, 5))): draw.randint(1, 6)
            for _ in range(6)
        }
        once = pairs_of(dict.fromkeys(pieces, 1))
        mistake = "every piece was counted once: multiply by how often the text holds it"
        found = submission.count_pairs(dict(pieces))
        expect(found, pairs_of(pieces), [(once, mistake)], f"the counts of {pieces} are wrong")


# --- 1.3 ---------------------------------------------------------------------------------------


@pytest.mark.exercise("1.3", points=1, minutes=8, difficulty=2, section="The best pair")
def test_the_highest_count_wins(submission):
    expect(
        submission.best_pair({(1, 1): 4, (300, 2): 9, (3, 8): 5}),
        (300, 2),
        [
            ((1, 1), "you took the smallest pair: the count comes first, ids only break ties"),
            ((3, 8), "this pair has neither the highest count nor the smallest ids"),
        ],
        "the pair with the highest count is another",
    )


@pytest.mark.exercise("1.3")
@pytest.mark.parametrize("backwards", [False, True], ids=["one order", "the other order"])
def test_ties(submission, backwards):
    counts = {(6, 1): 9, (5, 2): 9, (3, 9): 9, (3, 8): 9, (4, 0): 9, (1, 1): 4}
    given = dict(reversed(counts.items())) if backwards else counts
    expect(
        submission.best_pair(given),
        (3, 8),
        [
            (
                next(pair for pair in given if given[pair] == 9),
                "you took the first in the dictionary: a tie must not depend on the order of "
                "counting",
            ),
            ((6, 1), "you took the largest pair among equals; the smallest is asked"),
            ((4, 0), "you compared the right ids first, or the sum; the left id decides first"),
            ((3, 9), "left ids are equal in (3, 8) and (3, 9): then the smaller right id decides"),
            ((1, 1), "you took the smallest pair of all; its count is lower"),
        ],
        "the tie was broken in another way",
    )


@pytest.mark.exercise("1.3")
def test_drawn_counts(submission, draw):
    for _ in range(5):
        pairs = {(draw.randrange(99), draw.randrange(99)): draw.randint(1, 3) for _ in range(12)}
        most = max(pairs.values())
        equals = sorted(pair for pair, count in pairs.items() if count == most)
        expect(
            submission.best_pair(dict(pairs)),
            equals[0],
            [
                (equals[-1], "you took the largest pair among equals; the smallest is asked"),
                (min(pairs), "you took the smallest pair of all; its count is lower"),
            ],
            f"of {pairs} another pair is the best",
        )


# --- 1.4 ---------------------------------------------------------------------------------------


@pytest.mark.exercise("1.4", points=1, minutes=10, difficulty=2, section="The merge")
@pytest.mark.parametrize(
    ("ids", "right"),
    [
        ([1, 2, 3, 1, 2], [9, 3, 9]),
        ([2, 1, 1, 2], [2, 1, 9]),
        ([1], [1]),
        ([], []),
    ],
    ids=["twice", "reversed pairs", "one id", "nothing"],
)
def test_every_occurrence_is_replaced(submission, ids, right):
    expect(
        submission.merge_pair(list(ids), (1, 2), 9),
        right,
        [
            ([9, 3, 1, 2], "only the first occurrence was merged"),
            ([9, 3, 1], "the last id was lost: mind the end of the list"),
            ([2, 1], "the last id was lost: mind the end of the list"),
            ([9, 9], "(2, 1) was merged like (1, 2): the order matters"),
            ([9, 2, 3, 9, 2], "the right half stayed: the pair's two ids become one"),
        ],
        f"merge_pair({ids}, (1, 2), 9) is wrong",
    )


@pytest.mark.exercise("1.4")
@pytest.mark.parametrize(
    ("length", "right"),
    [(2, [9]), (3, [9, 7]), (5, [9, 9, 7])],
    ids=["two alike", "three alike", "five alike"],
)
def test_occurrences_do_not_overlap(submission, length, right):
    expect(
        submission.merge_pair([7] * length, (7, 7), 9),
        right,
        [
            (
                [9] * (length - 1),
                "occurrences overlap: an id that was merged must not be used again, so go on "
                "two places further",
            ),
            (right[::-1], "you merged from right to left"),
            ([9, *[7] * (length - 2)], "only the first occurrence was merged"),
            ([9] * (length // 2), "the id left over at the end was lost"),
        ],
        f"{length} times 7 merge in another way",
    )


@pytest.mark.exercise("1.4")
def test_the_list_given_stays_as_it_is(submission):
    ids = [1, 2, 1, 2]
    submission.merge_pair(ids, (1, 2), 9)
    assert ids == [1, 2, 1, 2], "your function changed the list it was given: build a new one"


@pytest.mark.exercise("1.4")
def test_drawn_lists(submission, draw):
    for _ in range(8):
        ids = draw.choices(range(1, 4), k=draw.randint(2, 12))
        pair, new_id = (draw.randint(1, 3), draw.randint(1, 3)), draw.randint(4, 99)
        # Python's own replacement in a text goes from left to right, without overlap.
        text = "".join(map(chr, ids)).replace("".join(map(chr, pair)), chr(new_id))
        found = submission.merge_pair(list(ids), pair, new_id)
        expect(found, [ord(char) for char in text], [], f"merge_pair({ids}, {pair}, {new_id})")


# --- 1.5 ---------------------------------------------------------------------------------------

WORDS = ["low low low lower lowest", "newer newer wider", "wow wow wow wow"]


def naive(pieces, vocab_size, min_count, key=lambda counts: lambda p: (-counts[p], p)):
    """Merges of the asked rule on pieces of bytes; `key` makes the wrong ones."""
    pieces, merges = [list(piece) for piece in pieces], []
    while 256 + len(merges) < vocab_size:
        counts = Counter(p for ids in pieces for p in zip(ids, ids[1:], strict=False))
        if not counts:
            break
        best = min(counts, key=key(counts))
        if counts[best] < min_count:
            break
        for ids in pieces:
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == best:
                    ids[i : i + 2] = [256 + len(merges)]
                i += 1
        merges.append(best)
    return merges


def joined(parts: Iterable[Iterable]) -> list:
    return [item for part in parts for item in part]


def spaced(text: str) -> list[str]:
    """Words with the one space before them, as GPT-2 cuts."""
    first, *rest = text.split(" ")
    return [first, *(" " + word for word in rest)]


def check_merges(submission, texts: list[str], vocab_size: int) -> None:
    pieces = [piece.encode() for text in texts for piece in spaced(text)]
    right = naive(pieces, vocab_size, 2)
    pairs = Counter(joined(zip(piece, piece[1:], strict=False) for piece in pieces))
    at_first = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[: vocab_size - 256]
    mistakes = [
        (
            naive([text.encode() for text in texts], vocab_size, 2),
            "merges cross pieces: cut each text by split() and count inside the pieces only",
        ),
        (
            naive(sorted(set(pieces)), vocab_size, 2),
            "every different piece was counted once: a word that occurs twice counts twice",
        ),
        (
            naive(pieces, vocab_size, 2, lambda counts: lambda p: (-counts[p], -p[0], -p[1])),
            "ties went to the largest pair; the smallest is asked",
        ),
        (
            naive(pieces, vocab_size, 2, lambda counts: lambda p: -counts[p]),
            "ties went to the pair met first; the smallest is asked (exercise 1.3)",
        ),
        (
            naive(pieces, vocab_size, 2, lambda counts: lambda p: (counts[p], p)),
            "the rarest pair was merged; the most frequent is asked",
        ),
        (
            [pair for pair in at_first if pairs[pair] >= 2],
            "pairs were counted before the first merge only: each merge makes new ones",
        ),
        (right[:-1], "one merge is missing: vocab_size counts all ids, 0 to vocab_size - 1"),
        (
            naive(pieces, vocab_size + 1, 2),
            "one merge too many: there are 256 ids before the first",
        ),
        (naive(pieces, vocab_size + 256, 2), "vocab_size counts the 256 bytes too"),
        (naive(pieces, vocab_size, 1), "training went on below min_count, which is 2 here"),
    ]
    expect(
        submission.train(list(texts), vocab_size, spaced), right, mistakes, "the merges are wrong"
    )


@pytest.mark.exercise("1.5", points=3, minutes=25, difficulty=3, section="Where merges must not go")
@pytest.mark.parametrize("vocab_size", [256, 257, 262, 268], ids="vocabulary of {}".format)
def test_merges_in_order(submission, vocab_size):
    check_merges(submission, WORDS, vocab_size)


@pytest.mark.exercise("1.5")
def test_drawn_texts_train(submission, draw):
    for _ in range(3):
        words = ["".join(draw.choices("abcd", k=draw.randint(2, 5))) for _ in range(5)]
        texts = [" ".join(draw.choices(words, k=draw.randint(2, 8))) for _ in range(3)]
        check_merges(submission, texts, 256 + draw.randint(3, 9))


@pytest.mark.exercise("1.5")
def test_stops_when_pairs_are_rare(submission):
    pieces = [piece.encode() for text in WORDS for piece in spaced(text)]
    for min_count in (2, 3):
        expect(
            submission.train(list(WORDS), 400, spaced, min_count=min_count),
            naive(pieces, 400, min_count),
            [
                (naive(pieces, 400, 1), "training went on below min_count"),
                (
                    naive(pieces, 400, min_count + 1),
                    "a pair that occurs exactly min_count times is merged too",
                ),
            ],
            f"with min_count={min_count} the merges are wrong",
        )


@pytest.mark.exercise("1.5")
def test_nothing_left_to_merge(submission):
    try:
        found = submission.train(["ab"], 300, str.split, min_count=1)
    except (ValueError, IndexError, KeyError) as error:
        pytest.fail(
            f"when no pair is left training must stop, but your function raised {error!r}",
            pytrace=False,
        )
    expect(found, [(97, 98)], [], "train(['ab'], 300, str.split, min_count=1) is wrong")


@pytest.mark.exercise("1.5")
def test_characters_beyond_ascii_are_bytes(submission):
    expect(
        submission.train(["é né"], 257, str.split),
        [(0xC3, 0xA9)],
        [([], "é is two bytes: cut pieces into bytes by encode, not into characters by ord")],
        "é is the bytes 195 and 169",
    )


# --- 1.6 ---------------------------------------------------------------------------------------


class Lookup(dict):
    """Ranks that can be looked up, and refuse to be walked through."""

    def _refuse(self, *_):
        pytest.fail(
            "your function walks through all of ranks: look up the pairs of the piece instead",
            pytrace=False,
        )

    __iter__ = keys = values = items = _refuse


def ranks_of(*merges: tuple[int, int]) -> Lookup:
    return Lookup({pair: rank for rank, pair in enumerate(merges)})


@pytest.mark.exercise(
    "1.6", points=2, minutes=15, difficulty=3, section="Encoding: by rank, not by length"
)
def test_the_lowest_rank_goes_first(submission):
    # "abc": rank 0 joins b and c, so rank 1 (a and b) finds nothing any more.
    expect(
        submission.encode_piece(b"abc", ranks_of((98, 99), (97, 98))),
        [97, 256],
        [([257, 99], "you merged the leftmost pair; the one with the lowest rank goes first")],
        "encode_piece(b'abc') with b+c at rank 0, a+b at rank 1 is wrong",
    )
    expect(
        submission.encode_piece(b"ab", ranks_of((98, 99), (97, 98))),
        [257],
        [([256], "the merge of rank r makes the id 256 + r, whichever merges came before it")],
        "encode_piece(b'ab') with b+c at rank 0, a+b at rank 1 is wrong",
    )


@pytest.mark.exercise("1.6")
def test_merged_tokens_merge_again(submission):
    ranks = ranks_of((97, 98), (256, 99), (257, 100))
    expect(
        submission.encode_piece(b"abcd", ranks),
        [258],
        [
            ([256, 99, 100], "you stopped after one merge: look at the new pairs again"),
            ([97, 98, 99, 100], "nothing was merged"),
        ],
        "encode_piece(b'abcd') is wrong",
    )


@pytest.mark.exercise("1.6")
def test_the_longest_token_is_not_what_is_asked(submission):
    # Tokens: "ab" 256, "bc" 257, "bcd" 258. By rank "ab" is made first, and "bcd" never.
    expect(
        submission.encode_piece(b"abcd", ranks_of((97, 98), (98, 99), (257, 100))),
        [256, 99, 100],
        [
            ([97, 258], "you merged the highest rank, or the longest token; the lowest goes first"),
        ],
        "encode_piece(b'abcd') with a+b at rank 0, b+c at 1, bc+d at 2 is wrong",
    )


@pytest.mark.exercise("1.6")
def test_every_occurrence_and_no_overlap(submission):
    expect(
        submission.encode_piece(b"aaaab", ranks_of((97, 97), (97, 98))),
        [256, 256, 98],
        [
            (
                [256, 97, 257],
                "after the first merge the lowest rank is still rank 0, at another place",
            ),
            ([256, 256, 256, 98], "occurrences overlap: each id is used once"),
        ],
        "encode_piece(b'aaaab') with a+a at rank 0, a+b at rank 1 is wrong",
    )
    expect(submission.encode_piece(b"", ranks_of((97, 97))), [], [], "an empty piece has no tokens")
    expect(submission.encode_piece(b"x", ranks_of()), [120], [], "one byte is its own token")


@pytest.mark.exercise("1.6")
def test_drawn_pieces_encode(submission, draw):
    for _ in range(4):
        merges = naive([bytes(draw.choices(b"abc", k=30))], 256 + draw.randint(3, 8), 1)
        piece = bytes(draw.choices(b"abc", k=draw.randint(3, 12)))
        text = piece.decode()
        for rank, pair in enumerate(merges):  # learnt in order, so applied in order
            text = text.replace("".join(map(chr, pair)), chr(256 + rank))
        found = submission.encode_piece(piece, ranks_of(*merges))
        expect(
            found,
            [ord(char) for char in text],
            [(list(piece), "nothing was merged")],
            f"encode_piece({piece!r}) with the merges {merges} is wrong",
        )


# --- 1.7 ---------------------------------------------------------------------------------------

TOKENS = (b"a", b"\xc3", b"\xa9", b" caf", b"\xe2\x82", b"\xac")


@pytest.mark.exercise(
    "1.7", points=1, minutes=8, difficulty=2, section="Decoding, and half a character"
)
def test_a_character_over_two_tokens(submission):
    expect(
        submission.decode([3, 1, 2, 4, 5], list(TOKENS)),
        " café€",
        [
            (" caf\ufffd\ufffd\ufffd\ufffd", "you decoded token by token: join the bytes first"),
            (" caf", "you decoded token by token, and dropped what is no text: join first"),
            (" cafÃ©â\x82¬", "you read bytes as Latin-1; they are UTF-8"),
        ],
        "decode of ' caf', C3, A9, E2 82, AC is wrong",
    )


@pytest.mark.exercise("1.7")
def test_bytes_that_are_no_text(submission):
    try:
        found = submission.decode([0, 1, 0], list(TOKENS))
    except UnicodeDecodeError:
        pytest.fail("half a character must become U+FFFD, not an error", pytrace=False)
    expect(
        found,
        "a\ufffda",
        [
            ("aa", "the lone byte was dropped: it must show as U+FFFD"),
            ("aÃa", "you read bytes as Latin-1; they are UTF-8"),
            ("a\\xc3a", "the lone byte must become U+FFFD, not an escape"),
        ],
        "the byte C3 between two letters is wrong",
    )
    expect(submission.decode([], list(TOKENS)), "", [], "no ids are an empty text")


@pytest.mark.exercise("1.7")
@pytest.mark.parametrize("wrong", [6, -1], ids="id {}".format)
def test_ids_that_do_not_exist(submission, wrong):
    try:
        found = submission.decode([0, wrong], list(TOKENS))
    except ValueError:
        return
    except NotImplementedError:  # the stub: not written yet, not a wrong answer
        raise
    except Exception as error:
        pytest.fail(
            f"id {wrong} must raise ValueError, yours raised {type(error).__name__}", pytrace=False
        )
    pytest.fail(
        f"id {wrong} gave {found!r}: a list takes negative numbers from its end; check the id"
        if wrong < 0
        else f"id {wrong} does not exist and gave {found!r}: it must raise ValueError",
        pytrace=False,
    )


@pytest.mark.exercise("1.7")
def test_drawn_ids(submission, draw):
    for _ in range(5):
        ids = draw.choices(range(len(TOKENS)), k=draw.randint(2, 8))
        parts = [TOKENS[i] for i in ids]
        found = submission.decode(list(ids), list(TOKENS))
        expect(
            found,
            b"".join(parts).decode("utf-8", "replace"),
            [
                (
                    "".join(part.decode("utf-8", "replace") for part in parts),
                    "you decoded token by token: join the bytes first",
                )
            ],
            f"decode of {parts} is wrong",
        )


# --- 1.8 ---------------------------------------------------------------------------------------


@pytest.mark.exercise("1.8", points=2, minutes=15, difficulty=3, section="Indentation")
def test_indentation_is_a_part(submission):
    expect(
        submission.split_spaces("if a:\n    b = 1"),
        ["if a:\n", "    ", "b = 1"],
        [
            (["    "], "the text between the runs is missing"),
            (["if a:\n", "b = 1"], "the runs are missing"),
            (
                ["if", " ", "a:\n", "    ", "b", " ", "=", " ", "1"],
                "a single space is ordinary text: only runs of two and more are taken out",
            ),
            (
                ["if a:", "\n    ", "b = 1"],
                "a newline was taken for a space: only spaces are asked",
            ),
            (["if a:\n", "   ", " b = 1"], "the run's last space was left to the word after it"),
            (["if a:\n", "  ", "  ", "b = 1"], "the run was cut into twos: take the longest first"),
        ],
        "'if a:' with an indented second line is cut wrongly",
    )


@pytest.mark.exercise("1.8")
@pytest.mark.parametrize(
    ("count", "right"),
    [
        (31, [" " * 31, "x"]),
        (32, [" " * 31, " x"]),
        (33, [" " * 31, "  ", "x"]),
        (64, [" " * 31, " " * 31, "  ", "x"]),
    ],
    ids=["31 spaces", "32 spaces", "33 spaces", "64 spaces"],
)
def test_long_runs(submission, count, right):
    half = count // 2
    expect(
        submission.split_spaces(" " * count + "x"),
        right,
        [
            ([" " * count, "x"], "a run is longer than `longest`: no such token exists"),
            ([" " * half, " " * (count - half), "x"], "the run was halved: the longest goes first"),
            (
                [*([" " * (count % 31)] if count % 31 else []), *[" " * 31] * (count // 31), "x"],
                "the rest came first: the longest part goes first, from the left",
            ),
            ([" " * 31, " ", "x"], "a single space left over belongs to the text after it"),
            ([" " * 31, "x"], "spaces beyond the first 31 were lost"),
        ],
        f"{count} spaces and x are cut wrongly",
    )


@pytest.mark.exercise("1.8")
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", []),
        ("a b", ["a b"]),
        ("  ", ["  "]),
        ("a  ", ["a", "  "]),
        ("\t\t  \n", ["\t\t", "  ", "\n"]),
    ],
    ids=["no text", "one space", "only spaces", "at the end", "tabs and a newline"],
)
def test_edges(submission, text, right):
    expect(
        submission.split_spaces(text),
        right,
        [
            (["", *right], "no part may be empty"),
            ([*right, ""], "no part may be empty"),
            (["", *right, ""], "no part may be empty"),
            (["\t\t  \n"], "spaces between other whitespace count too"),
            (["\t\t  ", "\n"], "only spaces are asked: tabs stay ordinary text here"),
            (["a", " ", "b"], "a single space is ordinary text"),
        ],
        f"{text!r} is cut wrongly",
    )


@pytest.mark.exercise("1.8")
def test_another_longest(submission):
    expect(
        submission.split_spaces("a" + " " * 5, longest=3),
        ["a", "   ", "  "],
        [(["a", " " * 5], "`longest` is an argument: use it in place of 31")],
        "five spaces with longest=3 are cut wrongly",
    )


@pytest.mark.exercise("1.8")
def test_drawn_runs(submission, draw):
    for _ in range(5):
        longest = draw.randint(2, 6)
        text = "".join(draw.choice("ab\n") + " " * draw.randint(0, 9) for _ in range(5))
        right = [part for part in re.split(f"( {{2,{longest}}})", text) if part]
        expect(
            submission.split_spaces(text, longest),
            right,
            [],
            f"{text!r} with longest={longest} is cut wrongly",
        )


# --- 1.9 ---------------------------------------------------------------------------------------


def by_words(text: str) -> list[int]:
    """A tokenizer for the tests: a space joins the word after it; each piece has an id."""
    pieces = [""]
    for char in text:
        if char == " " or (pieces[-1].strip(" ") == "" and len(pieces[-1]) > 1):
            pieces.append(char)
        else:
            pieces[-1] += char
    return [sum(map(ord, piece)) for piece in pieces if piece]


@pytest.mark.exercise("1.9", points=1, minutes=8, difficulty=2, section="Where a prompt ends")
@pytest.mark.parametrize(
    ("prompt", "completion", "right"),
    [("a ", "b", 1), ("a b", " c", 2), ("a b", "c", 1), ("", "a", 0), ("a b c ", "d", 3)],
    ids=["a space at the end", "all survive", "a word grows", "no prompt", "a longer prompt"],
)
def test_counts_from_the_front(submission, prompt, completion, right):
    alone, together = by_words(prompt), by_words(prompt + completion)
    expect(
        submission.surviving_tokens(prompt, completion, by_words),
        right,
        [
            (len(alone), "you counted all tokens of the prompt; some are not in the whole text"),
            (len(together), "you counted the tokens of the whole text"),
            (right - 1, "one too few: if all tokens agree, all survive"),
            (right + 1, "one too many: stop before the first token that differs"),
        ],
        f"prompt {prompt!r}, completion {completion!r} give another number",
    )


@pytest.mark.exercise("1.9")
def test_stops_at_the_first_difference(submission):
    table = {"p": [1, 2, 3, 4], "pc": [1, 9, 3, 4, 5]}
    expect(
        submission.surviving_tokens("p", "c", table.__getitem__),
        1,
        [
            (3, "you counted equal tokens behind the first difference: stop there"),
            (4, "you counted all tokens of the prompt; some are not in the whole text"),
        ],
        "[1, 2, 3, 4] against [1, 9, 3, 4, 5] give another number",
    )
    moved = {"p": [1, 2, 3], "pc": [9, 1, 2, 3]}
    expect(
        submission.surviving_tokens("p", "c", moved.__getitem__),
        0,
        [(3, "a token at another place does not survive: compare place by place")],
        "[1, 2, 3] against [9, 1, 2, 3] give another number",
    )


@pytest.mark.exercise("1.9")
def test_encodes_the_whole_text_at_once(submission):
    seen = []

    def encode(text):
        seen.append(text)
        return by_words(text)

    submission.surviving_tokens("a ", "b", encode)
    assert sorted(seen) == ["a ", "a b"], (
        f"you encoded {seen}: encode the prompt, and prompt + completion as one text; the "
        "completion alone has other tokens"
    )


@pytest.mark.exercise("1.9")
def test_drawn_prompts(submission, draw):
    for _ in range(8):
        prompt, completion = ("".join(draw.choices("ab  ", k=draw.randint(1, 9))) for _ in "12")
        alone, together = by_words(prompt), by_words(prompt + completion)
        expect(
            submission.surviving_tokens(prompt, completion, by_words),
            len(os.path.commonprefix([alone, together])),
            [],
            f"prompt {prompt!r}, completion {completion!r}: {alone} against {together}",
        )


# --- 1.10 --------------------------------------------------------------------------------------

SPECIAL = {"<s>": 300, "<s>>": 301, "<end>": 302}


def by_bytes(text: str) -> list[int]:
    assert text, "you called encode with an empty text: leave such stretches out"
    return list(text.encode())


@pytest.mark.exercise(
    "1.10", points=2, minutes=15, difficulty=3, section="Tokens that are not text"
)
def test_allowed_tokens_get_their_ids(submission):
    expect(
        submission.encode_with_special("a<s>b<end>", dict(SPECIAL), ["<s>", "<end>"], by_bytes),
        [97, 300, 98, 302],
        [
            (list(b"a<s>b<end>"), "the special tokens were cut into bytes like ordinary text"),
            ([300, 302], "the text around the special tokens was lost"),
            ([97, 98, 300, 302], "the ids are not in the order of the text"),
            ([97, 98], "the special tokens were lost"),
            ([97, 300, *b"b<end>"], "only the first special token was found"),
        ],
        "'a<s>b<end>' is encoded wrongly",
    )
    expect(
        submission.encode_with_special("<s>b", dict(SPECIAL), ["<s>"], by_bytes),
        [300, 98],
        [([300], "the text after the last special token was lost")],
        "'<s>b' is encoded wrongly",
    )


@pytest.mark.exercise("1.10")
def test_others_are_ordinary_text(submission):
    for text, allowed, right in [
        ("a<end>b", [], list(b"a<end>b")),
        ("<s><end>", ["<s>"], [300, *b"<end>"]),
    ]:
        expect(
            submission.encode_with_special(text, dict(SPECIAL), list(allowed), by_bytes),
            right,
            [
                ([97, 302, 98], "a token that is not allowed became its id: that is the injection"),
                ([300, 302], "a token that is not allowed became its id: that is the injection"),
                ([97, 98], "text of a token that is not allowed was dropped; it is ordinary text"),
                ([300], "text of a token that is not allowed was dropped; it is ordinary text"),
            ],
            f"{text!r} with {allowed} allowed is encoded wrongly",
        )


@pytest.mark.exercise("1.10")
@pytest.mark.parametrize(
    "allowed", [["<s>", "<s>>"], ["<s>>", "<s>"]], ids=["shorter first", "longer first"]
)
def test_the_longer_token_wins(submission, allowed):
    expect(
        submission.encode_with_special("<s>>", dict(SPECIAL), list(allowed), by_bytes),
        [301],
        [([300, ord(">")], "the shorter token won: where two begin at one place, take the longer")],
        "'<s>>' is encoded wrongly",
    )


@pytest.mark.exercise("1.10")
def test_stretches_are_as_long_as_possible(submission):
    calls = []

    def encode(text):
        calls.append(text)
        return by_bytes(text)

    submission.encode_with_special("one two<end>three", dict(SPECIAL), ["<end>"], encode)
    assert calls == ["one two", "three"], (
        f"encode was called with {calls}: hand it the whole stretch between two special tokens, "
        "or merges inside it are lost"
    )


@pytest.mark.exercise("1.10")
def test_drawn_texts_with_tokens(submission, draw):
    for _ in range(5):
        allowed = draw.sample(list(SPECIAL), 2)
        text = "".join(draw.choice([*SPECIAL, "a", "b "]) for _ in range(8))
        longest_first = "|".join(sorted(map(re.escape, allowed), key=len, reverse=True))
        parts = [part for part in re.split(f"({longest_first})", text) if part]
        right = [
            i for part in parts for i in ([SPECIAL[part]] if part in allowed else part.encode())
        ]
        expect(
            submission.encode_with_special(text, dict(SPECIAL), list(allowed), by_bytes),
            right,
            [(list(text.encode()), "the special tokens were cut into bytes like ordinary text")],
            f"{text!r} with {allowed} allowed is encoded wrongly",
        )


# --- 1.11 --------------------------------------------------------------------------------------

Merges = list[tuple[int, int]]
Split = Callable[[str], list[str]]
MARKER, END = "<|endoftext|>", 50_256
BETWEEN = ("", " ", "\n", MARKER)  # what learners join documents with
# On these, each mistake below gives something of its own.
STORIES = ["low low low lower lowest née née", "", "newer newer wider low 🙂", "wow wow wow x low"]
THREES = ["abbbbabc", "cbaabbcbac", "bccbaabb"]


def in_threes(text: str) -> list[str]:
    """Three characters each: what stands inside one piece stands across two as well."""
    return [text[i : i + 3] for i in range(0, len(text), 3)]


def cut_all(documents: Iterable[str], split: Split) -> list[list[bytes]]:
    return [[piece.encode() for piece in split(document)] for document in documents]


def applied(merges: Merges, ids: Iterable[int]) -> list[int]:
    """The ids after one merge after the other, by Python's own replacement in a text."""
    text = "".join(map(chr, ids))
    for rank, (left, right) in enumerate(merges):
        text = text.replace(chr(left) + chr(right), chr(256 + rank))
    return [ord(char) for char in text]


def bytes_of_tokens(merges: Merges) -> list[bytes]:
    tokens = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


def longest_first(merges: Merges, piece: bytes) -> list[int]:
    """The longest token that fits, from the left: not what is asked."""
    tokens, ids = bytes_of_tokens(merges), []
    while piece:
        longest = max((token for token in tokens if piece.startswith(token)), key=len)
        ids.append(tokens.index(longest))
        piece = piece.removeprefix(longest)
    return ids


def training_mistakes(documents: list[str], vocab_size: int, split: Split) -> Iterator:
    """Wrong merges, each made when it is asked for."""
    texts = cut_all(documents, split)
    pieces = joined(texts)
    yield (
        naive(sorted(set(pieces)), vocab_size, 1),
        "every different piece was counted once: a pair counts as often as its piece occurs",
    )
    yield (
        naive([piece for text in texts for piece in set(text)], vocab_size, 1),
        "a piece was counted once in each document: it counts every time that it occurs",
    )
    for whole in (map(str.encode, documents), [b"".join(pieces)]):
        yield (
            naive(whole, vocab_size, 1),
            "merges cross pieces: cut each document by split() and count inside the pieces only",
        )
    for between in BETWEEN:
        yield (
            naive(*cut_all([between.join(documents)], split), vocab_size, 1),
            "documents were joined, and a pair stands across two of them: cut each by itself",
        )
    yield (
        [pair for text in texts for pair in naive(text, vocab_size, 1)],
        "each document was trained on by itself: count the pairs of all documents together",
    )
    yield (
        naive(pieces, vocab_size, 2),
        "training stopped at pairs that occur once: here it goes on until no pair is left",
    )
    yield (
        naive(pieces, vocab_size - 1, 1),
        "one merge is missing: vocab_size does not count end_of_text",
    )
    yield naive(pieces, vocab_size + 256, 1), "vocab_size counts the 256 bytes too"
    yield (
        naive(pieces, vocab_size, 1, lambda counts: lambda p: (-counts[p], -p[0], -p[1])),
        "ties went to the largest pair; the smallest is asked (exercise 1.3)",
    )
    yield (
        naive(pieces, vocab_size, 1, lambda counts: lambda p: -counts[p]),
        "ties went to the pair met first; the smallest is asked (exercise 1.3)",
    )
    yield (
        naive([map(ord, piece.decode()) for piece in pieces], vocab_size, 1),
        "é is two bytes: cut pieces into bytes by encode, not into characters by ord",
    )
    yield [], "there are no merges: an iterator can be gone through once, so keep the pieces"


def layout_mistakes(documents: list[str], merges: Merges, split: Split) -> Iterator:
    """Wrong ids for the right merges, each made when it is asked for."""
    texts = cut_all(documents, split)
    whole = [[document.encode()] for document in documents]
    first = list(dict.fromkeys(joined(texts)))

    def laid_out(texts: list, encode: Callable = applied, end: int = END) -> list[int]:
        return [i for text in texts for i in (*joined(encode(merges, p) for p in text), end)]

    yield [*laid_out(texts), END], "end_of_text stands once too often: one for each document"
    yield (
        joined(applied(merges, piece) for text in texts for piece in text),
        "end_of_text is missing: it follows each document",
    )
    yield [], "there are no ids: an iterator can be gone through once, so keep the pieces"
    yield laid_out(texts)[:-1], "end_of_text stands between documents only; it follows the last too"
    yield [END, *laid_out(texts)[:-1]], "end_of_text stands before each document; it follows it"
    yield (
        laid_out([text for text in texts if any(text)]),
        "an empty document was left out: end_of_text follows it like any other",
    )
    yield laid_out(texts, end=256 + len(merges)), "end_of_text is given: make no id of your own"
    yield (
        [laid_out([text]) for text in texts],
        "there is a list for each document: one list for all of them is asked",
    )
    for between in BETWEEN:
        yield (
            laid_out(cut_all([between.join(documents)], split)),
            "documents were joined: cut each by itself, and put end_of_text after it",
        )
    yield (
        laid_out(cut_all(joined(document.split(MARKER) for document in documents), split)),
        f"{MARKER} in a document became the id end_of_text: it is ordinary text there",
    )
    yield laid_out(whole), "whole documents were encoded: a merge must not join two pieces"
    yield (
        laid_out(texts, longest_first),
        "the longest token that fits was taken; the lowest rank goes first (exercise 1.6)",
    )
    yield laid_out(texts, lambda _, piece: piece), "these are the bytes: no merge was applied"
    yield (
        laid_out([list(dict.fromkeys(text)) for text in texts]),
        "a piece that occurs again was left out: write its ids wherever it stands",
    )
    for order in (first, sorted(first)):
        for end in ([], [END]):
            yield (
                joined(applied(merges, piece) for piece in order) + end,
                "each different piece stands once: encode it once, but write it wherever it stands",
            )
    yield (
        laid_out([sorted(text) for text in texts]),
        "the pieces are not in the order of the text",
    )


def two_lists(found: object) -> tuple[list, list]:
    """What was returned, if it has the form that is asked."""
    if found is None:
        pytest.fail("your function returned None: is there a `return`?", pytrace=False)
    if not isinstance(found, tuple) or [type(part) for part in found] != [list, list]:
        pytest.fail(
            f"two lists are asked, `return merges, ids`; you returned {_short(found)}",
            pytrace=False,
        )
    return found


def check_corpus(submission, documents, vocab_size, split, given: Callable = list) -> None:
    """Compare merges, then ids; `given` makes the argument from the list of documents."""
    texts = cut_all(documents, split)
    merges = naive(joined(texts), vocab_size, 1)
    right = [i for text in texts for i in (*joined(applied(merges, p) for p in text), END)]
    found = submission.tokenize_corpus(given(documents), vocab_size, split, END)
    found_merges, found_ids = two_lists(found)
    what = f"of {_short(documents)} with a vocabulary of {vocab_size} are wrong"
    mistakes = training_mistakes(documents, vocab_size, split)
    expect(found_merges, merges, mistakes, f"the merges {what}")
    mistakes = layout_mistakes(documents, merges, split)
    expect(found_ids, right, mistakes, f"the merges are right, but the ids {what}")


@pytest.mark.exercise(
    "1.11", points=3, minutes=30, difficulty=3, section="Your tokenizer on nano's corpus"
)
@pytest.mark.parametrize("vocab_size", [256, 258, 264], ids="vocabulary of {}".format)
def test_documents_by_hand(submission, vocab_size):
    check_corpus(submission, STORIES, vocab_size, spaced)


@pytest.mark.exercise("1.11")
def test_any_pieces(submission):
    check_corpus(submission, THREES, 260, in_threes)


@pytest.mark.exercise("1.11")
def test_trains_until_no_pair_is_left(submission):
    try:
        check_corpus(submission, THREES, 300, in_threes)
    except (ValueError, IndexError, KeyError) as error:
        pytest.fail(
            f"when no pair is left training must stop, but your function raised {error!r}",
            pytrace=False,
        )


@pytest.mark.exercise("1.11")
@pytest.mark.parametrize("documents", [[], ["", ""]], ids=["no documents", "empty documents"])
def test_nothing_to_train_on(submission, documents):
    try:
        check_corpus(submission, documents, 300, spaced)
    except (ValueError, IndexError, KeyError) as error:
        pytest.fail(
            f"{documents} has no pairs: there are no merges then; your function raised {error!r}",
            pytrace=False,
        )


@pytest.mark.exercise("1.11")
def test_each_document_is_cut_once(submission):
    cut = []

    def split(document):
        cut.append(document)
        return spaced(document)

    documents = [document for document in STORIES if document]
    submission.tokenize_corpus(list(documents), 264, split, END)
    for text in cut:
        assert text in documents, f"you called split with {_short(text)}: hand it one document"
    assert len(cut) == len(documents), (
        f"you called split {len(cut)} times for {len(documents)} documents: cut each of them once, "
        "and keep the pieces for encoding"
    )


@pytest.mark.exercise("1.11")
def test_documents_come_from_an_iterator(submission):
    check_corpus(submission, STORIES, 264, spaced, given=iter)


@pytest.mark.exercise("1.11")
def test_the_text_of_a_special_token_is_ordinary(submission):
    check_corpus(submission, [f"low{MARKER}lower", MARKER], 256, spaced)


@pytest.mark.exercise("1.11")
def test_drawn_documents(submission, draw):
    for split in (spaced, in_threes):
        documents = [
            "".join(draw.choices("abc é", k=draw.choice((0, 4, 12, 30)))) for _ in range(5)
        ]
        check_corpus(submission, documents, 256 + draw.randint(1, 12), split)


# --- 1.11 on nano's exercises ---


def words(text: str) -> list[str]:
    """GPT-2's pieces, where all is ASCII and nothing is contracted."""
    return re.findall(r" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", text)


def by_hugging_face(documents: list[str], vocab_size: int) -> tuple[Merges, list[list[int]]]:
    """Merges, and each document's ids, by `tokenizers`: each byte is a letter, in byte order."""
    import tokenizers

    letters = [chr(0x4E00 + byte) for byte in range(256)]
    cut = [
        ["".join(letters[byte] for byte in piece.encode()) for piece in words(document)]
        for document in documents
    ]
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=letters, show_progress=False
    )
    model.train_from_iterator(cut, trainer)
    ids = model.get_vocab()
    merges = json.loads(model.to_str())["model"]["merges"]
    texts = [model.encode(pieces, is_pretokenized=True).ids for pieces in cut]
    return [(ids[left], ids[right]) for left, right in merges], texts


@pytest.mark.exercise("1.11")
def test_nanos_exercises(submission, monkeypatch, seed):
    from phi1_lib.data.exercises import generate_exercises

    check_corpus(submission, STORIES, 264, spaced)  # a mistake shows here, in less time
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # threads take memory, which is limited
    problems, _ = generate_exercises(train=200, test=0, seed=seed)
    documents = [problem.prompt + problem.canonical_solution for problem in problems]
    merges, texts = by_hugging_face(documents, 512)
    found_merges, found = two_lists(submission.tokenize_corpus(list(documents), 512, words, END))
    for number, (mine, theirs) in enumerate(zip(found_merges, merges, strict=False)):
        assert mine == theirs, (
            f"merge {number} is {mine}: it is another in the trainer of `tokenizers`, which agrees "
            "with all merges before"
        )
    assert len(found_merges) == len(merges), (
        f"{len(found_merges)} merges are {256 + len(found_merges)} ids; 512 are asked"
    )
    tokens = bytes_of_tokens(merges)
    for token in set(found) - {END}:
        assert token in range(len(tokens)), f"there is no token with the id {token}"
    left = found
    for document, theirs in zip(documents, texts, strict=True):
        end = left.index(END) if END in left else len(left)
        mine, left = left[:end], left[end + 1 :]
        text = b"".join(tokens[i] for i in mine).decode("utf-8", "replace")
        assert text == document, f"the ids of {_short(document)} mean {_short(text)}"
        assert mine == theirs, (
            f"{_short(document)} comes back from its ids, but others have a lower rank"
        )
    assert found == joined([*ids, END] for ids in texts), (
        "the documents are right; end_of_text follows the last one, and nothing follows that"
    )

"""Stop strings, and what may be shown before they are decided, against the whole text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.generation import StopStrings

# A byte-level vocabulary: tokens of one or more bytes, some of them parts of characters.
TOKENS = [b"a", b"b", b"ab", b"\n", b"\nd", b"ef", b"d", b"e", b"f", b"b\n", b"\xc3", b"\xa9"]
TOKENS += [bytes([byte]) for byte in "\U0001f600".encode()]
TOKENS += ["é".encode(), "漢".encode()[:2], "漢".encode()[2:], b"aba", b"def x", b"\xff"]
TOKENS += ["漢".encode()[:1], "漢".encode()[1:2] + b"\xffa"]


def decode(ids: list[int]) -> str:
    return b"".join(TOKENS[i] for i in ids).decode("utf-8", errors="replace")


def ids_of(*tokens: bytes) -> list[int]:
    return [TOKENS.index(token) for token in tokens]


def first_cut(stops: StopStrings, ids: list[int]) -> tuple[int, int] | None:
    """Feed the ids one by one; return (ids fed, ids kept) at the first cut."""
    for count in range(1, len(ids) + 1):
        keep = stops.cut(ids[:count])
        if keep is not None:
            return count, keep
    return None


@pytest.mark.parametrize(
    ("tokens", "stop", "fed", "kept"),
    [
        ([b"a", b"\n", b"d", b"e", b"f", b"a"], "\ndef", 5, 1),  # spans four tokens
        ([b"a", b"\nd", b"ef", b"a"], "\ndef", 3, 1),
        ([b"a", b"\n", b"def x"], "\ndef", 3, 1),  # text after it is in its last token
        ([b"a", b"b\n", b"def x"], "\ndef", 3, 1),  # "b" shares a token with "\n": both go
        ([b"\n", b"def x"], "\ndef", 2, 0),  # at the very beginning
        ([b"a", b"\n", b"\n", b"def x"], "\ndef", 4, 2),
        ([b"aba", b"b"], "bab", 2, 0),  # it begins inside the first token
        ([b"aba", b"\n"], "bab", None, None),
        ([b"\xc3", b"\xa9", b"a"], "é", 2, 0),  # a character in two tokens
        (["漢".encode()[:2], "漢".encode()[2:], b"a"], "漢a", 3, 0),
        ([b"a", b"\xc3", b"a"], "é", None, None),
    ],
)
def test_where_it_stops_and_what_is_kept(tokens, stop, fed, kept):
    found = first_cut(StopStrings([stop], decode), ids_of(*tokens))
    assert found == (None if fed is None else (fed, kept))


def test_of_several_the_one_that_begins_first():
    stops = StopStrings(["ef", "def"], decode)
    assert first_cut(stops, ids_of(b"a", b"d", b"ef")) == (3, 1)


def test_a_tail_that_begins_inside_a_character_is_no_stop_string():
    """The last three of an emoji's four bytes decode as replacement characters."""
    ids = ids_of(*(bytes([byte]) for byte in "\U0001f600".encode()), b"a")
    assert decode(ids[-4:]).endswith("\ufffda")
    assert first_cut(StopStrings(["\ufffda"], decode), ids) is None


def slow_cut(ids: list[int], stop: list[str]) -> tuple[int, int] | None:
    """The same by its definition: look at the whole text after every id."""
    for count in range(1, len(ids) + 1):
        text = decode(ids[:count])
        begins = [text.index(s) for s in stop if s in text]
        if begins:
            before = text[: min(begins)]
            prefixes = [n for n in range(count + 1) if before.startswith(decode(ids[:n]))]
            return count, max(prefixes)
    return None


TOKEN_LISTS = st.lists(st.integers(0, len(TOKENS) - 1), max_size=30)
STOP = st.lists(st.integers(0, len(TOKENS) - 1), min_size=1, max_size=4).map(decode)
STOP = STOP.filter(lambda text: "\ufffd" not in text)


@given(TOKEN_LISTS, st.lists(STOP, min_size=1, max_size=3))
def test_the_tail_is_enough(ids, stop):
    assert first_cut(StopStrings(stop, decode), ids) == slow_cut(ids, stop)


@pytest.mark.parametrize(
    ("tokens", "stop", "shown"),
    [
        ([b"a", b"b"], [], 2),
        ([b"a", b"\n"], ["\ndef"], 1),
        ([b"a", b"\n", b"d"], ["\ndef"], 1),
        ([b"a", b"\n", b"a"], ["\ndef"], 3),
        ([b"a", b"b\n"], ["\ndef"], 1),  # "b" goes with its token if "def" follows
        ([b"a", b"b\n", b"d"], ["\ndef", "x"], 1),
        ([b"a", b"\n", b"\n"], ["\n\n\n"], 1),
        ([b"a", b"\n", b"\n"], ["\n\na", "\nd"], 1),  # of two beginnings the first
        ([b"aba"], ["abab"], 0),
        ([b"a", b"\xc3"], [], 1),  # half a character
        ([b"a", b"\xc3", b"\xa9"], [], 3),
        ([b"a", "漢".encode()[:2], "漢".encode()[2:]], ["漢a"], 1),
        ([b"a", b"\n", b"\xc3"], ["\né"], 1),  # the half character may complete it
        ([b"a", b"\xff", b"a"], [], 3),  # never a character
        ([b"\xc3", b"a"], [], 2),
        # The second id ends a character that breaks off, and begins a stop string: both wait.
        (["漢".encode()[:1], "漢".encode()[1:2] + b"\xffa"], ["ab"], 0),
    ],
)
def test_what_may_be_shown(tokens, stop, shown):
    assert StopStrings(stop, decode).settled(ids_of(*tokens)) == shown


@given(TOKEN_LISTS, st.lists(STOP, max_size=3))
def test_what_is_shown_is_never_taken_back(ids, stop):
    """Shown as the ids come, joined: at every time the final text begins with it."""
    stops = StopStrings(stop, decode)
    fed, kept = first_cut(stops, ids) or (len(ids), len(ids))
    final = decode(ids[:kept])
    shown, text = 0, ""
    for count in range(1, fed + 1):
        so_far = ids[: count if count < fed else kept]
        settled = stops.settled(so_far[shown:])
        text += decode(so_far[shown : shown + settled])
        shown += settled
        assert final.startswith(text)
    assert text + decode(ids[shown:kept]) == final


@given(TOKEN_LISTS, st.lists(STOP, max_size=3))
def test_what_is_held_back_can_still_change(ids, stop):
    """The first id held back: some ids that follow make a stop string or a character with it."""
    stops = StopStrings(stop, decode)
    if stops.stop and first_cut(stops, ids):
        return
    held = ids[stops.settled(ids) :]
    if held:
        text = decode(held)
        open_character = text.endswith("\ufffd")
        begun = any(text.rstrip("\ufffd").endswith(s[:n]) for s in stop for n in range(1, len(s)))
        assert open_character or begun


def test_no_stop_strings_need_no_decode():
    assert StopStrings([], None).cut([1, 2, 3]) is None

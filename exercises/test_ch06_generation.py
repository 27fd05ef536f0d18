"""Grades chapter 06. Right answers come from `transformers`' own filters, from PyTorch's attention
in float64 and from cases worked out by hand.

Every test compares with the right answer first. Only when that fails are the well-known wrong
answers computed, to say which mistake it looks like.
"""

import math
from random import Random

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from phi1_lib.course.grading.tensors import close, expect, expect_tensor

INF = float("inf")


def unchanged(given: Tensor, before: Tensor) -> None:
    assert torch.equal(given, before), (
        "your function changed the tensor it was given: make a new one"
    )


# --- 6.1 ---------------------------------------------------------------------------------------

END = 9


class Script:
    """A model that goes on by a table of pairs: after id i comes table[i]. Counts its questions.

    It looks at the last id, and at how many there are: a text of the wrong length is noticed.
    """

    def __init__(self, table: dict[int, int]) -> None:
        self.table = table
        self.asked: list[list[int]] = []

    def __call__(self, ids) -> Tensor:
        assert isinstance(ids, list), f"next_logits got a {type(ids).__name__}: give it a list"
        assert ids, "next_logits got an empty list: give it the prompt too"
        self.asked.append(list(ids))
        logits = torch.full((10,), -5.0)
        logits[self.table[ids[-1]]] = -1.0  # all negative: the largest is not the farthest from 0
        return logits


def check_greedy(submission, table: dict[int, int], prompt: list[int], limit: int) -> None:
    right, text = [], list(prompt)
    while len(right) < limit and table[text[-1]] != END:
        right.append(table[text[-1]])
        text.append(right[-1])
    ended = len(right) < limit
    model = Script(table)
    given = list(prompt)
    found = submission.greedy(model, given, limit, END)
    assert found is not None, "your function returned None: is there a `return`?"
    assert given == prompt, "your function changed the prompt: add the new ids to a list of its own"
    assert isinstance(found, list), f"your function returned a {type(found).__name__}, not a list"
    if found != right:
        if found == [*prompt, *right]:
            pytest.fail("the prompt came back too: return the new ids only", pytrace=False)
        if END in prompt and not found:
            pytest.fail(
                "an end-of-text in the prompt ended the loop: only one that was chosen does",
                pytrace=False,
            )
        if found in ([*right, END], [*prompt, *right, END]):
            pytest.fail("end-of-text was returned: leave it out", pytrace=False)
        if ended and found[: len(right) + 1] == [*right, END]:
            pytest.fail("it went on after end-of-text", pytrace=False)
        if len(found) == len(right) + 1 and found[:-1] == right:
            pytest.fail("one id too many: at most `max_new_tokens` are new", pytrace=False)
        if any(len(ids) == 1 for ids in model.asked) and len(prompt) > 1:
            pytest.fail("the model was shown one id alone: it needs all of the text", pytrace=False)
        pytest.fail(
            f"from the prompt {prompt}, at most {limit} new ids: the ids differ from the most "
            "likely ones",
            pytrace=False,
        )
    assert all(type(token) is int for token in found), (
        "the ids are not Python ints: turn the result of argmax into one"
    )
    whole = [[*prompt, *right[:i]] for i in range(len(right) + ended)]
    if model.asked != whole:
        if any(len(a) < len(b) for a, b in zip(model.asked, whole, strict=False)):
            message = "the model was shown only a part of the text: give it prompt and new ids"
        elif len(model.asked) > len(whole):
            message = "logits were asked for that nobody needs: each costs a run of the model"
        else:
            message = "the model was not shown prompt and new ids, in their order"
        pytest.fail(message, pytrace=False)


LOOP = {i: i + 1 for i in range(9)} | {9: 0}


@pytest.mark.exercise("6.1", points=1, minutes=10, difficulty=1, section="What goes wrong")
@pytest.mark.parametrize(
    ("prompt", "limit"),
    [([3, 4], 3), ([3, 5], 8), ([2, 8], 4), ([1, 2], 0), ([4, END], 3)],
    ids=[
        "runs to the limit",
        "ends by itself",
        "ends at once",
        "no new ids",
        "the prompt ends in end-of-text",
    ],
)
def test_the_likeliest_id_is_taken_each_time(submission, prompt, limit):
    check_greedy(submission, LOOP, prompt, limit)


@pytest.mark.exercise("6.1")
def test_drawn_models(submission, seed):
    draw = Random(seed)
    for _ in range(4):
        table = {i: draw.randrange(10) for i in range(10)}
        prompt = draw.choices(range(9), k=draw.randint(2, 4))
        check_greedy(submission, table, prompt, draw.randint(1, 6))


# --- 6.2 ---------------------------------------------------------------------------------------


def check_stop(submission, pieces: list[str], stops: list[str]) -> None:
    text, needed = "", len(pieces) + 1  # the last question is answered by None
    right = None
    for number, piece in enumerate(pieces, 1):
        text += piece
        places = [text.find(stop) for stop in stops if stop in text]
        if places:
            right, needed = text[: min(places)], number
            break
    if right is None:
        right = text
    asked = 0

    def next_piece():
        nonlocal asked
        asked += 1
        assert asked <= len(pieces) + 1, "next_piece was called again after it returned None"
        return pieces[asked - 1] if asked <= len(pieces) else None

    found = submission.until_stop(next_piece, list(stops))
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, str), f"your function returned a {type(found).__name__}, not a string"
    case = f"for the pieces {pieces} and the stop strings {stops}"
    if found != right:
        seen = "".join(pieces[:needed])
        wholly = "".join(pieces)
        alone = "".join(pieces[: next((i for i, p in enumerate(pieces) if p in stops), 10**6)])
        inside = wholly
        for i, piece in enumerate(pieces):
            places = [piece.find(stop) for stop in stops if stop in piece]
            if places:
                inside = "".join(pieces[:i]) + piece[: min(places)]
                break
        others = [seen[: seen.index(stop)] for stop in stops if stop in seen]
        last_places = [seen[: seen.rindex(stop)] for stop in stops if stop in seen]
        if right == "" and found == wholly:
            message = (
                "a stop string at the very beginning was missed: its place is 0, and 0 counts as "
                "false"
            )
        elif right != wholly and found in (wholly, alone, inside):
            message = (
                "a stop string was missed: it begins in one piece and ends in another, so look in "
                "the text so far"
            )
        elif any(found == right + stop for stop in stops):
            message = "the stop string is still there: cut before it"
        elif found == seen and right != seen:
            message = "the text was not cut: what follows the stop string's beginning must go"
        elif "" in pieces and found == "".join(pieces[: pieces.index("")]):
            message = "an empty piece ended the reading: only None does"
        elif found == "".join(pieces[: needed - 1]):
            message = (
                "the last piece was dropped whole, or the cut falls between pieces: the stop "
                "string may begin inside a piece"
            )
        elif found in others:
            message = (
                "cut at another stop string than the one that begins first: their order in `stops` "
                "does not count"
            )
        elif found in last_places:
            message = "cut at a stop string's last place: the text ends at its first"
        elif found == right.strip() or found == right.rstrip():
            message = "spaces or newlines were stripped from the text: leave them"
        else:
            message = "not the text before the first stop string"
        pytest.fail(f"{message} ({case})", pytrace=False)
    assert asked <= needed, f"pieces were read after the stop string was complete ({case})"


STOP_CASES = {
    "straddles three pieces": (["return x", "\nd", "ef", " main"], ["\ndef"]),
    "inside one piece": (["return", " x\ndef main", "("], ["\ndef"]),
    "no stop string": (["return", " x", "\n"], ["\ndef"]),
    "listed second, begins first": (["a\nprint(1)\ndef"], ["\ndef", "\nprint"]),
    "an empty piece": (["a", "", "b#c"], ["#"]),
    "a stop string alone": (["#", "x"], ["#"]),
    "twice in one piece": (["a", "b#c#d"], ["#"]),
    "no pieces": ([], ["#"]),
    "the longer one is never reached": (["x\n", "cl", "ass", "es"], ["\nclasses", "\nclass"]),
}


@pytest.mark.exercise("6.2", points=2, minutes=15, difficulty=2, section="What goes wrong")
@pytest.mark.parametrize("name", STOP_CASES)
def test_the_text_ends_where_the_first_stop_string_begins(submission, name):
    check_stop(submission, *STOP_CASES[name])


@pytest.mark.exercise("6.2")
def test_drawn_pieces(submission, seed):
    draw = Random(seed)
    for _ in range(12):
        text = "".join(draw.choices("ab\n", k=14))
        cuts = sorted({0, 14, *draw.sample(range(1, 14), 5)})
        pieces = [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        check_stop(submission, pieces, draw.sample(["\nab", "bb\n", "aab", "\n\n"], 2))


# --- 6.3 ---------------------------------------------------------------------------------------


def check_temperature(submission, logits: Tensor, temperature: float) -> None:
    exact = logits.double()
    before = logits.clone()
    found = submission.with_temperature(logits, temperature)
    unchanged(logits, before)
    expect(
        found,
        (exact / temperature).softmax(-1),
        [
            (
                (exact * temperature).softmax(-1),
                "multiplied by the temperature: a low temperature must sharpen, so divide",
            ),
            (exact.softmax(-1), "the temperature was not used"),
            (
                exact.softmax(-1) / temperature,
                "the probabilities were divided: the logits must be, before the softmax",
            ),
            (
                (exact.softmax(-1) / temperature).softmax(-1),
                "softmax was taken twice: divide the logits, then softmax once",
            ),
            (exact / temperature, "these are logits: put them through softmax"),
            ((exact / temperature).exp(), "the powers are not divided by their sum"),
        ],
        f"not softmax(logits / temperature) at temperature {temperature:g}",
    )


@pytest.mark.exercise(
    "6.3", points=1, minutes=10, difficulty=1, section="Temperature: sharper or flatter"
)
@pytest.mark.parametrize("temperature", [0.5, 2.0], ids=["sharper", "flatter"])
def test_the_logits_are_divided(submission, temperature):
    check_temperature(submission, torch.tensor([0.0, math.log(4), -1.0]), temperature)


@pytest.mark.exercise("6.3")
def test_drawn_logits(submission, randn, seed):
    check_temperature(submission, 3 * randn(12), 0.2 + 1.5 * Random(seed).random())


@pytest.mark.exercise("6.3")
@pytest.mark.parametrize("temperature", [0, 0.0], ids=["0", "0.0"])
def test_temperature_zero_is_greedy(submission, temperature):
    logits = torch.tensor([-3.0, 1.0, 0.5])
    found = submission.with_temperature(logits, temperature)
    expect_tensor(found, (3,))
    assert not found.isnan().any(), "temperature 0 gives nan: treat it apart"
    expect(
        found,
        torch.tensor([0.0, 1.0, 0.0]),
        [(logits.softmax(-1), "temperature 0 is greedy: all of the probability to the largest")],
        "at temperature 0 the largest logit gets probability 1, all others 0",
    )


@pytest.mark.exercise("6.3")
def test_temperature_zero_with_two_largest(submission):
    found = submission.with_temperature(torch.tensor([1.0, -3.0, 1.0]), 0.0)
    expect_tensor(found, (3,))
    assert close(found.sum()[None], torch.ones(1)), (
        f"two logits are the largest, and at temperature 0 the probabilities sum to "
        f"{float(found.sum()):g}: they must sum to 1"
    )
    assert found[1] == 0, "at temperature 0 a logit that is not the largest gets probability 0"


@pytest.mark.exercise("6.3")
@pytest.mark.parametrize("power", [10, 22], ids=["2 to the -10", "2 to the -22"])
def test_small_temperatures_are_used(submission, power):
    # Both logits, and both quotients, are exact in float32.
    temperature = 2.0**-power
    expect(
        submission.with_temperature(torch.tensor([0.0, 1.0, 1.0 - temperature]), temperature),
        torch.tensor([float("-inf"), 0.0, -1.0], dtype=torch.float64).softmax(-1),
        [(torch.tensor([0.0, 1.0, 0.0]), "a small temperature was taken for 0: only 0 is greedy")],
        f"at temperature {temperature:g} two logits that differ by as much stay comparable; was "
        "the temperature replaced by a larger one, or something added to it?",
    )


@pytest.mark.exercise("6.3")
@pytest.mark.parametrize("temperature", [1e-3, 1e-37], ids=["1e-3", "1e-37"])
def test_small_temperatures_do_not_overflow(submission, temperature):
    logits = torch.tensor([60.0, 200.0, 150.0])
    found = submission.with_temperature(logits, temperature)
    expect_tensor(found, (3,))
    assert not found.isnan().any(), (
        f"temperature {temperature:g} gives nan: the division or exp overflows. Subtract the "
        "largest logit first"
    )
    expect(
        found,
        torch.tensor([0.0, 1.0, 0.0]),
        [],
        f"at temperature {temperature:g} nearly all of the probability belongs to the largest; was "
        "the temperature replaced by a larger one, or something added to it?",
    )


# --- 6.4 ---------------------------------------------------------------------------------------


def renormalized(p: Tensor) -> Tensor:
    return p / p.sum().clamp(min=1e-30)  # a wrong rule may have dropped every id


def check_top_k(submission, given: Tensor, k: int) -> None:
    exact = given.double()
    count = min(k, len(given))
    kth = exact.sort(descending=True).values[count - 1]
    kept = exact.masked_fill(exact < kth, 0.0)
    strict = exact.masked_fill(exact <= kth, 0.0)
    order = exact.argsort(descending=True, stable=True)
    only = torch.zeros_like(exact)
    only[order[:count]] = exact[order[:count]]
    more = torch.zeros_like(exact)
    more[order[: count + 1]] = exact[order[: count + 1]]
    smallest = exact.masked_fill(exact > exact.sort().values[count - 1], 0.0)
    in_order = torch.zeros_like(exact)
    in_order[: len(given)] = exact.sort(descending=True).values * (torch.arange(len(given)) < count)
    mistakes = [
        (kept, "the kept probabilities do not sum to 1: divide them by their sum"),
        (kept.softmax(-1), "softmax of probabilities: divide by the sum instead"),
        (given, "nothing was dropped"),
        (renormalized(smallest), "the least likely ids were kept: sort largest first"),
        (renormalized(in_order), "the probabilities changed places: each id keeps its own place"),
        (renormalized(more), "one id too many was kept: places count from 0"),
    ]
    if strict.sum() > 0:
        mistakes.append((renormalized(strict), "the k-th is dropped: it belongs to the k largest"))
        mistakes.append((strict, "the k-th is dropped: it belongs to the k largest"))
    mistakes.append(
        (renormalized(only), "ids exactly as likely as the k-th were dropped: keep them too")
    )
    mistakes.append(
        (
            exact.masked_fill(exact < kth, -INF).softmax(-1),
            "softmax of probabilities: divide by the sum instead",
        )
    )
    before = given.clone()
    found = submission.keep_top_k(given, k)
    unchanged(given, before)
    expect(found, renormalized(kept), mistakes, f"wrong for k = {k} of {len(given)} ids")


@pytest.mark.exercise("6.4", points=1, minutes=10, difficulty=1, section="Top-k and top-p")
@pytest.mark.parametrize(
    ("probabilities", "k"),
    [
        ([0.125, 0.5, 0.25, 0.125], 2),
        ([0.125, 0.5, 0.25, 0.125], 1),
        ([0.25, 0.125, 0.25, 0.375], 2),
        ([0.125, 0.5, 0.375], 5),
    ],
    ids=["two of four", "one", "a tie with the second", "k above V"],
)
def test_the_k_largest_stay(submission, probabilities, k):
    check_top_k(submission, torch.tensor(probabilities), k)


@pytest.mark.exercise("6.4")
def test_drawn_probabilities_top_k(submission, randn, seed):
    draw = Random(seed)
    for stream in range(3):
        check_top_k(submission, randn(9, stream=stream).softmax(-1), draw.randint(2, 7))


@pytest.mark.exercise("6.4")
def test_as_transformers_top_k(submission, randn):
    from transformers import TopKLogitsWarper

    logits = randn(20)
    right = TopKLogitsWarper(5)(None, logits[None])[0].softmax(-1)
    expect(submission.keep_top_k(logits.softmax(-1), 5), right, [], "not what `transformers` keeps")


# --- 6.5 ---------------------------------------------------------------------------------------


def nucleus(exact: Tensor, p: float, rule: str) -> Tensor:
    """The probabilities with only the nucleus left, by a rule that may be wrong."""
    values, order = exact.sort(descending=rule != "smallest")
    total = values.cumsum(0)
    if rule == "without the one that crosses":
        drop = total > p
    elif rule == "strictly below":
        drop = total >= p
    elif rule == "above p":
        drop = total - values > p
    else:  # the right rule, in the right order or in the wrong one
        drop = total - values >= p
    kept = torch.zeros_like(exact)
    kept[order] = values.masked_fill(drop, 0.0)
    return kept


def check_top_p(submission, given: Tensor, p: float) -> None:
    exact = given.double()
    right = nucleus(exact, p, "right")
    values, order = exact.sort(descending=True)
    inverse = values.masked_fill(values.cumsum(0) - values >= p, 0.0)
    crossing = "the id that crosses p is missing: the set must reach p"
    mistakes = [
        (right, "the kept probabilities do not sum to 1: divide them by their sum"),
        (exact, "nothing was dropped"),
        (renormalized(inverse), "the probabilities are still sorted: bring them back in place"),
        (
            renormalized(exact.masked_fill(values.cumsum(0) - values >= p, 0.0)),
            "what was found for the sorted ids was used on the unsorted ones: bring it into place",
        ),
        (
            renormalized(inverse[order]),
            "brought back by the wrong order: write to `order`'s places",
        ),
        (
            renormalized(nucleus(exact, p, "smallest")),
            "the least likely ids came first: sort largest first",
        ),
        (renormalized(exact.masked_fill(exact < p, 0.0)), "each id alone was compared with p"),
        (renormalized(exact.masked_fill(exact < 1 - p, 0.0)), "each id alone was compared with p"),
        (
            renormalized(nucleus(exact, p, "above p")),
            "one id too many: the ids before it had already reached p",
        ),
    ]
    for rule in ("without the one that crosses", "strictly below"):
        wrong = nucleus(exact, p, rule)
        if wrong.sum() > 0:
            mistakes += [(renormalized(wrong), crossing), (wrong, crossing)]
    mistakes.append((nucleus(exact, p, "above p"), "the kept do not sum to 1, and one is too many"))
    before = given.clone()
    found = submission.keep_top_p(given, p)
    unchanged(given, before)
    expect_tensor(found, tuple(given.shape))
    assert not found.isnan().any() and found.sum() > 0, (
        f"no id is left at p = {p:g}: the likeliest one always stays"
    )
    expect(found, renormalized(right), mistakes, f"not the smallest set that reaches p = {p:g}")


@pytest.mark.exercise("6.5", points=2, minutes=20, difficulty=2, section="Top-k and top-p")
@pytest.mark.parametrize(
    ("probabilities", "p"),
    [
        ([0.125, 0.5, 0.375], 0.75),
        ([0.125, 0.5, 0.25, 0.125], 0.75),
        ([0.125, 0.625, 0.25], 0.25),
        ([0.125, 0.5, 0.375], 1.0),
        ([0.18, 0.25, 0.15, 0.22, 0.2], 0.79),
    ],
    ids=["one crosses p", "reached exactly", "the first alone", "p = 1", "five nearly alike"],
)
def test_the_smallest_set_that_reaches_p(submission, probabilities, p):
    check_top_p(submission, torch.tensor(probabilities), p)


@pytest.mark.exercise("6.5")
def test_drawn_probabilities_top_p(submission, randn, seed):
    draw = Random(seed)
    for stream in range(3):
        check_top_p(submission, randn(9, stream=stream).softmax(-1), draw.uniform(0.2, 0.95))


@pytest.mark.exercise("6.5")
def test_as_transformers_top_p(submission, randn):
    from transformers import TopPLogitsWarper

    logits = randn(20)
    right = TopPLogitsWarper(0.8)(None, logits[None])[0].softmax(-1)
    expect(
        submission.keep_top_p(logits.softmax(-1), 0.8), right, [], "not what `transformers` keeps"
    )


# --- 6.6 ---------------------------------------------------------------------------------------


def top_k_of(p: Tensor, k: int) -> Tensor:
    return renormalized(p.masked_fill(p < p.sort(descending=True).values[min(k, len(p)) - 1], 0.0))


def top_p_of(p: Tensor, share: float) -> Tensor:
    return renormalized(nucleus(p, share, "right"))


def heated(p: Tensor, temperature: float) -> Tensor:
    """Temperature after the filters: the kept probabilities, raised and rescaled."""
    return renormalized(p ** (1 / temperature))


def check_distribution(
    submission, logits: Tensor, used: int, temperature: float, k: int, p: float
) -> None:
    exact = logits.double()
    allowed = exact.clone()
    allowed[used:] = -INF
    cool = (allowed / temperature).softmax(-1)
    everyone = (exact / temperature).softmax(-1)
    zeroed = exact.clone()
    zeroed[used:] = 0.0
    after = top_p_of(top_k_of(everyone, k), p)
    after[used:] = 0.0
    off_by_one = exact.clone()
    off_by_one[used + 1 :] = -INF
    too_many = exact.clone()
    too_many[used - 1 :] = -INF
    before = logits.clone()
    found = submission.distribution(
        logits, used, temperature, lambda x: top_k_of(x, k), lambda x: top_p_of(x, p)
    )
    unchanged(logits, before)
    late = "the unused rows were dropped after a filter: they took the place of other ids"
    mistakes = [
        (top_p_of(top_k_of(everyone, k), p), "an unused row can be drawn"),
        (
            top_p_of(top_k_of((zeroed / temperature).softmax(-1), k), p),
            "a logit of 0 still has probability: use minus infinity",
        ),
        (
            top_p_of(top_k_of((off_by_one / temperature).softmax(-1), k), p),
            "off by one: the first unused row has the number `used`",
        ),
        (
            top_p_of(top_k_of((too_many / temperature).softmax(-1), k), p),
            "off by one: the last used row, `used` - 1, was dropped too",
        ),
        (
            heated(top_p_of(top_k_of(allowed.softmax(-1), k), p), temperature),
            "the filters came before the temperature: apply the temperature first",
        ),
        (
            top_k_of(top_p_of(cool, p), k),
            "top-p came before top-k: it takes the nucleus of what top-k left",
        ),
        (top_k_of(cool, k), "top-p is missing"),
        (top_p_of(cool, p), "top-k is missing"),
        (
            top_p_of(top_k_of(allowed.softmax(-1), k), p),
            "the temperature was not used",
        ),
        (
            top_p_of(top_k_of((allowed * temperature).softmax(-1), k), p),
            "multiplied by the temperature: divide by it",
        ),
        (after, late),
    ]
    if after.sum() > 0:
        mistakes.append((renormalized(after), late))
    right = top_p_of(top_k_of(cool, k), p)
    expect_tensor(found, tuple(logits.shape))
    otherwise = "not the distribution that the docstring's order gives"
    if not close(found.sum()[None], torch.ones(1)):
        otherwise = "the probabilities do not sum to 1"
    expect(found, right, mistakes, otherwise)


@pytest.mark.exercise("6.6", points=2, minutes=15, difficulty=2, section="Rows that nobody uses")
def test_unused_rows_are_out_before_all_else(submission):
    logits = torch.tensor([2.0, 1.5, 1.0, 0.5, 0.0, 4.0, 3.0])
    check_distribution(submission, logits, 5, 1.0, 3, 0.99)


@pytest.mark.exercise("6.6")
def test_temperature_comes_before_the_filters(submission):
    logits = torch.tensor([0.25, 2.0, 1.5, 1.0, -1.0, 3.0])
    check_distribution(submission, logits, 5, 2.0, 4, 0.7)


@pytest.mark.exercise("6.6")
def test_top_p_takes_the_nucleus_of_what_top_k_left(submission):
    logits = torch.tensor([0.4, 0.25, 0.15, 0.12, 0.08, 0.9]).log()
    check_distribution(submission, logits, 5, 1.0, 3, 0.79)


@pytest.mark.exercise("6.6")
def test_the_first_and_last_used_rows(submission):
    logits = torch.tensor([1.0, 0.0, 2.0, 2.5, 0.0])
    check_distribution(submission, logits, 3, 1.0, 5, 1.0)


@pytest.mark.exercise("6.6")
def test_drawn_distributions(submission, randn, seed):
    draw = Random(seed)
    for stream in range(3):
        logits = 2 * randn(12, stream=stream)
        check_distribution(
            submission, logits, draw.randint(7, 10), draw.uniform(0.5, 2), 4, draw.uniform(0.5, 0.9)
        )


# --- 6.7 ---------------------------------------------------------------------------------------


def turn(x_HK: Tensor, position: int) -> Tensor:
    """The rotary embedding of one position, halves paired, every feature turned."""
    assert isinstance(position, int), "turn takes the position as an int"
    a, b = x_HK.chunk(2, dim=-1)
    half = a.shape[-1]
    frequency = 10_000.0 ** (-torch.arange(half, dtype=x_HK.dtype) / half)
    cos, sin = (position * frequency).cos(), (position * frequency).sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def check_step(submission, q: Tensor, k: Tensor, v: Tensor) -> None:
    """q, k, v (T, H, K), not turned; the last token is the new one."""
    tokens = len(q)
    q64, k64, v64 = q.double(), k.double(), v.double()
    turned_q = torch.stack([turn(q64[t], t) for t in range(tokens)])
    turned_k = torch.stack([turn(k64[t], t) for t in range(tokens)])
    last = tokens - 1

    def attended(query: Tensor, keys: Tensor, values: Tensor, **options) -> Tensor:
        """query (H, K), keys and values (S, H, K)."""
        return scaled_dot_product_attention(
            query[:, None], keys.transpose(0, 1), values.transpose(0, 1), **options
        )[:, 0]

    def moved(query_at: int, key_at: int) -> Tensor:
        keys = torch.cat([turned_k[:-1], turn(k64[last], key_at)[None]])
        return attended(turn(q64[last], query_at), keys, v64)

    keys_given, values_given = turned_k[:-1].float(), v[:-1].clone()
    found = submission.decode_step(
        q[-1].clone(), k[-1].clone(), v[-1].clone(), keys_given.clone(), values_given.clone(), turn
    )
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, tuple) and len(found) == 3, (
        "return three things: the result, the keys and the values"
    )
    out, keys, values = found
    for name, tensor, right, raw in (("keys", keys, turned_k, k), ("values", values, v64, v)):
        if isinstance(tensor, Tensor) and len(tensor) == last:
            pytest.fail(f"the cache's {name} did not grow by the new token", pytrace=False)
        mistakes = [
            (torch.cat([right[-1:], right[:-1]]), f"the new {name} stand in front: add at the end"),
            (
                torch.cat([right[:-1], raw[-1:].double()]),
                "the new key was put into the cache without being turned (position 0 turns "
                "nothing)",
            ),
            (
                torch.cat([right[:-1], turn(k64[last], tokens)[None]]),
                "off by one: the new token's position is the number of keys before it is added",
            ),
            (
                torch.cat([right[:-1], turn(v64[last], last)[None]]),
                "the value was turned: only queries and keys are",
            ),
            (
                torch.stack(
                    [turn(key, t) for t, key in enumerate(torch.cat([right[:-1], k64[-1:]]))]
                ),
                "all keys were turned: those in the cache are turned already",
            ),
        ]
        if last > 0:
            mistakes.append(
                (
                    torch.cat([right[:-1], turn(k64[last], last - 1)[None]]),
                    "off by one: positions count from 0, so the new token's is S",
                )
            )
        expect(tensor, right, mistakes, f"the cache's {name} are not the old ones and the new one")
    mistakes = [
        (attended(q64[last], turned_k, v64), "the query was not turned"),
        (moved(tokens, last), "off by one: query and key stand at the same position, S"),
        (attended(turned_q[last], turned_k, v64, scale=1.0), "the scale is missing"),
        (
            attended(turned_q[last], turned_k, v64, scale=1 / q.shape[-1]),
            "the scores were divided by K: divide by its square root",
        ),
        (
            torch.einsum(
                "HS,SHK->HK",
                (torch.einsum("HK,SHK->HS", turned_q[last], turned_k) / q.shape[-1] ** 0.5).softmax(
                    0
                ),
                v64,
            ),
            "the softmax went over the heads: it goes over the keys",
        ),
        (
            v64[0],
            "the new token saw the first key only: a causal mask for one query lines up with "
            "the first key. None is needed, nothing in the cache is later",
        ),
    ]
    if last > 0:
        mistakes += [
            (moved(last - 1, last), "off by one: query and key stand at the same position, S"),
            (
                attended(turned_q[last], turned_k[:-1], v64[:-1]),
                "the new token does not see itself: add it to the cache first",
            ),
        ]
    right = attended(turned_q[last], turned_k, v64)
    expect(out, right, mistakes, "the result is not the attention of the last token")


@pytest.mark.exercise("6.7", points=3, minutes=25, difficulty=3, section="The cache by hand")
@pytest.mark.parametrize("cached", [0, 1, 4], ids=["empty cache", "one token", "four tokens"])
def test_equal_to_the_whole_text_at_once(submission, cached, randn):
    q, k, v = randn(3, cached + 1, 2, 6)
    check_step(submission, q, k, v)


@pytest.mark.exercise("6.7")
def test_steps_in_a_row(submission, randn):
    """The cache that one step returns is given to the next."""
    q, k, v = randn(3, 5, 2, 4, stream=1)
    keys = values = torch.zeros(0, 2, 4)
    for t in range(5):
        found = submission.decode_step(q[t], k[t], v[t], keys, values, turn)
        assert found is not None, "your function returned None: is there a `return`?"
        out, keys, values = found
    queries = torch.stack([turn(q[t], t) for t in range(5)]).double()
    turned = torch.stack([turn(k[t], t) for t in range(5)]).double()
    right = scaled_dot_product_attention(
        *(x.transpose(0, 1) for x in (queries, turned, v.double())), is_causal=True
    ).transpose(0, 1)
    expect(out, right[-1], [], "right for one step, wrong after five in a row")


# --- 6.8 ---------------------------------------------------------------------------------------


def check_padding(submission, prompts: list[list[int]], padding: int) -> None:
    longest = max(map(len, prompts))
    missing = torch.tensor([longest - len(prompt) for prompt in prompts])[:, None]
    column = torch.arange(longest)
    real = column >= missing
    ids = torch.tensor([[padding] * (longest - len(p)) + p for p in prompts])
    positions = (real.long().cumsum(-1) - 1).clamp(min=0)  # as `transformers` computes them
    given = [list(prompt) for prompt in prompts]
    found = submission.pad_left(given, padding)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, tuple) and len(found) == 3, "return three tensors"
    assert given == prompts, "your function changed the prompts: build new lists"
    lengths = torch.tensor([len(p) for p in prompts])[:, None]
    right_padded = torch.tensor([p + [padding] * (longest - len(p)) for p in prompts])
    cases = [
        (
            "ids",
            ids,
            torch.int64,
            [
                (right_padded, "the padding stands on the right: here it goes before the prompt"),
                (ids.flip(-1), "the prompts are reversed"),
            ],
        ),
        (
            "positions",
            positions,
            torch.int64,
            [
                (
                    column.expand_as(ids),
                    "the padding was counted: a prompt's first token has position 0",
                ),
                (real.long().cumsum(-1), "positions begin at 1: the first is 0"),
                ((column - missing), "negative positions: padding gets 0"),
                (
                    (column * (column < lengths)),
                    "these are the positions of padding on the right",
                ),
            ],
        ),
        (
            "real",
            real,
            torch.bool,
            [
                (~real, "inverted: True is for real tokens"),
                (column < lengths, "this is the mask of padding on the right"),
                (
                    ids != padding,
                    "a real token that equals the padding id was taken for padding: count lengths",
                ),
                (torch.ones_like(real), "the padding is marked as real"),
            ],
        ),
    ]
    for tensor, (name, right, dtype, mistakes) in zip(found, cases, strict=True):
        expect_tensor(tensor, tuple(right.shape))
        assert tensor.dtype == dtype, f"{name} has dtype {tensor.dtype}: it should be {dtype}"
        if not torch.equal(tensor, right):
            for wrong, message in mistakes:
                if torch.equal(tensor, wrong):
                    pytest.fail(message, pytrace=False)
            pytest.fail(f"{name} are wrong for prompts of {lengths.flatten().tolist()} tokens")


@pytest.mark.exercise("6.8", points=2, minutes=15, difficulty=2, section="Several texts at once")
@pytest.mark.parametrize(
    "prompts",
    [[[5, 6], [7]], [[1], [2, 3, 4], [5, 6]], [[4, 4], [4, 4]], [[8, 3, 8], [8]]],
    ids=["two prompts", "three prompts", "equal lengths", "a prompt holds the padding id"],
)
def test_prompts_end_in_the_same_column(submission, prompts):
    check_padding(submission, prompts, 8)


@pytest.mark.exercise("6.8")
def test_drawn_prompts(submission, seed):
    draw = Random(seed)
    for _ in range(3):
        prompts = [draw.choices(range(10), k=draw.randint(1, 6)) for _ in range(draw.randint(2, 4))]
        check_padding(submission, prompts, 0)


# --- 6.9 ---------------------------------------------------------------------------------------


def check_showable(submission, text: str, stops: list[str]) -> None:
    begins = [
        start
        for start in range(len(text))
        if any(stop.startswith(text[start:]) and stop != text[start:] for stop in stops)
    ]
    right = text[: min(begins, default=len(text))]
    found = submission.showable(text, list(stops))
    assert found is not None, "your function returned None: is there a `return`?"
    case = f"for the text {text!r} and the stop strings {stops}"
    if found == right:
        return
    longest = max(map(len, stops)) - 1
    if found == "" and right == text:
        message = "nothing is shown although no end is dangerous (a slice to -0 is empty)"
    elif found == text:
        message = "an end that may become a stop string was shown"
    elif found == text[: len(text) - longest] or (len(text) < longest and found == ""):
        message = "too much is held back: only an end that begins a stop string is dangerous"
    elif text.startswith(found) and len(found) > len(right):
        message = "too little is held back: look at every stop string, and at the longest such end"
    elif text.startswith(found):
        message = "too much is held back: only an end that begins a stop string is dangerous"
    else:
        message = "the result is not a beginning of the text"
    pytest.fail(f"{message} ({case})", pytrace=False)


SHOW_CASES = {
    "the end begins a stop string": ("return x\nd", ["\ndef", "\nclass"]),
    "no end is dangerous": ("return x\nd = 1", ["\ndef", "\nclass"]),
    "the longest end counts": ("x\n\n", ["\n\n\n", "\ndef"]),
    "the longest end is of the second": ("x\n\n", ["\ndef", "\n\n\n"]),
    "the second stop string": ("x\ncl", ["\ndef", "\nclass"]),
    "all of it": ("\nde", ["\ndef"]),
    "nothing yet": ("", ["\ndef"]),
    "a stop string of one character": ("ab", ["#"]),
    "the middle of a stop string": ("x = clas", ["\nclass"]),
}


@pytest.mark.exercise("6.9", points=2, minutes=15, difficulty=2, section="Shown while it is made")
@pytest.mark.parametrize("name", SHOW_CASES)
def test_only_a_dangerous_end_is_held_back(submission, name):
    check_showable(submission, *SHOW_CASES[name])


@pytest.mark.exercise("6.9")
def test_drawn_texts(submission, seed):
    draw = Random(seed)
    done = 0
    while done < 15:
        text = "".join(draw.choices("ab\n", k=draw.randint(1, 6)))
        stops = draw.sample(["\nab", "bb\n", "aab", "\n\n\n", "ba"], 2)
        if not any(stop in text for stop in stops):
            check_showable(submission, text, stops)
            done += 1

"""Grades chapter 02. Right answers come from float64 formulas and from PyTorch's own attention.

Every test compares with the right answer first. Only when that fails are the well-known wrong
answers computed, to say which mistake it looks like.
"""

import itertools
from random import Random

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from phi1_lib.course.grading.tensors import close, expect, expect_tensor

INF = float("inf")


def future(length: int) -> Tensor:
    """True where key s comes after query t."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


# --- 2.1 ---------------------------------------------------------------------------------------


@pytest.mark.exercise(
    "2.1",
    points=1,
    minutes=5,
    difficulty=1,
    section="Weights from scores",
    forbids=("softmax", "Softmax", "log_softmax", "softmin", "scaled_dot_product_attention"),
)
def test_weights_of_each_row_sum_to_one(submission, randn):
    scores = randn(3, 4)
    expect(
        submission.softmax(scores.clone()),
        scores.double().softmax(-1),
        [
            (scores.softmax(0), "the columns sum to 1, not the rows: sum over the last dimension"),
            (
                scores.exp() / scores.exp().sum(),
                "all weights together sum to 1: sum each row alone",
            ),
            (scores.exp(), "these are the powers: divide them by the sum of their row"),
            (scores / scores.sum(-1, keepdim=True), "the scores were not put through exp"),
        ],
        "the weights are not exp(score) / (sum of exp over the row)",
    )


@pytest.mark.exercise("2.1")
def test_large_scores_do_not_overflow(submission):
    scores = torch.tensor([[1000.0, 999.0, 998.0]])
    found = submission.softmax(scores.clone())
    expect_tensor(found, (1, 3))
    assert not found.isnan().any(), (
        "scores near 1,000 give nan: exp overflows. Subtract the row's largest score before exp"
    )
    assert close(found, scores.double().softmax(-1)), (
        "scores of 1000, 999 and 998 get wrong weights: subtract, do not clip; "
        "differences between the scores must survive"
    )


@pytest.mark.exercise("2.1")
def test_each_row_is_shifted_by_its_own_largest_score(submission):
    scores = torch.tensor([[1000.0, 999.0], [-1000.0, -1001.0]])
    found = submission.softmax(scores.clone())
    expect_tensor(found, (2, 2))
    assert close(found, scores.double().softmax(-1)), (
        "a row of very negative scores fails beside a row of large ones: "
        "subtract each row's own largest score, not the largest of all"
    )


@pytest.mark.exercise("2.1")
def test_a_masked_score_gets_no_weight(submission):
    found = submission.softmax(torch.tensor([[0.0, -INF], [3.0, 3.0]]))
    expect_tensor(found, (2, 2))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]], (
        "a score of -inf must get weight exactly 0, and the rest of its row share the 1"
    )


@pytest.mark.exercise("2.1")
def test_the_scores_given_stay_as_they_are(submission, randn):
    scores = randn(2, 3)
    before = scores.clone()
    submission.softmax(scores)
    assert torch.equal(scores, before), (
        "your function changed the tensor it was given: `x -= ...` writes into it; "
        "make a new tensor with `x = x - ...`"
    )


# --- 2.2 ---------------------------------------------------------------------------------------


def exact_scores(q: Tensor, k: Tensor) -> Tensor:
    """By the definition: one product at a time, in float64."""
    rows = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in k.tolist()] for x in q.tolist()]
    return torch.tensor(rows, dtype=torch.float64) / q.shape[1] ** 0.5


@pytest.mark.exercise("2.2", points=1, minutes=5, difficulty=1, section="Scale")
def test_scores_are_scaled_dot_products(submission, randn):
    q, k = randn(3, 16), randn(3, 16, stream=1)
    right = exact_scores(q, k)
    expect(
        submission.attention_scores(q.clone(), k.clone()),
        right,
        [
            (right * 4, "the scale is missing: divide by the square root of K"),
            (right / 4, "divided by K: divide by the square root of K"),
            (right * 16, "multiplied by the square root of K: divide by it"),
            (
                right * 4 / 3**0.5,
                "divided by the square root of the number of keys: K counts features",
            ),
            (right.T, "transposed: row t belongs to query t, column s to key s"),
            (q.double() * k.double() / 4, "a product feature by feature: sum it, or use `@`"),
        ],
        "entry [t, s] is not (query t) . (key s) / sqrt(K)",
    )


@pytest.mark.exercise("2.2")
def test_queries_and_keys_may_differ_in_number(submission, randn):
    q, k = randn(2, 8), randn(5, 8, stream=1)
    expect(
        submission.attention_scores(q.clone(), k.clone()),
        exact_scores(q, k),
        [],
        "wrong with 2 queries and 5 keys: the scale must come from K, here 8",
    )


# --- 2.3 ---------------------------------------------------------------------------------------

HIDING_MISTAKES = [
    (lambda n: torch.ones(n, n).triu(0).bool(), "off by one: a token must see itself"),
    (lambda n: torch.ones(n, n).triu(2).bool(), "off by one: each token sees the one after it"),
    (lambda n: torch.ones(n, n).tril(-1).bool(), "the past is hidden, not the future"),
    (lambda n: torch.ones(n, n).tril(0).bool(), "the past is hidden, not the future"),
    (lambda n: torch.zeros(n, n).bool(), "nothing is hidden"),
]


@pytest.mark.exercise("2.3", points=1, minutes=5, difficulty=1, section="The mask")
def test_later_keys_are_hidden(submission, randn):
    scores = randn(5, 5)
    scores[3, 1] = 0.0  # a score like any other
    found = submission.hide_future(scores.clone())
    expect_tensor(found, (5, 5))
    hidden = found != scores
    if not torch.equal(hidden, future(5)):
        if torch.equal(hidden, future(5) | (scores == 0)):
            pytest.fail(
                "a score of 0 in the past is hidden: decide by position, not by value",
                pytrace=False,
            )
        for pattern, message in HIDING_MISTAKES:
            if torch.equal(hidden, pattern(5)):
                pytest.fail(message, pytrace=False)
        pytest.fail(
            "the hidden entries are not those with column > row, or kept scores were changed",
            pytrace=False,
        )


@pytest.mark.exercise("2.3")
def test_hidden_scores_are_minus_infinity(submission, randn):
    found = submission.hide_future(randn(4, 4))
    expect_tensor(found, (4, 4))
    hidden = found[future(4)]
    assert not (hidden == 0).all(), (
        "hidden scores are 0: exp(0) is 1, so the future keeps weight. Use -inf"
    )
    assert not found.isnan().any(), "nan: 0 x inf is nan; fill with -inf, do not multiply"
    assert (hidden == -INF).all(), (
        f"hidden scores are {hidden[0]:g}: use -inf, whose weight is exactly 0"
    )


@pytest.mark.exercise("2.3")
def test_the_scores_given_are_not_written_into(submission, randn):
    scores = randn(3, 3)
    before = scores.clone()
    submission.hide_future(scores)
    assert torch.equal(scores, before), (
        "your function changed the tensor it was given: `masked_fill_` and `x[mask] = ...` write "
        "into it; `masked_fill` makes a new one"
    )


# --- 2.4 ---------------------------------------------------------------------------------------


def attention_with(q: Tensor, k: Tensor, v: Tensor, faults: set[str], shift: int = 1) -> Tensor:
    """Causal attention with a choice of the three faults, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    length, features = q.shape
    scores = q @ k.T / (length if "scale" in faults else features) ** 0.5
    hidden = torch.ones(length, length, dtype=torch.bool).triu(shift)
    dim = 0 if "axis" in faults else 1
    if "late" in faults:
        return scores.softmax(dim).masked_fill(hidden, 0.0) @ v
    return scores.masked_fill(hidden, -INF).softmax(dim) @ v


FAULTS = {
    "scale": "the scale is still the square root of T, the length; it is the square root of K",
    "axis": "the softmax still runs over the queries (dim=0); each query's weights must sum to 1",
    "late": "the mask still comes after the softmax: the weights of a row no longer sum to 1",
}
FAULT_SETS = [set(names) for count in (1, 2, 3) for names in itertools.combinations(FAULTS, count)]


@pytest.mark.exercise("2.4", points=2, minutes=10, difficulty=2, section="The mask")
def test_all_three_faults_are_gone(submission, randn):
    q, k, v = randn(3, 5, 8)
    right = scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    mistakes = [
        (
            attention_with(q, k, v, faults),
            "; ".join(FAULTS[name] for name in FAULTS if name in faults),
        )
        for faults in FAULT_SETS
    ]
    unscaled = attention_with(q * 8**0.5, k, v, set())
    mistakes += [
        (unscaled, "there is no scale now: divide the scores by the square root of K"),
        (attention_with(q, k, v, set(), shift=2), "off by one: each token sees the one after it"),
        (attention_with(q, k, v, set(), shift=9), "nothing is hidden from a token now"),
        ((q @ k.T / 8**0.5).tril().softmax(1) @ v, "hidden scores of 0 keep weight: use -inf"),
    ]
    found = submission.causal_attention(q.clone(), k.clone(), v.clone())
    expect(found, right, mistakes, "not yet causal attention")


# --- 2.5 ---------------------------------------------------------------------------------------


def heads_with(q: Tensor, k: Tensor, v: Tensor, split, merge, scale: float | None = None) -> Tensor:
    out = scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True, scale=scale)
    return merge(out)


@pytest.mark.exercise("2.5", points=2, minutes=15, difficulty=2, section="Heads")
@pytest.mark.parametrize("heads", [1, 3], ids=["1 head", "3 heads"])
def test_each_head_attends_alone(submission, heads, randn):
    batch, length, width = 2, 6, 12
    features = width // heads
    q, k, v = randn(3, batch, length, width)

    def split(x):
        return x.reshape(batch, length, heads, features).transpose(1, 2)

    def merge(x):
        return x.transpose(1, 2).reshape(batch, length, width)

    def split_raw(x):
        return x.reshape(batch, heads, length, features)

    def merge_raw(x):
        return x.reshape(batch, length, width)

    def split_comb(x):
        return x.reshape(batch, length, features, heads).permute(0, 3, 1, 2)

    def merge_comb(x):
        return x.permute(0, 2, 3, 1).reshape(batch, length, width)

    raw = (
        "features of different positions are mixed: reshape to (B, T, H, K) first, then transpose "
        "to (B, H, T, K)"
    )
    found = submission.multi_head_attention(q.clone(), k.clone(), v.clone(), heads)
    expect(
        found,
        heads_with(q, k, v, split, merge),
        [
            (heads_with(q, k, v, split_raw, merge_raw), raw),
            (heads_with(q, k, v, split_raw, merge), raw),
            (
                heads_with(q, k, v, split, merge_raw),
                "merged without transposing back: from (B, H, T, K) to (B, T, H, K), then reshape",
            ),
            (
                heads_with(q, k, v, split_comb, merge_comb),
                "head h has the features h, h + H, h + 2H ...: it should have K neighbours",
            ),
            (
                heads_with(q, k, v, split, merge, width**-0.5),
                "the scale is 1 / sqrt(D): each head has only K = D / heads features",
            ),
            (
                scaled_dot_product_attention(q, k, v, is_causal=True),
                "the result is that of a single head: the features were not split",
            ),
            (
                merge(scaled_dot_product_attention(split(q), split(k), split(v))),
                "the future is not hidden: pass is_causal=True",
            ),
            (
                scaled_dot_product_attention(
                    *(x.reshape(batch, length, heads, features) for x in (q, k, v))
                ).reshape(batch, length, width),
                "heads attend to heads, not positions to positions: use the layout (B, H, T, K)",
            ),
        ],
        "the heads' results are not those of causal attention head by head",
    )


# --- 2.6 ---------------------------------------------------------------------------------------


def turned(
    x: Tensor,
    rotary_dim: int,
    theta: float,
    *,
    features: int | None = None,
    neighbours: bool = False,
    sign: int = 1,
    start: int = 0,
    axis: int = 0,
    step: float = 2.0,
) -> Tensor:
    """The rotary embedding by complex numbers in float64, with a choice of mistakes."""
    x = x.double()
    part, rest = x[..., :rotary_dim], x[..., rotary_dim:]
    if neighbours:
        a, b = part[..., 0::2], part[..., 1::2]
    else:
        a, b = part.chunk(2, dim=-1)
    pair = torch.arange(rotary_dim // 2, dtype=torch.float64)
    frequency = theta ** (-step * pair / (features or rotary_dim))
    shape = [1, 1, 1]
    shape[axis] = x.shape[axis]
    position = torch.arange(start, start + x.shape[axis]).double().reshape(shape)
    angle = sign * position * frequency
    z = torch.complex(a, b) * torch.polar(torch.ones_like(angle), angle)
    if neighbours:
        part = torch.stack([z.real, z.imag], dim=-1).flatten(-2)
    else:
        part = torch.cat([z.real, z.imag], dim=-1)
    return torch.cat([part, rest], dim=-1)


@pytest.mark.exercise("2.6", points=3, minutes=20, difficulty=3, section="Position as rotation")
def test_the_first_features_turn_in_halves(submission, randn):
    x = randn(9, 2, 16)
    r, theta = 8, 10_000.0
    expect(
        submission.rotate(x.clone(), r),
        turned(x, r, theta),
        [
            (
                turned(x, r, theta, neighbours=True),
                "interleaved: neighbours (0, 1), (2, 3) ... are paired. phi-1 pairs in halves: "
                "feature i with feature i + R / 2",
            ),
            (
                turned(x, 16, theta),
                "all dimensions turn: only the first `rotary_dim` features should",
            ),
            (turned(x, r, theta, sign=-1), "turned the wrong way: check the signs of sin"),
            (
                turned(x, r, theta, start=1),
                "positions start at 1: the first is 0, and does not turn",
            ),
            (
                turned(x, r, theta, features=16),
                "the exponent divides by K: it is 2 i / R, with R = rotary_dim",
            ),
            (turned(x, r, theta, step=1.0), "the exponent is i / R: it should be 2 i / R"),
            (
                turned(x, r, theta, axis=1),
                "the angle grows with the head: it grows with the position",
            ),
            (
                torch.cat([x[..., :8], turned(x[..., 8:], 8, theta).float()], dim=-1),
                "the last features turn: the first `rotary_dim` should",
            ),
            (x, "nothing turned"),
        ],
        "the result is not the rotation of the docstring",
    )


@pytest.mark.exercise("2.6")
def test_theta_is_used(submission, randn):
    x = randn(5, 1, 8)
    expect(
        submission.rotate(x.clone(), 8, 100.0),
        turned(x, 8, 100.0),
        [(turned(x, 8, 10_000.0), "theta was 100 here, and the angles are those of 10,000")],
        "wrong when every feature turns (rotary_dim = K) and theta is 100",
    )


@pytest.mark.exercise("2.6")
def test_the_vectors_given_are_not_written_into(submission, randn):
    x = randn(3, 1, 4)
    before = x.clone()
    submission.rotate(x, 2)
    assert torch.equal(x, before), "your function changed the tensor it was given: build a new one"


# --- 2.7 ---------------------------------------------------------------------------------------


def expect_mask(
    found: object, right: Tensor, mistakes: list[tuple[Tensor, str]], other: str
) -> None:
    expect_tensor(found, tuple(right.shape))
    assert found.dtype == torch.bool, f"the mask has dtype {found.dtype}: it should be torch.bool"
    if torch.equal(found, right):
        return
    for wrong, message in mistakes:
        if torch.equal(found, wrong):
            pytest.fail(message, pytrace=False)
    pytest.fail(other, pytrace=False)


def check_cache_mask(submission, queries: int, keys: int) -> None:
    ones = torch.ones(queries, keys, dtype=torch.bool)
    shift = keys - queries
    expect_mask(
        submission.cache_mask(queries, keys),
        ones.tril(shift),
        [
            (
                ones.tril(0),
                "aligned at the top left: the queries are the last tokens, not the first",
            ),
            (ones.tril(shift - 1), "off by one: a token must see itself"),
            (ones.tril(shift + 1), "off by one: each token sees the one after it"),
            (~ones.tril(shift), "inverted: True should mean that the query may look"),
            (ones.triu(shift), "the past is hidden, not the future"),
            (ones, "nothing is hidden: only the last query sees every key"),
            (ones.tril(-shift), "shifted the wrong way: the queries are the last tokens"),
        ],
        f"wrong for {queries} queries and {keys} keys: query t sees keys 0 to t + keys - queries",
    )


@pytest.mark.exercise("2.7", points=2, minutes=10, difficulty=2, section="Two more masks")
@pytest.mark.parametrize(
    ("queries", "keys"), [(3, 7), (1, 5), (4, 4)], ids=["3 of 7", "1 of 5", "4 of 4"]
)
def test_the_last_query_sees_every_key(submission, queries, keys):
    check_cache_mask(submission, queries, keys)


@pytest.mark.exercise("2.7")
def test_drawn_sizes(submission, seed):
    draw = Random(seed)
    for _ in range(3):
        queries = draw.randint(2, 6)
        check_cache_mask(submission, queries, queries + draw.randint(0, 6))


# --- 2.8 ---------------------------------------------------------------------------------------


def mask_of_documents(lengths: list[int]) -> Tensor:
    return torch.block_diag(*[torch.ones(n, n).tril() for n in lengths]).bool()


def check_document_mask(submission, lengths: list[int]) -> None:
    right = mask_of_documents(lengths)
    total = sum(lengths)
    borders = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    causal = torch.ones(total, total).tril().bool()
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    late = torch.bucketize(torch.arange(total), borders[1:].contiguous())
    unfinished = right.clone()
    unfinished[total - lengths[-1] :] = False
    expect_mask(
        submission.document_mask(borders.clone()),
        right,
        [
            (causal, "documents see each other: a query may look into its own document only"),
            (
                document[:, None] == document,
                "the future of a document is visible: add the causal rule",
            ),
            (
                (late[:, None] == late) & causal,
                "off by one: the token at a border belongs to the next document",
            ),
            (unfinished, "the last document is missing: its tokens see nothing"),
            (
                right & ~torch.eye(total, dtype=torch.bool),
                "off by one: a token must see itself",
            ),
            (~right, "inverted: True should mean that the query may look"),
            (right.T, "transposed: row t is the query, column s is the key"),
        ],
        f"wrong for documents of {lengths} tokens",
    )


@pytest.mark.exercise("2.8", points=3, minutes=15, difficulty=3, section="Two more masks")
@pytest.mark.parametrize(
    "lengths", [[2, 1, 4], [3], [1, 1, 1]], ids=["three lengths", "one document", "one token each"]
)
def test_no_token_sees_another_document(submission, lengths):
    check_document_mask(submission, lengths)


@pytest.mark.exercise("2.8")
def test_drawn_documents(submission, seed):
    draw = Random(seed)
    for _ in range(3):
        check_document_mask(submission, draw.choices(range(1, 6), k=draw.randint(2, 5)))


# --- 2.9 ---------------------------------------------------------------------------------------


def masked(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
    scores = (q @ k.T / q.shape[-1] ** 0.5).masked_fill(hidden, -INF)
    return scores.softmax(-1).nan_to_num(0.0) @ v


def honest(q, k, v):
    return masked(q, k, v, future(len(q)))


def honest_fused(q, k, v):
    return scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


def honest_average(q, k, v):
    return v.cumsum(0) / torch.arange(1, len(v) + 1)[:, None]


def honest_first_only(q, k, v):
    return v[:1].expand_as(v)


def leak_everywhere(q, k, v):
    return masked(q, k, v, torch.zeros(len(q), len(q), dtype=torch.bool))


def leak_next(q, k, v):
    return masked(q, k, v, torch.ones(len(q), len(q), dtype=torch.bool).triu(2))


def leak_keys(q, k, v):
    return (q @ k.T / q.shape[-1] ** 0.5).softmax(-1).tril() @ v


def leak_queries(q, k, v):
    return honest(q.roll(-1, 0), k, v)


def leak_to_middle(q, k, v):
    out = honest(q, k, v).clone()
    middle = (len(out) - 1) // 2
    out[middle] += v[middle + 1]
    return out


LEAKS = {
    leak_everywhere: "an attention without any mask was called honest",
    leak_next: "a mask that is off by one was called honest: compare the position just before the "
    "first one that you change",
    leak_keys: "a mask after the softmax was called honest: it leaks through the keys, in the sum "
    "below the fraction. Change later keys too, not only later values",
    leak_queries: "an attention that uses a later query was called honest: "
    "change later queries too",
    leak_to_middle: "one position in the middle sees the value after it, and was missed: "
    "try every position",
}
HONEST = {
    honest: "an honest attention was called leaking: compare only positions before the change; a "
    "changed token may change its own result, and all later ones",
    honest_fused: "PyTorch's causal attention was called leaking: "
    "allow for rounding, as with allclose",
    honest_average: "the average of all tokens so far was called leaking: it is honest",
    honest_first_only: "an attention that sees nothing but the first token was called leaking: "
    "it never sees the future",
}


@pytest.mark.exercise("2.9", points=3, minutes=20, difficulty=3, section="Two more masks")
def test_every_leak_is_caught(submission):
    for attention, message in LEAKS.items():
        found = submission.leaks_future(attention)
        assert found is not None, "your function returned None: is there a `return`?"
        assert found, message


@pytest.mark.exercise("2.9")
def test_honest_attention_is_not_accused(submission):
    for attention, message in HONEST.items():
        assert not submission.leaks_future(attention), message


@pytest.mark.exercise("2.9")
def test_the_verdict_does_not_depend_on_the_order(submission, seed):
    cases = [*((a, True, m) for a, m in LEAKS.items()), *((a, False, m) for a, m in HONEST.items())]
    for attention, leaks, message in Random(seed).sample(cases, len(cases)):
        assert bool(submission.leaks_future(attention)) == leaks, message

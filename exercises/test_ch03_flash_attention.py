"""Grades chapter 03. Right answers come from PyTorch's attention and autograd in float64.

Every test compares with the right answer first. Only when that fails are the well-known wrong
answers computed, to say which mistake it looks like.
"""

import itertools
import math
from random import Random

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from phi1_lib.course.grading.tensors import close, expect, expect_tensor

INF = math.inf


def expect_parts(found: object, names: tuple[str, ...]) -> list:
    """The results of a function that returns several."""
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, tuple | list) and len(found) == len(names), (
        f"return {len(names)} results: {', '.join(names)}"
    )
    return list(found)


# --- 3.1 ---------------------------------------------------------------------------------------


def fold(step, scores: list[float]) -> tuple[float, float]:
    """Maximum and total after all scores; a total of infinity where exp overflows."""
    maximum, total = -INF, 0.0
    for score in scores:
        try:
            maximum, total = expect_parts(step(maximum, total, score), ("maximum", "total"))
        except OverflowError:
            return maximum, INF
    return maximum, total


def no_rescale(maximum: float, total: float, score: float) -> tuple[float, float]:
    return max(maximum, score), total + math.exp(score - max(maximum, score))


def upside_down(maximum: float, total: float, score: float) -> tuple[float, float]:
    new = max(maximum, score)
    rescale = math.exp(new - maximum) if maximum > -INF else 0.0
    return new, total * rescale + math.exp(score - new)


def old_maximum(maximum: float, total: float, score: float) -> tuple[float, float]:
    if maximum == -INF:
        return score, 1.0
    return max(maximum, score), total + math.exp(score - maximum)


def unshifted(maximum: float, total: float, score: float) -> tuple[float, float]:
    return max(maximum, score), total + math.exp(score)


STEP_MISTAKES = {
    no_rescale: "the old total was not rescaled: its powers still refer to the old maximum",
    upside_down: "rescaled the wrong way: the old powers become smaller when the maximum grows",
    old_maximum: "the new power refers to the old maximum: subtract the new one",
    unshifted: "nothing is subtracted in the exponents: total is the sum of exp(score - maximum)",
}


def check_steps(submission, scores: list[float]) -> None:
    maximum, total = fold(submission.online_step, scores)
    shown = ", ".join(f"{score:.4g}" for score in scores)
    assert total != INF, (
        f"scores {shown}: exp overflows. The maximum must be subtracted in every exponent"
    )
    why_nan = (
        "-inf minus -inf is nan; a hidden score adds nothing"
        if -INF in scores
        else "Before the first score the total is 0 and the maximum -inf: 0 times infinity is nan, "
        "0 times e to the power of -inf is 0"
    )
    assert not math.isnan(total), f"scores {shown}: the total is nan. {why_nan}"
    right = max(scores)
    assert maximum == right, (
        f"scores {shown}: the maximum is {maximum:.6g}; it is the largest score so far, {right:.6g}"
    )
    assert right > -INF or total == 0.0, (
        f"scores {shown}: the total is {total:.6g}; all are hidden, and a hidden score adds "
        "nothing, also when it comes first"
    )
    sum_right = math.fsum(math.exp(score - right) for score in scores) if right > -INF else 0.0
    if math.isclose(total, sum_right, rel_tol=1e-9, abs_tol=1e-300):
        return
    for mistake, message in STEP_MISTAKES.items():
        if math.isclose(total, fold(mistake, scores)[1], rel_tol=1e-9):
            pytest.fail(message, pytrace=False)
    pytest.fail(
        f"scores {shown}: the total is {total:.6g}, not the sum of exp(score - maximum)",
        pytrace=False,
    )


@pytest.mark.exercise("3.1", points=1, minutes=10, difficulty=1, section="A softmax in one pass")
@pytest.mark.parametrize(
    "scores",
    [[2.0], [3.0, 1.0], [1.0, 3.0], [0.0, 2.0, 1.0, 3.0]],
    ids=["one score", "falling", "rising", "four scores"],
)
def test_total_refers_to_the_largest_so_far(submission, scores):
    check_steps(submission, scores)


@pytest.mark.exercise("3.1")
def test_scores_near_a_thousand(submission):
    check_steps(submission, [998.0, 1000.0, 999.0, -1000.0])


@pytest.mark.exercise("3.1")
@pytest.mark.parametrize(
    "scores",
    [[-INF, 1.0, 2.0], [1.0, -INF, 2.0], [-INF, -INF]],
    ids=["hidden first", "hidden between", "all hidden"],
)
def test_a_hidden_score_adds_nothing(submission, scores):
    check_steps(submission, scores)


@pytest.mark.exercise("3.1")
def test_drawn_scores(submission, seed):
    draw = Random(seed)
    for length in (3, 8):
        check_steps(submission, [draw.gauss(0.0, 3.0) for _ in range(length)])


# --- 3.2 ---------------------------------------------------------------------------------------


def parts_of(scores: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Output and log-sum-exp of a part of the keys, in float64."""
    scores, v = scores.double(), v.double()
    return scores.softmax(-1).nan_to_num(0.0) @ v, scores.logsumexp(-1)


def check_merge(submission, scores: Tensor, v: Tensor, cut: int) -> None:
    out_a, lse_a = parts_of(scores[:, :cut], v[:cut])
    out_b, lse_b = parts_of(scores[:, cut:], v[cut:])
    right_out, right_lse = parts_of(scores, v)
    given = [x.float() for x in (out_a, lse_a, out_b, lse_b)]
    out, lse = expect_parts(
        submission.merge(*(x.clone() for x in given)), ("output", "log-sum-exp")
    )
    expect_tensor(lse, tuple(right_lse.shape), "the log-sum-exp")
    expect_tensor(out, tuple(right_out.shape), "the output")
    assert not (out.isnan().any() or lse.isnan().any()), (
        "nan: exp of a large log-sum-exp overflows, or -inf minus -inf was taken. "
        "Add in the log domain, and give a query that saw no key the output 0"
    )
    if right_lse.isfinite().all():
        share_a = (lse_a - right_lse).exp()[:, None]
        share_b = 1 - share_a
        mistakes = [
            ((out_a + out_b) / 2, "the mean of the two: weigh each part by its exp(lse)"),
            (out_a + out_b, "the sum of the two outputs: each needs its share, and they add to 1"),
            (share_b * out_a + share_a * out_b, "the shares are swapped"),
            (
                (lse_a[:, None] * out_a + lse_b[:, None] * out_b) / (lse_a + lse_b)[:, None],
                "weighed by the log-sum-exps themselves: the sums are their exp",
            ),
            (
                torch.where((lse_a > lse_b)[:, None], out_a, out_b),
                "only the part with the larger log-sum-exp counts in your output",
            ),
        ]
    else:
        mistakes = []
    expect(out, right_out, mistakes, "the output is not that of all keys together", "the output")
    expect(
        lse,
        right_lse,
        [
            (lse_a + lse_b, "the log-sum-exps were added: that multiplies the sums"),
            (torch.maximum(lse_a, lse_b), "the log-sum-exp is only the larger of the two"),
            (right_lse.exp(), "that is the sum itself: return its log"),
        ],
        "the log-sum-exp is not log(exp(lse_a) + exp(lse_b))",
        "the log-sum-exp",
    )


@pytest.mark.exercise("3.2", points=2, minutes=15, difficulty=2, section="Two parts meet")
def test_one_to_three(submission):
    scores, v = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[4.0], [0.0]])
    check_merge(submission, scores, v, 1)


@pytest.mark.exercise("3.2")
@pytest.mark.parametrize("lse", [1000.0, -1000.0], ids=["near 1000", "near -1000"])
def test_large_log_sum_exps(submission, randn, lse):
    out_TK, lse_T = randn(3, 2), torch.full((3,), lse)
    out, both = expect_parts(
        submission.merge(out_TK.clone(), lse_T.clone(), out_TK.clone(), lse_T.clone()),
        ("output", "log-sum-exp"),
    )
    expect_tensor(out, (3, 2), "the output")
    expect_tensor(both, (3,), "the log-sum-exp")
    assert both.isfinite().all() and out.isfinite().all(), (
        f"not finite for log-sum-exps near {lse:g}: exp overflows or vanishes. Subtract the larger "
        "one before exp, or add in the log domain"
    )
    # A float32 near 1,000 is off by up to eps x 1000 / 2, and so is a share, relatively.
    bound = 4 * torch.finfo(torch.float32).eps * 1000
    assert torch.allclose(out, out_TK, rtol=bound, atol=bound), (
        f"two equal parts, log-sum-exps {lse:g}: the output should be that of either part"
    )
    assert torch.allclose(both, lse_T + math.log(2.0), rtol=0.0, atol=bound), (
        f"two equal parts, log-sum-exps {lse:g}: together it should be log(2) more"
    )


@pytest.mark.exercise("3.2")
@pytest.mark.parametrize("blind", ["a", "b", "both"])
def test_a_part_without_keys(submission, randn, blind):
    scores, v = randn(3, 6), randn(6, 2, stream=1)
    if blind in ("a", "both"):
        scores[1, :3] = -INF
    if blind in ("b", "both"):
        scores[1, 3:] = -INF
    check_merge(submission, scores, v, 3)


@pytest.mark.exercise("3.2")
def test_drawn_parts(submission, randn, seed):
    for cut in (1, 4, 7):
        check_merge(submission, randn(5, 8) * 2, randn(8, 4, stream=1), cut)


# --- 3.3 ---------------------------------------------------------------------------------------


def tiles_with(
    q: Tensor, k: Tensor, v: Tensor, lengths: list[int], faults: frozenset[str] = frozenset()
) -> tuple[Tensor, Tensor]:
    """Tiled attention with a choice of mistakes, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    scale = 1.0 if "scale" in faults else q.shape[1] ** -0.5
    maximum = torch.full((len(q), 1), -INF, dtype=torch.float64)
    total, out = torch.zeros_like(maximum), torch.zeros_like(q)
    for k_s, v_s in zip(k.split(lengths), v.split(lengths), strict=True):
        scores = q @ k_s.T * scale
        new = torch.maximum(maximum, scores.amax(1, keepdim=True))
        if "one maximum" in faults:
            new = torch.maximum(maximum, scores.max())
        powers, rescale = (scores - new).exp(), (maximum - new).exp()
        if "tile maximum" in faults:
            powers, rescale = (scores - scores.amax(1, keepdim=True)).exp(), torch.ones_like(new)
        sums, part = powers.sum(1, keepdim=True), powers @ v_s
        if "one sum" in faults:
            sums = powers.sum()
        if "late sum" in faults:
            sums = sums * rescale
        if "late output" in faults:
            part = part * rescale
        total = total * (1 if "sum" in faults else rescale) + sums
        out = out * (1 if "output" in faults else rescale) + part
        if "divide" in faults:
            out = out / total
        maximum = new
    result = out if {"divide", "undivided"} & faults else out / total
    return result, (maximum + total.log()).squeeze(1)


TILE_FAULTS = {
    "output": "the running output was not rescaled when the maximum grew",
    "sum": "the running sum was not rescaled when the maximum grew",
    "tile maximum": "each tile subtracts its own maximum, and no factor joins the tiles: "
    "use the running maximum, and rescale what is old",
    "scale": "the scale is missing: divide the scores by the square root of K",
    "divide": "the output is divided in every tile: divide once, after the last",
    "undivided": "the output was not divided by the running sum",
    "one sum": "the running sum is one number for all queries: each query has its own",
    "late sum": "the tile's own part of the sum was rescaled too: rescale what is old, then add",
    "late output": "the tile's own part of the output was rescaled too: rescale what is old, then "
    "add",
}
TILE_SETS = {frozenset({fault}): message for fault, message in TILE_FAULTS.items()} | {
    frozenset({"output", "sum"}): "neither the running sum nor the running output was rescaled",
    frozenset({"one sum", "one maximum"}): TILE_FAULTS["one sum"],
    frozenset({"late sum", "late output"}): TILE_FAULTS["late output"],
}


def check_tiles(submission, q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> None:
    pieces = list(zip(k.split(lengths), v.split(lengths), strict=True))
    loads = [0] * len(lengths)

    def load(tile: int) -> tuple[Tensor, Tensor]:
        assert 0 <= tile < len(pieces), f"load({tile}) was called: the tiles are 0 to {len(pieces)}"
        loads[tile] += 1
        return pieces[tile][0].clone(), pieces[tile][1].clone()

    found = submission.tiled_attention(q.clone(), load, len(pieces))
    out, lse = expect_parts(found, ("output", "log-sum-exp"))
    assert 0 not in loads, f"tile {loads.index(0)} of {len(loads)} was never fetched"
    assert max(loads) == 1, (
        f"tile {loads.index(max(loads))} was fetched {max(loads)} times: one pass has to do"
    )
    right = scaled_dot_product_attention(*(x.double()[None] for x in (q, k, v)))[0]
    right_lse = (q.double() @ k.double().T * q.shape[1] ** -0.5).logsumexp(1)
    mistakes = [
        (tiles_with(q, k, v, lengths, faults)[0], message) for faults, message in TILE_SETS.items()
    ]
    last = sum(lengths[:-1])
    mistakes.append(
        (
            scaled_dot_product_attention(q[None], k[None, last:], v[None, last:])[0],
            "only the last tile counts: the running sums start anew in each",
        )
    )
    otherwise = "the output is not softmax(q k^T / sqrt(K)) v"
    if isinstance(out, Tensor) and not out.isfinite().all():
        otherwise = "exp overflows where the running maximum is not subtracted"
    expect(out, right, mistakes, otherwise, "the output")
    expect_tensor(lse, tuple(right_lse.shape), "the log-sum-exp")
    scores = q.double() @ k.double().T * q.shape[1] ** -0.5
    total = (scores - scores.amax(1, keepdim=True)).exp().sum(1)
    expect(
        lse,
        right_lse,
        [
            (total.log(), "the log-sum-exp lacks the maximum: it is maximum + log(sum)"),
            (scores.amax(1), "that is the maximum: the log-sum-exp is maximum + log(sum)"),
            (total, "that is the running sum: the log-sum-exp is maximum + log(sum)"),
            (scores.amax(1) + total, "take the log of the sum before adding the maximum"),
        ],
        "the log-sum-exp is not log(sum of exp(scaled score))",
        "the log-sum-exp",
    )


@pytest.mark.exercise(
    "3.3",
    points=3,
    minutes=20,
    difficulty=2,
    section="Tiles",
    forbids=(
        "softmax",
        "Softmax",
        "log_softmax",
        "softmin",
        "logsumexp",
        "scaled_dot_product_attention",
    ),
)
@pytest.mark.parametrize(
    "lengths", [[4], [3, 3], [4, 4, 1]], ids=["one tile", "two tiles", "a short last tile"]
)
def test_each_tile_once(submission, randn, lengths):
    keys = sum(lengths)
    check_tiles(submission, randn(5, 8) * 2, randn(keys, 8, stream=1), randn(keys, 8, stream=2),
                lengths)  # fmt: skip


@pytest.mark.exercise("3.3")
def test_scores_near_a_thousand_do_not_overflow(submission):
    q, k = torch.tensor([[100.0, 0.0, 0.0, 0.0]]), torch.zeros(4, 4)
    k[:, 0] = torch.tensor([19.0, 20.0, 20.0, 18.0])
    check_tiles(submission, q, k, torch.eye(4), [2, 2])


@pytest.mark.exercise("3.3")
def test_drawn_tiles(submission, randn, seed):
    draw = Random(seed)
    lengths = [draw.randint(1, 5) for _ in range(4)]
    keys = sum(lengths)
    check_tiles(submission, randn(3, 4) * 2, randn(keys, 4, stream=1), randn(keys, 4, stream=2),
                lengths)  # fmt: skip


# --- 3.4 ---------------------------------------------------------------------------------------


def flash_with(
    q: Tensor, k: Tensor, v: Tensor, tile: int, faults: frozenset[str] = frozenset()
) -> Tensor:
    """The causal loop of the exercise, with a choice of faults, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    (queries, features), keys = q.shape, len(k)
    result = torch.empty_like(q)
    for start in range(0, queries, tile):
        q_t = q[start : start + tile]
        position = torch.arange(start, start + len(q_t))[:, None]
        position += 0 if "top left" in faults else keys - queries
        position += 1 if "late" in faults else 0
        maximum = torch.full((len(q_t), 1), -1e30, dtype=torch.float64)
        total, out = torch.zeros_like(maximum), torch.zeros_like(q_t)
        for first in range(0, keys, tile):
            key = torch.arange(first, min(first + tile, keys))
            if "skip" in faults and first > start + keys - queries:
                continue
            scores = q_t @ k[key].T * features**-0.5
            scores = scores.masked_fill(key > position, -INF)
            new = torch.maximum(maximum, scores.amax(1, keepdim=True))
            powers, rescale = (scores - new).exp(), (maximum - new).exp()
            total = total * (1 if "sum" in faults else rescale) + powers.sum(1, keepdim=True)
            out = out * (1 if "output" in faults else rescale) + powers @ v[key]
            maximum = scores.amax(1, keepdim=True) if "maximum" in faults else new
        result[start : start + tile] = out / total
    return result


FLASH_FAULTS = {
    "top left": "the diagonal stands at the top left: query 0 is not key 0's position, but that of "
    "the first of the last T",
    "sum": "the running sum is not rescaled",
    "maximum": "the running maximum is replaced by the tile's own: carry the larger on",
}
FLASH_SETS = [
    frozenset(names) for count in (1, 2, 3) for names in itertools.combinations(FLASH_FAULTS, count)
]


def causal_right(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mask = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
    q, k, v = (x.double()[None] for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, attn_mask=mask)[0]


def check_flash(submission, q: Tensor, k: Tensor, v: Tensor, tile: int) -> None:
    mistakes = [
        (
            flash_with(q, k, v, tile, faults),
            "; ".join(FLASH_FAULTS[name] for name in FLASH_FAULTS if name in faults),
        )
        for faults in FLASH_SETS
    ]
    mistakes += [
        (
            flash_with(q, k, v, tile, frozenset({"output"})),
            "the running output is no longer rescaled: it was right",
        ),
        (
            flash_with(q, k, v, tile, frozenset({"skip"})),
            "a tile that the diagonal crosses is skipped: its last queries see some of its keys",
        ),
        (
            flash_with(q, k, v, tile, frozenset({"late"})),
            "off by one: a query sees the key after its own position",
        ),
        (
            scaled_dot_product_attention(q[None], k[None], v[None])[0],
            "nothing is hidden now",
        ),
    ]
    expect(
        submission.causal_flash(q.clone(), k.clone(), v.clone(), tile),
        causal_right(q, k, v),
        mistakes,
        f"not yet causal attention ({len(q)} queries, {len(k)} keys, tiles of {tile})",
    )


@pytest.mark.exercise(
    "3.4",
    points=2,
    minutes=15,
    difficulty=2,
    section="Skip what is hidden",
    forbids=(
        "softmax",
        "Softmax",
        "log_softmax",
        "softmin",
        "logsumexp",
        "scaled_dot_product_attention",
    ),
)
@pytest.mark.parametrize(
    ("queries", "keys", "tile"),
    [(4, 4, 4), (9, 9, 3), (5, 11, 4)],
    ids=["one tile", "three tiles", "5 of 11 keys"],
)
def test_all_three_faults_are_gone(submission, randn, queries, keys, tile):
    q, k, v = randn(queries, 8), randn(keys, 8, stream=1), randn(keys, 8, stream=2)
    check_flash(submission, 3 * q, k, v, tile)


@pytest.mark.exercise("3.4")
def test_drawn_lengths(submission, randn, seed):
    draw = Random(seed)
    queries = draw.randint(4, 8)
    keys = queries + draw.randint(1, 6)
    q, k, v = randn(queries, 4), randn(keys, 4, stream=1), randn(keys, 4, stream=2)
    check_flash(submission, 4 * q, k, v, draw.randint(2, 3))


# --- 3.5 ---------------------------------------------------------------------------------------


def count_tiles(seen: Tensor, query_tile: int, key_tile: int) -> int:
    return sum(
        bool(block.any()) for rows in seen.split(query_tile, 0) for block in rows.split(key_tile, 1)
    )


def check_count(submission, queries: int, keys: int, query_tile: int, key_tile: int) -> None:
    found = submission.tiles_to_compute(queries, keys, query_tile, key_tile)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, int) and not isinstance(found, bool), (
        f"your function returned {found!r}: a count is an int"
    )
    ones = torch.ones(queries, keys, dtype=torch.bool)
    shift = keys - queries

    def count(mask: Tensor) -> int:
        return count_tiles(mask, query_tile, key_tile)

    right = count(ones.tril(shift))
    if found == right:
        return
    starts = range(0, queries, query_tile)
    case = f"{queries} queries, {keys} keys, tiles of {query_tile} by {key_tile}"
    mistakes = [
        (count(ones), "every tile is counted, also those above the diagonal"),
        (
            count(ones.tril(0)),
            "the diagonal stands at the top left: query t sees the keys 0 to t + keys - queries",
        ),
        (
            sum(-(-(start + shift + 1) // key_tile) for start in starts),
            "each row of tiles ends where its first query does: its last query sees further",
        ),
        (
            sum((min(start + query_tile, queries) + shift) // key_tile for start in starts),
            "the tile on the diagonal is missing: a tile counts when any pair of it is visible",
        ),
        (
            sum(-(-(start + query_tile + shift) // key_tile) for start in starts),
            "the last row of tiles is shorter: its last query is queries - 1",
        ),
        (
            count(ones[: queries // query_tile * query_tile].tril(shift)),
            "the last queries are missing: they do not fill a tile, but they need one",
        ),
        (
            count(ones.tril(shift + 1)),
            "off by one: the key after a query's own position is hidden from it",
        ),
        (int(ones.tril(shift).sum()), "these are pairs of query and key: count tiles"),
    ]
    for wrong, message in mistakes:
        if found == wrong:
            pytest.fail(f"{message} ({case})", pytrace=False)
    pytest.fail(f"{case}: {found} is not the number of tiles with a visible pair", pytrace=False)


@pytest.mark.exercise("3.5", points=2, minutes=15, difficulty=2, section="Skip what is hidden")
@pytest.mark.parametrize(
    "case",
    [(8, 8, 2, 2), (2, 12, 2, 3), (9, 9, 4, 2), (11, 17, 4, 4), (12, 12, 2, 3)],
    ids=["square", "2 of 12 keys", "wide tiles", "not a multiple", "tall keys"],
)
def test_tiles_with_a_visible_pair(submission, case):
    check_count(submission, *case)


@pytest.mark.exercise("3.5")
def test_drawn_counts(submission, seed):
    draw = Random(seed)
    for _ in range(4):
        queries = draw.randint(3, 20)
        keys = queries + draw.choice([0, draw.randint(1, 20)])
        check_count(submission, queries, keys, draw.randint(1, 6), draw.randint(1, 6))


# --- 3.6 ---------------------------------------------------------------------------------------


class Ledger:
    """Slow memory that counts: every array that is read or written passes through here."""

    def __init__(self) -> None:
        self.numbers = 0

    def move(self, *shapes: tuple[int, int]) -> None:
        self.numbers += sum(rows * columns for rows, columns in shapes)


def standard_numbers(seen: Tensor, features: int) -> int:
    """The numbers moved, by going through the three steps one by one."""
    memory = Ledger()
    queries, keys = seen.shape
    q, k, scores = (queries, features), (keys, features), (queries, keys)
    memory.move(q, k, scores)
    memory.move(scores, scores)
    memory.move(scores, k, q)
    return memory.numbers


def tiled_numbers(seen: Tensor, query_tile: int, key_tile: int, features: int) -> int:
    """The numbers moved, by walking over the tiles of the mask and loading those in sight."""
    memory = Ledger()
    for rows in seen.split(query_tile, 0):
        q = (len(rows), features)
        memory.move(q)
        for block in rows.split(key_tile, 1):
            if block.any():
                k = v = (block.shape[1], features)
                memory.move(k, v)
        memory.move(q, (len(rows), 1))
    return memory.numbers


def standard_mistakes(seen: Tensor, features: int) -> list[tuple[int, str]]:
    """Wrong numbers that learners find for the standard way, each with what it looks like."""
    queries, keys = seen.shape
    small_q, small_k, square = queries * features, keys * features, queries * keys
    arrays = 2 * small_q + 2 * small_k
    sizes = "q and the output have a row for each query, k and v a row for each key"
    return [
        (
            arrays + 2 * square,
            "scores and weights are each written and read: four times, not two",
        ),
        (4 * square, "q, k, v and the output move too"),
        (arrays - small_q + 4 * square, "the output is written too, beside q, k and v"),
        (4 * small_q + 4 * square, sizes),
        (4 * small_k + 4 * square, sizes),
        (4 * small_q + 4 * queries**2, "scores and weights are queries x keys, not a square"),
        (4 * small_k + 4 * keys**2, "scores and weights are queries x keys, not a square"),
        (
            arrays + 4 * int(seen.sum()),
            "nothing is skipped: hidden scores are written and read like the others",
        ),
    ]


def tiled_mistakes(
    seen: Tensor, query_tile: int, key_tile: int, features: int
) -> list[tuple[int, str]]:
    """Wrong numbers that learners find for the tiles, each with what it looks like."""
    queries, keys = seen.shape
    ones, shift = torch.ones_like(seen), keys - queries
    right = tiled_numbers(seen, query_tile, key_tile, features)
    own = queries * (2 * features + 1)  # queries, output and log-sum-exp
    starts = range(0, queries, query_tile)
    sights = [min(start + query_tile, queries) + shift for start in starts]  # keys that a row sees
    blocks = count_tiles(seen, query_tile, key_tile)

    def masked(mask: Tensor) -> int:
        return tiled_numbers(mask, query_tile, key_tile, features)

    def reading(keys_read: int) -> int:
        return own + 2 * features * keys_read

    return [
        (masked(ones), "every tile of keys is read, also those of which all keys are hidden"),
        (
            masked(ones.tril(0)),
            "the diagonal stands at the top left: query t sees the keys 0 to t + keys - queries",
        ),
        (
            masked(ones.tril(shift + 1)),
            "off by one: the key after a query's own position is hidden from it",
        ),
        (
            reading(blocks * key_tile),
            "the last tile of keys is counted whole: it may be shorter",
        ),
        (
            reading(sum(sight // key_tile * key_tile for sight in sights)),
            "rounded down: a tile of keys that is seen in part is read too",
        ),
        (
            reading(sum(sights)),
            "a tile of keys is read whole, also when some of its keys are hidden",
        ),
        (
            reading(
                sum(min(-(-(start + shift + 1) // key_tile) * key_tile, keys) for start in starts)
            ),
            "reading ends where the first query of a tile does: its last query sees further",
        ),
        (
            masked(seen[: queries // query_tile * query_tile]),
            "the last tile of queries is missing: it may be shorter, but it moves its part",
        ),
        (
            right - 2 * features * keys,
            "the last, shorter tile of queries reads k and v too",
        ),
        (reading(keys), "k and v are read again for every tile of queries, not once"),
        (
            reading(int(seen.sum())),
            "k and v are read once for a tile of queries, not for each of its queries",
        ),
        (reading(blocks), "tiles are counted where keys belong: a tile holds several keys"),
        (right - queries, "the log-sum-exp is missing, one number a query"),
        (
            right - queries + queries * features,
            "the log-sum-exp is one number a query, not one for each feature",
        ),
        (right - queries * features, "the output is missing: it is as large as the queries"),
        ((right + own) // 2, "both k and v are read, not one of them"),
        (
            (len(starts) * query_tile - queries) * (2 * features + 1) + right,
            "the last tile of queries is counted whole: it may be shorter",
        ),
        (
            right
            + features
            * sum(
                len(rows) * (count_tiles(rows, query_tile, key_tile) - 1)
                for rows in seen.split(query_tile, 0)
            ),
            "queries are read once, before the loop over the keys, and not for each tile of keys",
        ),
    ]


def check_bytes(
    submission, queries: int, keys: int, query_tile: int, key_tile: int, features: int, size: int
) -> None:
    found = expect_parts(
        submission.bytes_moved(queries, keys, query_tile, key_tile, features, size),
        ("standard", "tiled"),
    )
    seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    tiles = (query_tile, key_tile, features)
    right = [standard_numbers(seen, features), tiled_numbers(seen, *tiles)]
    if found == [numbers * size for numbers in right]:
        return
    case = (
        f"{queries} queries, {keys} keys, tiles of {query_tile} by {key_tile}, head size "
        f"{features}, {size} bytes"
    )
    assert found[::-1] != [numbers * size for numbers in right], (
        f"the two stand in the other order: standard first ({case})"
    )
    mistakes = [standard_mistakes(seen, features), tiled_mistakes(seen, *tiles)]
    for name, value, numbers, known in zip(
        ("standard", "tiled"), found, right, mistakes, strict=True
    ):
        if value == numbers * size:
            continue
        if value == numbers:
            pytest.fail(f"these are numbers, not bytes: {size} bytes each ({case})", pytrace=False)
        messages = dict.fromkeys(message for wrong, message in known if value == wrong * size)
        told = "; or: ".join(messages) or (
            f"{value} bytes is not the count. For each step, add up what it reads and what it "
            "writes"
        )
        pytest.fail(f"{name}: {told} ({case})", pytrace=False)


@pytest.mark.exercise("3.6", points=1, minutes=15, difficulty=2, section="The bytes, counted again")
@pytest.mark.parametrize(
    "case",
    [
        (5, 7, 2, 2, 2, 2),
        (7, 13, 3, 4, 2, 4),
        (96, 96, 32, 20, 64, 2),
        (37, 100, 16, 24, 64, 2),
        (1, 100, 16, 16, 64, 4),
    ],
    ids=["by hand", "short last tiles", "square", "37 of 100 keys", "one query"],
)
def test_bytes_of_both(submission, case):
    check_bytes(submission, *case)


@pytest.mark.exercise("3.6")
def test_drawn_bytes(submission, seed):
    draw = Random(seed)
    for _ in range(4):
        queries = draw.randint(20, 120)
        keys = queries + draw.choice([0, draw.randint(1, 120)])
        tiles = draw.randint(8, 40), draw.randint(8, 40)
        check_bytes(submission, queries, keys, *tiles, draw.choice([32, 64]), draw.choice([2, 4]))


# --- 3.7 ---------------------------------------------------------------------------------------


def backward_with(q, k, v, out, lse, grad, fault: str = "") -> tuple[Tensor, Tensor, Tensor]:
    """The three gradients, with a choice of mistakes."""
    scale = q.shape[1] ** -0.5
    scores = q @ k.T * scale
    p = (scores - (lse if fault == "lse along keys" else lse[:, None])).exp()
    if fault == "powers":
        p = scores.exp()
    if fault == "scores":
        p = scores
    dp = grad @ v.T
    delta = (grad * out).sum(1, keepdim=True)
    ds = p * (dp - delta)
    if fault == "no delta":
        ds = p * dp
    if fault == "no softmax":
        ds = dp
    if fault == "bracket":
        ds = p * dp - delta
    if fault == "one delta":
        ds = p * (dp - delta.sum())
    if fault == "delta of keys":
        ds = p * (dp - (p * dp).sum(0, keepdim=True))
    power = {"no scale": 0, "scale twice": 2}.get(fault, 1)
    dv = {"dv of dp": dp.T @ grad, "dv of out": p.T @ out}.get(fault, p.T @ grad)
    if fault == "not turned":
        return ds @ k * scale, ds @ q * scale, p @ grad
    return ds @ k * scale**power, ds.T @ q * scale**power, dv


BACKWARD_FAULTS = {
    "no delta": "delta is missing: the softmax's part is weights x (gradient of the weights "
    "- delta)",
    "no scale": "the scale is missing in the gradients of q and k",
    "scale twice": "the scale is there twice",
    "powers": "these are exp(scaled score), not weights: subtract the log-sum-exp",
    "scores": "the scores stand where the weights belong: weights are exp(scaled score - lse)",
    "no softmax": "the softmax has no part in it: the gradient of the weights is not that of the "
    "scores",
    "bracket": "delta was not multiplied by the weights: it stands inside the bracket",
    "one delta": "delta is one number for all queries: each query has its own",
    "delta of keys": "delta was summed over the queries: it is one number a query, a sum over keys",
    "dv of dp": "the gradient of v takes the gradient of the weights: it is weights, turned, times "
    "that of the output",
    "dv of out": "the gradient of v takes the output: it is weights, turned, times the gradient "
    "of the output",
}
SQUARE_FAULTS = {  # with another number of keys they end in an error of PyTorch's
    "lse along keys": "the log-sum-exp was subtracted along the keys: it is one number a query, "
    "so give it a last dimension of 1",
    "not turned": "the gradients of k and v gather from all queries: the matrix is to be turned "
    "(transposed)",
}


def check_backward(submission, q: Tensor, k: Tensor, v: Tensor, grad: Tensor) -> None:
    wide = [x.double().requires_grad_() for x in (q, k, v)]
    out = scaled_dot_product_attention(*(x[None] for x in wide))[0]
    right = torch.autograd.grad(out, wide, grad.double())
    out = out.detach()
    lse = (q.double() @ k.double().T * q.shape[1] ** -0.5).logsumexp(1)
    given = [x.float() for x in (q, k, v, out, lse, grad)]
    names = ("gradient of q", "gradient of k", "gradient of v")
    found = expect_parts(submission.attention_backward(*(x.clone() for x in given)), names)
    wrong = {
        message: backward_with(*(x.double() for x in given), fault)
        for fault, message in (
            BACKWARD_FAULTS | (SQUARE_FAULTS if len(q) == len(k) else {})
        ).items()
    }
    if isinstance(found[0], Tensor) and isinstance(found[1], Tensor):
        swapped = close(found[0], right[1]) and close(found[1], right[0])
        assert not swapped or close(found[0], right[0]), "the gradients of q and k are swapped"
    for index, name in ((2, names[2]), (0, names[0]), (1, names[1])):
        expect(
            found[index],
            right[index],
            [(gradients[index], message) for message, gradients in wrong.items()],
            f"the {name} is not what autograd finds",
            f"the {name}",
        )


@pytest.mark.exercise(
    "3.7",
    points=3,
    minutes=25,
    difficulty=3,
    section="Backward without the weights",
    forbids=(
        "softmax",
        "Softmax",
        "log_softmax",
        "softmin",
        "logsumexp",
        "scaled_dot_product_attention",
        "grad",
        "backward",
        "requires_grad",
        "requires_grad_",
        "vjp",
    ),
)
@pytest.mark.parametrize(
    ("queries", "keys"), [(4, 4), (3, 6)], ids=["as many queries as keys", "3 queries, 6 keys"]
)
def test_the_gradients_are_those_of_autograd(submission, randn, queries, keys):
    q, grad = randn(queries, 4), randn(queries, 4, stream=1)
    check_backward(submission, q, randn(keys, 4, stream=2), randn(keys, 4, stream=3), grad)


@pytest.mark.exercise("3.7")
def test_drawn_sizes(submission, randn, seed):
    draw = Random(seed)
    queries, keys, features = (draw.randint(2, 7) for _ in range(3))
    q, grad = randn(queries, features), randn(queries, features, stream=1)
    k, v = randn(keys, features, stream=2), randn(keys, features, stream=3)
    check_backward(submission, q, k, v, grad)


# --- 3.8 ---------------------------------------------------------------------------------------


def needed_tiles(seen: Tensor, tile: int) -> list[tuple[int, int]]:
    return [
        (row, column)
        for row, rows in enumerate(seen.split(tile, 0))
        for column, block in enumerate(rows.split(tile, 1))
        if block.any()
    ]


def check_packed(submission, lengths: list[int], tile: int) -> None:
    borders = [0, *itertools.accumulate(lengths)]
    found = submission.packed_tiles(list(borders), tile)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, list | tuple), f"return a list, not a {type(found).__name__}"
    assert all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in found), (
        "return a list of pairs (row of tiles, column of tiles)"
    )
    found = [tuple(pair) for pair in found]
    total = borders[-1]
    seen = torch.block_diag(*[torch.ones(n, n).tril() for n in lengths]).bool()
    right = needed_tiles(seen, tile)
    if found == right:
        return
    case = f"documents of {lengths} tokens, tiles of {tile}"
    assert len(set(found)) == len(found), f"a tile is named twice ({case})"
    assert sorted(found) != right, f"the tiles are right, not their order: by rows ({case})"
    ones = torch.ones(total, total)
    same = torch.block_diag(*[torch.ones(n, n) for n in lengths]).bool()
    by_last, inside, late, undivided = [], [], [], []
    rows = range(-(-total // tile))
    for row in rows:
        first, last = row * tile, min((row + 1) * tile, total) - 1
        start = max(border for border in borders if border <= last)
        by_last += [(row, column) for column in range(start // tile, row + 1)]
        start = max((border for border in borders if border < first), default=0)
        late += [(row, column) for column in range(start // tile, row + 1)]
        start = max(border for border in borders if border <= first)
        undivided += [(row, column) for column in range(start, row + 1)]
    for start, stop in itertools.pairwise(borders):
        for row in range(start // tile, stop // tile):
            inside += [(row, column) for column in range(start // tile, row + 1)]
    mistakes = [
        (needed_tiles(ones.tril().bool(), tile), "documents see each other"),
        (needed_tiles(same, tile), "tiles with nothing but later keys are counted"),
        (needed_tiles(ones.bool(), tile), "no tile is skipped"),
        (
            undivided,
            "a border counts tokens: divide it by the tile to find its column of tiles",
        ),
        (
            by_last,
            "a row of tiles starts at the document of its last query: the first query's document "
            "may start earlier",
        ),
        (
            late,
            "a document that starts exactly at a tile's first query belongs to that query",
        ),
        (
            sorted(set(inside)),
            "tiles that a document only partly fills at its end are missing",
        ),
        ([(row, row) for row in rows], "only the tiles on the diagonal: long documents need more"),
        (
            [(row, column) for row, column in right if row != len(rows) - 1],
            "the last row of tiles is missing: it may be shorter, but it is needed",
        ),
        ([(column, row) for row, column in right], "the pairs are (column, row)"),
    ]
    for wrong, message in mistakes:
        if found == wrong or sorted(found) == sorted(wrong):
            pytest.fail(f"{message} ({case})", pytrace=False)
    extra, missing = sorted(set(found) - set(right)), sorted(set(right) - set(found))
    which = f"{extra[0]} holds no visible pair" if extra else f"{missing[0]} is missing"
    pytest.fail(f"{case}: tile {which}", pytrace=False)


@pytest.mark.exercise("3.8", points=3, minutes=20, difficulty=3, section="Packed documents")
@pytest.mark.parametrize(
    ("lengths", "tile"),
    [([2, 2], 2), ([3, 1], 2), ([7, 3, 6], 4), ([9], 2), ([1, 1, 1, 1, 1], 2)],
    ids=[
        "borders on tiles",
        "a border inside",
        "three documents",
        "one document",
        "one token each",
    ],
)
def test_tiles_with_a_visible_pair_of_one_document(submission, lengths, tile):
    check_packed(submission, lengths, tile)


@pytest.mark.exercise("3.8")
def test_drawn_documents(submission, seed):
    draw = Random(seed)
    for _ in range(4):
        lengths = draw.choices(range(1, 12), k=draw.randint(2, 6))
        check_packed(submission, lengths, draw.randint(2, 5))

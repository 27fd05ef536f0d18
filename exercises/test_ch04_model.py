"""Grades chapter 04. Right answers come from PyTorch's own layers in float64, and from measuring.

Every test compares with the right answer first. Only when that fails are the well-known wrong
answers computed, to say which mistake it looks like.
"""

import itertools
import math
import re
from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phi1_lib.course.grading.tensors import close, expect, expect_tensor

EPS = 1e-5


def double(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in tensors.items()}


def clones(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


# --- 4.1 ---------------------------------------------------------------------------------------


def normed(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    correction: int = 0,
    where: str = "inside",
    eps: float = EPS,
) -> Tensor:
    """LayerNorm in float64 with a choice of mistakes."""
    x, weight, bias = x.double(), weight.double(), bias.double()
    centred = x - x.mean(-1, keepdim=True)
    variance = x.var(-1, keepdim=True, correction=correction)
    below = {
        "inside": (variance + eps).sqrt(),
        "outside": variance.sqrt() + eps,
        "none": variance.sqrt(),
        "unrooted": variance + eps,
    }[where]
    return centred / below * weight + bias


def check_layer_norm(submission, x: Tensor, weight: Tensor, bias: Tensor) -> None:
    width = x.shape[-1]
    right = functional.layer_norm(x.double(), (width,), weight.double(), bias.double(), EPS)
    columns = normed(x.T, torch.ones(1), torch.zeros(1)).T * weight.double() + bias.double()
    whole = functional.layer_norm(x.double(), tuple(x.shape), eps=EPS) * weight + bias
    mean_square = x.double() / (x.double().square().mean(-1, keepdim=True) + EPS).sqrt()
    centred = x.double() - x.double().mean(-1, keepdim=True)
    one_size = centred / (centred.square().mean() + EPS).sqrt()
    expect(
        submission.layer_norm(x.clone(), weight.clone(), bias.clone()),
        right,
        [
            (
                normed(x, weight, bias, where="outside"),
                "epsilon stands outside the root: it joins the variance before the root is taken",
            ),
            (
                normed(x, weight, bias, correction=1),
                "unbiased variance: divided by D - 1. `torch.var` does that by default; the mean "
                "of the squares divides by D",
            ),
            (
                normed(x, weight, bias, correction=1, where="outside"),
                "unbiased variance, and epsilon stands outside the root",
            ),
            (normed(x, weight, bias, where="none"), "epsilon is missing"),
            (
                normed(x, weight, bias, where="unrooted"),
                "divided by the variance: divide by its square root",
            ),
            (columns, "normalised over the tokens: each token stands alone, over its own features"),
            (whole, "one mean and variance for all tokens: each token has its own"),
            (
                one_size * weight + bias,
                "one variance for all tokens: each row has its own (dim=-1, keepdim=True)",
            ),
            (
                normed(x, weight, bias, eps=1e-6),
                "epsilon is 1e-6: it is given as `eps`, 1e-5 unless told otherwise",
            ),
            (
                mean_square * weight + bias,
                "the mean was not subtracted: that is RMSNorm, another layer",
            ),
            (normed(x, torch.ones(width), bias), "the weight is missing"),
            (normed(x, weight, torch.zeros(width)), "the bias is missing"),
            (
                (normed(x, torch.ones(width), torch.zeros(width)) + bias) * weight,
                "the bias was added before the weight multiplied: weight first, then bias",
            ),
        ],
        "the result is not (x - mean) / sqrt(variance + eps) * weight + bias of each row",
    )


@pytest.mark.exercise(
    "4.1",
    points=1,
    minutes=8,
    difficulty=1,
    section="LayerNorm",
    forbids=("layer_norm", "LayerNorm", "native_layer_norm", "group_norm", "GroupNorm"),
)
def test_each_row_is_normalised(submission, randn):
    check_layer_norm(submission, randn(5, 8) * 2 + 3, randn(8, stream=1), randn(8, stream=2))


@pytest.mark.exercise("4.1")
@pytest.mark.parametrize("size", [0.003, 0.02], ids=["very small", "as an embedding begins"])
def test_small_features_show_where_epsilon_stands(submission, randn, size):
    check_layer_norm(submission, randn(4, 8) * size, randn(8, stream=1), randn(8, stream=2))


@pytest.mark.exercise("4.1")
def test_another_epsilon(submission, randn):
    x, weight, bias = randn(3, 8) / 10, randn(8, stream=1), randn(8, stream=2)
    expect(
        submission.layer_norm(x.clone(), weight.clone(), bias.clone(), 0.01),
        normed(x, weight, bias, eps=0.01),
        [(normed(x, weight, bias), "eps=0.01 was asked for and not used: take the argument `eps`")],
        "the result is not that of LayerNorm with eps=0.01",
    )


@pytest.mark.exercise("4.1")
def test_equal_features_do_not_divide_by_zero(submission):
    found = submission.layer_norm(torch.full((2, 4), 7.0), torch.ones(4), torch.full((4,), 0.5))
    expect_tensor(found, (2, 4))
    assert not found.isnan().any(), "a row of equal features gives nan: 0 / 0. Epsilon is for that"
    assert close(found, torch.full((2, 4), 0.5)), "a row of equal features should give the bias"


@pytest.mark.exercise("4.1")
def test_what_was_given_is_not_written_into(submission, randn):
    x = randn(3, 4)
    before = x.clone()
    submission.layer_norm(x, torch.ones(4), torch.zeros(4))
    assert torch.equal(x, before), (
        "your function changed the tensor it was given: `x -= ...` writes into it; "
        "make a new tensor with `x = x - ...`"
    )


# --- 4.2 ---------------------------------------------------------------------------------------


def by_erf(z: Tensor) -> Tensor:
    return functional.gelu(z)


def by_tanh(z: Tensor) -> Tensor:
    return functional.gelu(z, approximate="tanh")


def tanh_form(z: Tensor, root: float, cubic: Tensor) -> Tensor:
    return 0.5 * z * (1 + torch.tanh(root * (z + 0.044715 * cubic)))


ROOT = math.sqrt(2 / math.pi)
ACTIVATIONS = [
    (
        by_erf,
        "the exact GELU, by erf: phi-1 has the tanh form. The two differ in the fourth decimal, "
        "enough to fail every comparison with the released weights",
    ),
    (functional.relu, "ReLU, not GELU"),
    (functional.silu, "SiLU (z times the sigmoid of z), not GELU"),
    (lambda z: z * torch.sigmoid(1.702 * z), "the sigmoid form of GELU: phi-1 has the tanh form"),
    (lambda z: 2 * by_tanh(z), "twice too large: the factor 0.5 is missing"),
    (lambda z: tanh_form(z, 2 / math.pi, z**3), "the root is missing: sqrt(2 / pi)"),
    (
        lambda z: tanh_form(z, math.sqrt(2) / math.pi, z**3),
        "the root covers the 2 only: it is the root of the fraction 2 / pi",
    ),
    (lambda z: tanh_form(z, ROOT, z**2), "z is squared in the bracket: it is cubed"),
    (lambda z: tanh_form(z, ROOT, 0 * z), "the cubic term is missing"),
    (lambda z: tanh_form(z, 1.0, z**3), "the factor sqrt(2 / pi) is missing"),
    (lambda z: z, "there is no GELU between the two maps: together they are one linear map"),
    (lambda z: by_tanh(z) / z, "the factor z in front of the bracket is missing"),
    (
        lambda z: 0.5 * z * (1 + torch.tanh(ROOT * z + 0.044715 * z**3)),
        "the root multiplies z alone: it multiplies the whole bracket, the cubic term too",
    ),
    (
        lambda z: 0.5 * z + torch.tanh(ROOT * (z + 0.044715 * z**3)),
        "0.5 z multiplies the 1 alone: it multiplies the whole bracket (1 + tanh)",
    ),
]


def mlp_weights(randn, width: int, inner: int, prefix: str = "") -> dict[str, Tensor]:
    return {
        f"{prefix}fc1.weight": randn(inner, width, stream=11) / width**0.5 * 1.5,
        f"{prefix}fc1.bias": randn(inner, stream=12) / 2,
        f"{prefix}fc2.weight": randn(width, inner, stream=13) / inner**0.5,
        f"{prefix}fc2.bias": randn(width, stream=14) / 2,
    }


def mlp_with(h: Tensor, weights: dict[str, Tensor], act=by_tanh, drop=()) -> Tensor:
    """The MLP in float64; biases named in `drop` are left out."""
    weights = {name.removeprefix("mlp."): tensor for name, tensor in double(weights).items()}
    biases = [None if n in drop else weights[f"{n}.bias"] for n in ("fc1", "fc2")]
    z = functional.linear(h.double(), weights["fc1.weight"], biases[0])
    return functional.linear(act(z), weights["fc2.weight"], biases[1])


@pytest.mark.exercise(
    "4.2",
    points=1,
    minutes=10,
    difficulty=1,
    section="The MLP and its GELU",
    forbids=("gelu", "GELU"),
)
def test_two_maps_with_gelu_between(submission, randn):
    h, weights = randn(5, 6), mlp_weights(randn, 6, 16)
    mistakes = [(mlp_with(h, weights, act), message) for act, message in ACTIVATIONS]
    for drop, name in [(("fc1",), "fc1"), (("fc2",), "fc2"), (("fc1", "fc2"), "fc1 and of fc2")]:
        missing = mlp_with(h, weights, drop=drop)
        mistakes.append((missing, f"the bias of {name} is missing: phi-1 has biases everywhere"))
    twice = functional.gelu(mlp_with(h, weights), approximate="tanh")
    mistakes.append((twice, "GELU stands after fc2 as well: only between the two maps"))
    mistakes.append(
        (mlp_with(h, weights) + h.double(), "h is added: the block does that, not the MLP")
    )
    expect(
        submission.mlp(h.clone(), clones(weights)),
        mlp_with(h, weights),
        mistakes,
        "the result is not fc2(gelu(fc1(h))) with the tanh form of GELU",
    )


@pytest.mark.exercise("4.2")
@pytest.mark.parametrize("value", [-1.5, -0.5, 0.0, 2.0], ids="z = {}".format)
def test_gelu_of_one_number(submission, value):
    one = torch.ones(1, 1)
    weights = {"fc1.weight": one, "fc2.weight": one}
    weights |= {"fc1.bias": torch.zeros(1), "fc2.bias": torch.zeros(1)}
    z = torch.tensor([[value]])
    mistakes = [
        (act(z.double()), message) for act, message in ACTIVATIONS if value not in (0.0, 1.0)
    ]
    # One number in, one out, and both maps do nothing: what is left is GELU.
    expect(
        submission.mlp(z.clone(), clones(weights)),
        by_tanh(z.double()),
        mistakes,
        "not GELU's value",
    )


# --- 4.3 ---------------------------------------------------------------------------------------


def block_weights(randn, width: int, inner: int) -> dict[str, Tensor]:
    return {
        "input_layernorm.weight": 1 + randn(width, stream=21) / 2,
        "input_layernorm.bias": randn(width, stream=22) / 2,
        **mlp_weights(randn, width, inner, prefix="mlp."),
    }


class Attention:
    """Stands in for attention: mixes each token with those before it; counts its calls."""

    def __init__(self, mix_DD: Tensor) -> None:
        self.mix_DD = mix_DD
        self.calls = 0

    def __call__(self, h_TD: Tensor) -> Tensor:
        self.calls += 1
        so_far = torch.arange(1, len(h_TD) + 1)[:, None]
        return h_TD.cumsum(0) / so_far @ self.mix_DD.to(h_TD.dtype)


def norm_by(x: Tensor, weights: dict[str, Tensor], name: str, eps: float = EPS) -> Tensor:
    weight, bias = weights[f"{name}.weight"].double(), weights[f"{name}.bias"].double()
    return functional.layer_norm(x.double(), x.shape[-1:], weight, bias, eps)


def check_block(submission, randn, width: int, inner: int, size: float = 1.0) -> None:
    x, weights = randn(6, width) * size, block_weights(randn, width, inner)
    attention = Attention(randn(width, width, stream=23) / width**0.5)
    x8 = x.double()

    def norm(value: Tensor) -> Tensor:
        return norm_by(value, weights, "input_layernorm")

    def ff(value: Tensor, **choice) -> Tensor:
        return mlp_with(value, weights, **choice)

    h = norm(x8)
    a = attention(h)
    right = x8 + a + ff(h)
    sequential = x8 + a
    mistakes = [
        (
            sequential + ff(norm(sequential)),
            "sequential: the MLP reads what attention made. In the parallel block both read the "
            "same normalised x",
        ),
        (sequential + ff(sequential), "sequential, and the MLP reads an x that is not normalised"),
        (x8 + ff(h) + attention(norm(x8 + ff(h))), "sequential, the MLP first: both read h"),
        (x8 + a + ff(norm(h)), "two LayerNorms in a row before the MLP: one serves both"),
        (x8 + a + ff(x8), "the MLP reads x: it reads LayerNorm(x), as attention does"),
        (x8 + attention(x8) + ff(h), "attention reads x: it reads LayerNorm(x), as the MLP does"),
        (x8 + attention(x8) + ff(x8), "there is no LayerNorm"),
        (norm(x8 + attention(x8) + ff(x8)), "LayerNorm after the sum: phi-1 has it before"),
        (norm(right), "a LayerNorm too many, after the sum"),
        (a + ff(h), "x itself is not added: the residual is missing"),
        (h + a + ff(h), "the normalised x is added: add x as it came in"),
        (2 * x8 + a + ff(h), "x is added twice: once for both branches"),
        (x8 + ff(a), "a chain: the MLP reads attention's result alone"),
        (x8 + a, "the MLP is missing"),
        (x8 + ff(h), "attention is missing"),
        (x8 + a + ff(h + a), "the MLP reads h + attention(h): it reads h alone"),
        (x8 + a + ff(h, act=by_erf), "the exact GELU: pass approximate='tanh'"),
        (x8 + a + ff(h, act=functional.relu), "ReLU, not GELU in its tanh form"),
        (x8 + a + ff(h, drop=("fc1", "fc2")), "the MLP's biases are missing"),
        (x8 + a + ff(h, drop=("fc1",)), "the bias of fc1 is missing"),
        (x8 + a + ff(h, drop=("fc2",)), "the bias of fc2 is missing"),
    ]
    plain = {
        "input_layernorm.weight": torch.ones(width),
        "input_layernorm.bias": torch.zeros(width),
    }
    bare = norm_by(x8, plain, "input_layernorm")
    mistakes.append((x8 + attention(bare) + ff(bare), "LayerNorm's weight and bias are not used"))
    finer = norm_by(x8, weights, "input_layernorm", eps=1e-6)
    mistakes.append((x8 + attention(finer) + ff(finer), "epsilon is 1e-6: phi-1's is 1e-5"))
    attention.calls = 0
    found = submission.parallel_block(x.clone(), clones(weights), attention)
    expect(found, right, mistakes, "the result is not x + attention(h) + mlp(h), h = LayerNorm(x)")
    assert attention.calls == 1, f"attention was called {attention.calls} times: once is enough"


@pytest.mark.exercise(
    "4.3", points=3, minutes=15, difficulty=2, section="Side by side, or one after the other"
)
def test_both_branches_read_one_layer_norm(submission, randn):
    check_block(submission, randn, 8, 24)


@pytest.mark.exercise("4.3")
def test_a_stream_far_from_size_one(submission, randn):
    check_block(submission, randn, 6, 12, size=5.0)


@pytest.mark.exercise("4.3")
def test_a_stream_as_an_embedding_begins(submission, randn):
    check_block(submission, randn, 8, 24, size=0.02)


@pytest.mark.exercise("4.3")
def test_the_stream_given_is_not_written_into(submission, randn):
    x, weights = randn(3, 4), block_weights(randn, 4, 8)
    before = x.clone()
    submission.parallel_block(x, clones(weights), Attention(torch.eye(4)))
    assert torch.equal(x, before), (
        "your function changed the x it was given: `x += ...` writes into it; build a new tensor"
    )


# --- 4.4 ---------------------------------------------------------------------------------------

FAULTS = {
    "twice": "x is still added to a block's result, which contains it already",
    "norm": "the final LayerNorm is still missing",
    "tied": "the head is still the embedding table (tied): phi-1 has a matrix of its own",
    "bias": "the head's bias is still missing",
}


def model_weights(randn, vocab: int, width: int) -> dict[str, Tensor]:
    return {
        "model.embed_tokens.weight": randn(vocab, width, stream=31),
        "model.final_layernorm.weight": 1 + randn(width, stream=32) / 2,
        "model.final_layernorm.bias": randn(width, stream=33) / 2,
        "lm_head.weight": randn(vocab, width, stream=34),
        "lm_head.bias": randn(vocab, stream=35),
    }


def model_with(
    ids: Tensor, weights: dict[str, Tensor], blocks, faults=frozenset(), eps: float = EPS
) -> Tensor:
    weights = double(weights)
    x = weights["model.embed_tokens.weight"][ids]
    for block in blocks:
        x = x + block(x) if "twice" in faults else block(x)
    if "norm" not in faults:
        x = norm_by(x, weights, "model.final_layernorm", eps)
    head = weights["model.embed_tokens.weight" if "tied" in faults else "lm_head.weight"]
    return x @ head.T + (0 if "bias" in faults else weights["lm_head.bias"])


def check_model(submission, ids: Tensor, weights: dict[str, Tensor], blocks) -> None:
    def final(x: Tensor) -> Tensor:
        return norm_by(x, weights, "model.final_layernorm")

    def normed_after(block):
        return lambda x: final(block(x))

    right = model_with(ids, weights, blocks)
    mistakes = [
        (model_with(ids, weights, blocks, set(names)), "; ".join(FAULTS[name] for name in names))
        for count in (1, 2, 3, 4)
        for names in itertools.combinations(FAULTS, count)
    ]
    mistakes += [
        # Every block reads the embedding, not what the block before it made.
        (model_with(ids, weights, blocks[-1:]), "every block reads the embedding: pass x along"),
        (model_with(ids, weights, []), "the blocks are not used now"),
        (model_with(ids, weights, blocks[::-1]), "the blocks run in the wrong order"),
        (
            model_with(ids, weights, [normed_after(block) for block in blocks], {"norm"}),
            "the final LayerNorm stands inside the loop: it comes once, after the last block",
        ),
        (
            model_with(ids, weights, [final, *blocks]),
            "LayerNorm after the embedding as well: it comes once, after the last block",
        ),
        (model_with(ids, weights, [*blocks, final]), "the final LayerNorm stands there twice"),
        (right.softmax(-1), "these are probabilities: return the logits, no softmax"),
        (model_with(ids, weights, blocks, eps=1e-6), "epsilon is 1e-6: phi-1's is 1e-5"),
    ]
    found = submission.model_logits(ids.clone(), clones(weights), blocks)
    expect(found, right, mistakes, "not yet the model of the docstring")


@pytest.mark.exercise("4.4", points=2, minutes=12, difficulty=2, section="From ids to logits")
def test_all_four_faults_are_gone(submission, randn):
    mixes = [randn(8, 8, stream=40 + i) / 4 for i in range(3)]

    def as_block(mix):
        return lambda x: x + torch.tanh(x @ mix.to(x.dtype))

    ids, weights = torch.tensor([3, 0, 6, 3, 1]), model_weights(randn, 7, 8)
    check_model(submission, ids, weights, [as_block(mix) for mix in mixes])


@pytest.mark.exercise("4.4")
def test_a_model_without_blocks(submission, randn):
    check_model(submission, torch.tensor([2, 4]), model_weights(randn, 5, 6), [])


@pytest.mark.exercise("4.4")
def test_a_small_stream_shows_epsilon(submission, randn):
    ids, weights = torch.tensor([2, 4, 0]), model_weights(randn, 5, 6)
    weights["model.embed_tokens.weight"] *= 0.02
    check_model(submission, ids, weights, [])


# --- 4.5 ---------------------------------------------------------------------------------------


def shares(logits: Tensor, used: int) -> Tensor:
    """Softmax over the used columns alone, by PyTorch in float64, with zeros behind."""
    rest = torch.zeros(len(logits), logits.shape[1] - used, dtype=torch.float64)
    return torch.cat([logits[:, :used].double().softmax(-1), rest], dim=-1)


def check_shares(submission, logits: Tensor, used: int) -> None:
    vocab = logits.shape[1]
    found = submission.next_token_probabilities(logits.clone(), used)
    assert not (
        isinstance(found, Tensor) and found.shape == (len(logits), used) and used < vocab
    ), "the unused columns were cut off: ids must keep their places, so keep the shape (B, V)"
    late = logits.double().softmax(-1)
    late[:, used:] = 0
    zeroed = logits.double().clone()
    zeroed[:, used:] = 0
    expect(
        found,
        shares(logits, used),
        [
            (logits.double().softmax(-1), "unused ids still get a share"),
            (
                late,
                "the rows do not sum to 1: probabilities were set to 0 after the softmax. "
                "Hide the logits before it",
            ),
            (late / late.sum(), "divided by the sum of all rows: each row has a sum of its own"),
            (
                zeroed.softmax(-1),
                "the unused logits still count: e^0 is 1, and any finite number can be the "
                "largest of its row. Use -inf",
            ),
            (shares(logits, used + 1) if used < vocab else late, "off by one: id `used` is unused"),
            (shares(logits, used - 1), "off by one: id `used` - 1 is a token"),
            (
                logits.double().masked_fill(torch.arange(vocab) >= used, -math.inf),
                "these are logits: a softmax is missing",
            ),
            (logits.double().softmax(0), "the columns sum to 1: softmax over the last dimension"),
        ],
        "the used ids do not share the whole 1 of their row as softmax would",
    )
    assert (found[:, used:] == 0).all(), (
        "unused ids have a small chance left, and text is long: it must be exactly 0. Use -inf"
    )


@pytest.mark.exercise("4.5", points=1, minutes=5, difficulty=1, section="Rows that no token has")
def test_unused_ids_have_no_chance(submission, randn):
    logits = randn(3, 9) * 2
    logits[0, 7] = 9.0  # an unused row is the argmax
    check_shares(submission, logits, 6)


@pytest.mark.exercise("4.5")
def test_very_small_logits(submission, randn):
    check_shares(submission, randn(2, 6) - 40.0, 4)


@pytest.mark.exercise("4.5")
def test_every_row_used(submission, randn):
    check_shares(submission, randn(2, 5), 5)


@pytest.mark.exercise("4.5")
def test_the_logits_given_stay_as_they_are(submission, randn):
    logits = randn(2, 5)
    before = logits.clone()
    submission.next_token_probabilities(logits, 3)
    assert torch.equal(logits, before), (
        "your function changed the logits it was given: make a copy first"
    )


# --- 4.6 ---------------------------------------------------------------------------------------

PARTS = ("embedding", "layer_norms", "attention", "mlp", "head")


def numbers_in(*layers: nn.Module) -> int:
    return sum(p.numel() for layer in layers for p in layer.parameters())


def counted(vocab: int, width: int, inner: int, layers: int) -> dict[str, int]:
    """PyTorch's own count of its own layers."""
    up, down = nn.Linear(width, inner), nn.Linear(inner, width)
    return {
        "embedding": numbers_in(nn.Embedding(vocab, width)),
        "layer_norms": (layers + 1) * numbers_in(nn.LayerNorm(width)),
        "attention": layers * 4 * numbers_in(nn.Linear(width, width)),
        "mlp": layers * numbers_in(up, down),
        "head": numbers_in(nn.Linear(width, vocab)),
    }


# The released weights, 1,418,270,720 numbers, by part.
PHI_1 = {
    "embedding": 104_857_600,
    "layer_norms": 102_400,
    "attention": 402_849_792,
    "mlp": 805_552_128,
    "head": 104_908_800,
}


def check_count(
    submission, vocab: int, width: int, inner: int, layers: int, right: dict[str, int] | None = None
) -> None:
    right = right or counted(vocab, width, inner, layers)
    found = submission.count_parameters(vocab, width, inner, layers)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, dict) and sorted(found) == sorted(PARTS), (
        f"return a dictionary with the keys {', '.join(PARTS)}"
    )
    square = width * width
    slips = {
        "embedding": {0: "the embedding is missing", 2 * vocab * width: "the embedding is doubled"},
        "layer_norms": {
            layers * 2 * width: "the final LayerNorm is missing",
            (2 * layers + 1) * 2 * width: "two LayerNorms a block: phi-1's block has one",
            2 * layers * 2 * width: "two LayerNorms a block and no final one",
            (layers + 1) * width: "a LayerNorm has a weight and a bias",
            2 * width * 2: "one LayerNorm and the final one: every block has its own",
        },
        "attention": {
            layers * 4 * square: "attention's biases are missing",
            layers * 3 * (square + width): "attention has a fourth map, dense",
            layers * (4 * square + 3 * width): "the bias of dense is missing",
            layers * (4 * square + width): "the biases of q, k and v are missing",
            4 * (square + width): "this is one layer's attention: sum over all layers",
        },
        "mlp": {
            layers * 2 * width * inner: "the MLP's biases are missing",
            layers * (2 * width * inner + 2 * width): "fc1's bias has `inner` numbers",
            layers * (2 * width * inner + 2 * inner): "fc2's bias has `width` numbers",
            layers * (2 * width * inner + inner): "the bias of fc2 is missing: `width` numbers",
            layers * (2 * width * inner + width): "the bias of fc1 is missing: `inner` numbers",
            layers * (8 * square + 5 * width): "`inner` need not be 4 x width: use the argument",
            layers * (width * inner + inner): "the MLP has a second map, back to `width`",
            2 * width * inner + inner + width: "this is one layer's MLP: sum over all layers",
        },
        "head": {
            0: "tied: the head has a table of its own",
            vocab: "tied: the head has a table of its own, beside its bias",
            vocab * width: "the head's bias is missing: one number for each row",
            vocab * width + width: "the head's bias has one number for each row of the vocabulary",
        },
    }
    for part in PARTS:
        if found[part] != right[part]:
            otherwise = f"{part}: {found[part]} for a model of {vocab}, {width}, {inner}, {layers}"
            pytest.fail(slips[part].get(found[part], otherwise), pytrace=False)
        assert type(found[part]) is int, f"{part} is a {type(found[part]).__name__}, not an int"


@pytest.mark.exercise("4.6", points=2, minutes=10, difficulty=2, section="Count to the unit")
def test_phi_1(submission):
    check_count(submission, 51_200, 2_048, 8_192, 24, right=PHI_1)


@pytest.mark.exercise("4.6")
@pytest.mark.parametrize(
    "shape", [(512, 128, 512, 4), (10, 4, 6, 1)], ids=["nano", "very small, inner not 4 x width"]
)
def test_other_shapes(submission, shape):
    check_count(submission, *shape)


@pytest.mark.exercise("4.6")
def test_drawn_shapes(submission, seed):
    draw = Random(seed)
    for _ in range(3):
        width = 8 * draw.randint(1, 40)
        shape = (draw.randint(100, 5000), width, draw.randint(10, 2000), draw.randint(2, 30))
        check_count(submission, *shape)


# --- 4.7 ---------------------------------------------------------------------------------------


def measured_loss(vocab: int, width: int, std: float, seed: int) -> float:
    """Builds the head of the docstring in float64 and takes PyTorch's cross-entropy.

    Every id is the right one equally often: it is given as a target with 1 / V for each.
    """
    options = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    h_TD = functional.layer_norm(torch.randn(200, width, **options), (width,))
    head_VD = std * torch.randn(vocab, width, **options)
    every_TV = torch.full((200, vocab), 1 / vocab, dtype=torch.float64)
    return float(functional.cross_entropy(h_TD @ head_VD.T, every_TV))


def check_first_loss(submission, vocab: int, width: int, std: float, about: float) -> None:
    found = submission.first_loss(vocab, width, std)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, (int, float, Tensor)), (
        f"your function returned a {type(found).__name__}, not a number"
    )
    found, variance, log_v = float(found), width * std**2, math.log(vocab)
    if abs(found - about) <= 0.04:
        return
    spread = math.sqrt(variance)
    slips = {
        log_v: "this is ln V, the loss of logits that are all 0: these logits vary",
        math.log2(vocab): "this is log2 V: take the natural logarithm",
        math.log2(vocab) + variance / 2: "log2 V: take the natural logarithm",
        (log_v + variance / 2) / math.log(2): "this is in bits, base 2: take natural logarithms",
        log_v + spread: "this has the standard deviation of the logits: use half their variance",
        log_v + variance: "the variance of the logits is not halved: see the docstring's mean",
        log_v - variance / 2: "logits that vary make the loss larger, not smaller",
        log_v + width * std / 2: "`std` is not squared: variances add, standard deviations do not",
        log_v + std**2 / 2: "the variance of one weight: a logit is a sum of `width` products",
        log_v + spread / 2: "this has the standard deviation of the logits: use their variance",
        log_v + (width * std) ** 2 / 2: "`width` is squared: variances of `width` terms add",
    }
    nearest = min(slips, key=lambda value: abs(value - found))
    if abs(nearest - found) <= 1e-3 * max(1.0, abs(found)):
        pytest.fail(slips[nearest], pytrace=False)
    pytest.fail(
        f"for {vocab} rows, {width} features and std {std} a measured loss is about {about:.2f}, "
        f"yours is {found:.2f}",
        pytrace=False,
    )


@pytest.mark.exercise("4.7", points=2, minutes=12, difficulty=2, section="Where training begins")
@pytest.mark.parametrize(
    "shape", [(512, 1024, 0.02), (4096, 256, 0.05)], ids=["std 0.02", "std 0.05"]
)
def test_it_agrees_with_a_measurement(submission, shape, seed):
    check_first_loss(submission, *shape, about=measured_loss(*shape, seed))


@pytest.mark.exercise("4.7")
def test_logits_of_zero(submission):
    check_first_loss(submission, 1000, 64, 0.0, about=measured_loss(1000, 64, 0.0, 0))


@pytest.mark.exercise("4.7")
def test_drawn_sizes(submission, seed):
    draw = Random(seed)
    shape = draw.randint(2000, 6000), draw.randint(100, 250), draw.uniform(0.03, 0.05)
    check_first_loss(submission, *shape, about=measured_loss(*shape, seed))


# --- 4.8 ---------------------------------------------------------------------------------------

SHAPES = {
    "model.embed_tokens.weight": (150, 40),
    "model.layers.0.input_layernorm.weight": (40,),
    "model.layers.0.input_layernorm.bias": (40,),
    "model.layers.0.self_attn.q_proj.weight": (40, 40),
    "model.layers.0.self_attn.q_proj.bias": (40,),
    "model.layers.0.self_attn.k_proj.weight": (40, 40),
    "model.layers.0.self_attn.k_proj.bias": (40,),
    "model.layers.0.mlp.fc1.weight": (160, 40),
    "model.layers.0.mlp.fc1.bias": (160,),
    "model.layers.0.mlp.fc2.weight": (40, 160),
    "model.layers.0.mlp.fc2.bias": (40,),
    "model.final_layernorm.weight": (40,),
    "model.final_layernorm.bias": (40,),
    "lm_head.weight": (150, 40),
    "lm_head.bias": (150,),
}
DRAWN = [name for name in SHAPES if name.endswith("weight") and "layernorm" not in name]


def initialised(submission, std: float, seed: int) -> dict[str, Tensor]:
    found = submission.initialise(dict(SHAPES), std, seed)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, dict) and set(found) == set(SHAPES), (
        "return a dictionary with the names that were given, all of them"
    )
    for name, shape in SHAPES.items():
        assert isinstance(found[name], Tensor), f"{name} is no tensor"
        assert tuple(found[name].shape) == shape, (
            f"{name} has shape {tuple(found[name].shape)}; it should be {shape}"
        )
    return found


@pytest.mark.exercise("4.8", points=2, minutes=12, difficulty=2, section="Where training begins")
def test_biases_are_zero_and_layer_norms_one(submission, seed):
    found = initialised(submission, 0.02, seed)
    for name, tensor in found.items():
        if name.endswith("layernorm.bias"):
            assert not (tensor == 1).all(), f"{name} is 1: it is a bias, and begins at 0"
        if name.endswith("bias"):
            assert (tensor == 0).all(), f"{name} is not 0: all biases begin at 0"
        elif "layernorm" in name:
            assert not (tensor == 0).all(), f"{name} is 0: the layer would give 0 for ever"
            assert (tensor == 1).all(), f"{name} is not 1: a LayerNorm's weight begins at 1"


@pytest.mark.exercise("4.8")
@pytest.mark.parametrize("std", [0.02, 0.3, None], ids=["std 0.02", "std 0.3", "std drawn"])
def test_weights_have_the_standard_deviation_asked(submission, seed, std):
    std = std or Random(seed).uniform(0.05, 0.5)
    found = initialised(submission, std, seed)
    for name in DRAWN:
        tensor, fan_in = found[name].double(), SHAPES[name][1]
        size = tensor.square().mean().sqrt().item()
        near = 0.1  # 1,600 numbers and more: five times what chance does
        slips = {
            0.0: "is 0",
            std**2: "has spread std squared: std is the standard deviation, not the variance",
            std**0.5: "has spread sqrt(std): std is the standard deviation, not the variance",
            1.0: "has spread 1: multiply by std",
            0.02: "has spread 0.02 whatever is asked for: use the argument `std`",
            std / 3**0.5: "looks uniform between -std and std: draw from the normal distribution",
            std / fan_in**0.5: "is scaled by the number of inputs: phi-1 does not do that",
            fan_in**-0.5: "has spread 1 / sqrt(inputs): phi-1 uses std for every weight",
        }
        if abs(size - std) > near * std:
            message = next(
                (text for value, text in slips.items() if abs(size - value) <= near * value),
                f"has spread {size:.4f}; it should be {std}",
            )
            pytest.fail(f"{name} {message}", pytrace=False)
        assert abs(tensor.mean().item()) < 0.15 * std, f"the mean of {name} is not 0"
        beyond = (tensor.abs() > 2 * std).double().mean().item()
        assert 0.02 < beyond < 0.08, (
            f"{name} has the right spread, but {beyond:.0%} of it lies beyond two of them: "
            "draw from the normal distribution"
        )


@pytest.mark.exercise("4.8")
def test_no_two_tensors_are_alike(submission, seed):
    found = initialised(submission, 0.02, seed)
    for one, other in itertools.combinations(DRAWN, 2):
        count = min(found[one].numel(), found[other].numel(), 40)
        same = torch.equal(found[one].flatten()[:count], found[other].flatten()[:count])
        assert not same, (
            f"{one} and {other} begin with the same numbers: seed the generator once, "
            "before the loop"
        )


@pytest.mark.exercise("4.8")
def test_the_seed_decides(submission, seed):
    first, again, other = (
        initialised(submission, 0.02, s)[DRAWN[0]] for s in (seed, seed, seed + 1)
    )
    assert torch.equal(first, again), "the same seed gave other numbers: pass the generator along"
    assert not torch.equal(first, other), "another seed gave the same numbers: use `seed`"


# --- 4.9 ---------------------------------------------------------------------------------------

OLDER = {
    "input_layernorm": "ln",
    "self_attn.dense": "mixer.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def a_model(randn, width: int, layers: int) -> dict[str, Tensor]:
    """Today's names; every number differs from every other one."""
    vocab, inner = 7, 3 * width
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, width)}
    for i in range(layers):
        block = f"model.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "dense"):
            shapes[f"{block}.self_attn.{part}.weight"] = (width, width)
            shapes[f"{block}.self_attn.{part}.bias"] = (width,)
        shapes |= {f"{block}.mlp.fc1.weight": (inner, width), f"{block}.mlp.fc1.bias": (inner,)}
        shapes |= {f"{block}.mlp.fc2.weight": (width, inner), f"{block}.mlp.fc2.bias": (width,)}
        for kind in ("weight", "bias"):
            shapes[f"{block}.input_layernorm.{kind}"] = (width,)
    for kind in ("weight", "bias"):
        shapes[f"model.final_layernorm.{kind}"] = (width,)
    shapes |= {"lm_head.weight": (vocab, width), "lm_head.bias": (vocab,)}
    return {name: randn(*shape, stream=50 + n) for n, (name, shape) in enumerate(shapes.items())}


def as_second_release(tensors: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The same tensors under the second release's names, q, k and v laid on top of each other."""
    older = {"transformer.embd.wte.weight": tensors["model.embed_tokens.weight"]}
    for kind in ("weight", "bias"):
        for i in range(layers):
            new, old = f"model.layers.{i}", f"transformer.h.{i}"
            for part, name in OLDER.items():
                older[f"{old}.{name}.{kind}"] = tensors[f"{new}.{part}.{kind}"]
            qkv = [tensors[f"{new}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            older[f"{old}.mixer.Wqkv.{kind}"] = torch.cat(qkv)
        older[f"lm_head.ln.{kind}"] = tensors[f"model.final_layernorm.{kind}"]
        older[f"lm_head.linear.{kind}"] = tensors[f"lm_head.{kind}"]
    return older


def by_head(fused: Tensor, heads: int, letter: int) -> Tensor:
    """What q, k or v would be if every head had its q, k and v rows together."""
    return fused.unflatten(0, (heads, 3, -1))[:, letter].flatten(0, 1)


def check_release(submission, randn, width: int, heads: int, layers: int) -> None:
    right = a_model(randn, width, layers)
    older = as_second_release(right, layers)
    found = submission.from_older_release(clones(older), heads)
    assert found is not None, "your function returned None: is there a `return`?"
    assert isinstance(found, dict), f"your function returned a {type(found).__name__}"
    kept = sorted(name for name in found if re.search(r"transformer|Wqkv|mixer|\.wte|linear", name))
    assert not kept, f"{kept[0]} is still an older name"
    wrong_norm = [name for name in found if "lm_head." in name and "norm" in name]
    assert not wrong_norm, (
        f"{wrong_norm[0]}: the last LayerNorm was renamed like those of the blocks; "
        "its name today is model.final_layernorm"
    )
    missing, extra = sorted(set(right) - set(found)), sorted(set(found) - set(right))
    assert not missing, (
        f"{missing[0]} is missing; there is {extra[0] if extra else 'no other name'}"
    )
    assert not extra, f"{extra[0]} is no name of today's"
    for name, tensor in right.items():
        expect_named(name, found[name], tensor, right, older, heads)


def expect_named(name, found, right, tensors, older, heads) -> None:
    assert isinstance(found, Tensor), f"{name} is no tensor"
    if found.shape == right.shape and torch.equal(found, right):
        return
    if ".self_attn." in name and ".dense." not in name:
        block, part, kind = re.fullmatch(r"(.*)\.self_attn\.(.)_proj\.(\w+)", name).groups()
        fused = older[f"{block.replace('model.layers', 'transformer.h')}.mixer.Wqkv.{kind}"]
        if torch.equal(found, by_head(fused, heads, "qkv".index(part))):
            pytest.fail(
                f"{name}: rows were split as (heads, 3, K), each head's q, k and v together; "
                "here they stand as all of q, all of k, all of v",
                pytrace=False,
            )
        for letter in set("qkv") - {part}:
            if torch.equal(found, tensors[f"{block}.self_attn.{letter}_proj.{kind}"]):
                pytest.fail(
                    f"{name} holds {letter}: the order of the rows is q, k, v", pytrace=False
                )
        if torch.equal(found, fused[part == "q" :: 3]) or torch.equal(
            found, fused["qkv".index(part) :: 3]
        ):
            pytest.fail(f"{name}: every third row was taken; take runs of rows", pytrace=False)
        assert found.ndim < 2 or found.shape[0] != fused.shape[0], (
            f"{name} has shape {tuple(found.shape)}: Wqkv was cut along its columns; cut its rows"
        )
        assert found.shape == right.shape, f"{name} has shape {tuple(found.shape)}: a third of Wqkv"
    if found.ndim == 2 and torch.equal(found, right.T):
        pytest.fail(f"{name} is transposed: nothing but names changes", pytrace=False)
    other = [n for n, tensor in tensors.items() if torch.equal(found, tensor)]
    assert not other, f"{name} holds what belongs to {other[0]}"
    pytest.fail(f"{name} holds other numbers than the release", pytrace=False)


@pytest.mark.exercise("4.9", points=3, minutes=20, difficulty=3, section="The names of the weights")
def test_names_and_rows_of_two_blocks(submission, randn):
    check_release(submission, randn, width=8, heads=2, layers=2)


@pytest.mark.exercise("4.9")
def test_a_dozen_blocks(submission, randn):
    check_release(submission, randn, width=4, heads=2, layers=12)


@pytest.mark.exercise("4.9")
def test_drawn_models(submission, randn, seed):
    draw = Random(seed)
    heads = draw.randint(2, 4)
    check_release(submission, randn, heads * draw.choice([2, 4]), heads, draw.randint(1, 4))


@pytest.mark.exercise("4.9")
def test_the_dictionary_given_stays_as_it_is(submission, randn):
    older = as_second_release(a_model(randn, 4, 1), 1)
    before = list(older)
    submission.from_older_release(older, 2)
    assert list(older) == before, (
        "your function changed the dictionary it was given: make a new one"
    )

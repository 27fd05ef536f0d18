"""Every backend of `attend`, in one body of tests, against PyTorch's plain kernel."""

import itertools

import pytest
import torch

from phi1_lib.attention import attend
from tests.attention.oracle import (
    assert_follows,
    explicit_with_weights_kept,
    mask_TS,
    random_qkv,
    reference,
    reference_packed,
    with_gradients,
)
from tests.error_rule import assert_close

both_masks = pytest.mark.parametrize("causal", [True, False], ids=["causal", "full"])
SHAPES = [  # B, T, S, H, K
    (2, 7, 7, 3, 16),
    (1, 64, 64, 1, 64),
    (2, 50, 75, 2, 64),
    (1, 130, 131, 1, 32),  # more than one tile, none of them full at the end
    (2, 3, 9, 2, 32),  # fewer queries than keys: the queries are the last ones
    (3, 1, 5, 2, 16),  # one query, as in generation
    (1, 9, 4, 2, 16),  # more queries than keys: the first five see nothing
]


def inputs_for(backend, *shape, seed=0):
    return random_qkv(*shape, dtype=backend.dtype, device=backend.device, seed=seed)


@both_masks
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_output_and_gradients_equal_pytorch(backend_and_dtype, causal, shape):
    mask = mask_TS(*shape[1:3], causal)
    assert_follows(
        lambda *x: backend_and_dtype(*x, causal=causal),
        lambda *x: reference(*x, mask),
        inputs_for(backend_and_dtype, *shape),
    )


def test_one_token_sees_itself(backend_and_dtype):
    """Its weight is 1 whatever the score: the output is v, and q and k have no gradient."""
    q, k, v = inputs_for(backend_and_dtype, 1, 1, 1, 1, 64)
    grad = torch.randn(v.shape, generator=torch.Generator().manual_seed(1)).to(v)
    out, grad_q, grad_k, grad_v = with_gradients(backend_and_dtype, [q, k, v], grad)
    assert out.dtype == v.dtype
    assert torch.equal(out, v.cpu()) and torch.equal(grad_v, grad.cpu())
    # What is left is the rounding of two sums of 64 products (v's gradient and v) that cancel.
    rounding = 2 * 64 * torch.finfo(v.dtype).eps * (grad * v).abs().sum().item()
    assert grad_q.abs().max() <= rounding * k.abs().max().item() / 8
    assert grad_k.abs().max() <= rounding * q.abs().max().item() / 8


def test_head_size_80(backend):
    """No power of two: a backend serves it or says which sizes it serves."""
    inputs = inputs_for(backend, 1, 5, 5, 2, 80)
    if backend.name == "triton":
        with pytest.raises(ValueError, match=r"head size 80: .*16, 32, 64, 128"):
            backend(*inputs)
    else:
        assert_follows(backend, lambda *x: reference(*x, mask_TS(5, 5)), inputs)


def test_float64_is_computed_or_refused(backend):
    inputs = [x.double() for x in inputs_for(backend, 1, 4, 4, 1, 16)]
    if backend.name in ("triton", "flash_attn"):
        with pytest.raises(ValueError, match="float64"):
            backend(*inputs)
    else:
        assert backend(*inputs).dtype == torch.float64


def test_scale_replaces_one_over_root_of_head_dim(backend):
    assert_follows(
        lambda *x: backend(*x, scale=0.7),
        lambda *x: reference(*x, mask_TS(4, 4), scale=0.7),
        inputs_for(backend, 1, 4, 4, 1, 16),
    )


def test_large_scores_do_not_overflow(backend):
    """Scores reach 800, where exp is beyond float32: the maximum is taken off before exp."""
    inputs = inputs_for(backend, 1, 6, 6, 2, 16)
    scores = torch.einsum("bthk,bshk->bhts", *inputs[:2]) * 100
    assert scores.max() > 800
    ours = with_gradients(lambda *x: backend(*x, scale=100.0), inputs)
    assert all(x.isfinite().all() for x in ours)
    oracle = lambda x: reference(*x, mask_TS(6, 6), scale=100.0).cpu()  # noqa: E731
    assert_close(ours[0], oracle(inputs), oracle([x.double() for x in inputs]))


def test_inputs_and_gradient_that_are_not_contiguous(backend):
    """Heads before time, every second feature, one row for the whole batch, one gradient for all.

    So come q, k and v from one fused projection, and the gradient from a sum.
    """
    q, k, v = inputs_for(backend, 2, 7, 7, 3, 32)
    q = q.transpose(1, 2).contiguous().transpose(1, 2)[..., ::2]
    k, v = k[..., 16:], v[:1, :, :, :16].expand(2, -1, -1, -1)
    assert not any(x.is_contiguous() for x in (q, k, v))
    gradient = torch.randn(16, generator=torch.Generator().manual_seed(2)).expand(2, 7, 3, 16)
    oracle = lambda *x: reference(*x, mask_TS(7, 7))  # noqa: E731
    assert_follows(backend, oracle, [q, k, v], gradient)


def test_queries_before_every_key_give_zeros_and_zero_gradients(backend):
    """Five queries and two keys: the first three queries stand before both keys."""
    inputs = inputs_for(backend, 2, 5, 2, 3, 16)
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way either
        out, grad_q, grad_k, grad_v = with_gradients(backend, inputs)
    assert torch.count_nonzero(out[:, :3]) == torch.count_nonzero(grad_q[:, :3]) == 0
    assert torch.count_nonzero(out[:, 3:]) == out[:, 3:].numel()
    for gradient in (grad_k, grad_v):
        assert gradient.isfinite().all() and torch.count_nonzero(gradient) > 0


@both_masks
def test_no_keys_at_all_gives_zeros(backend, causal):
    inputs = inputs_for(backend, 1, 3, 0, 2, 16)
    out, grad_q, _, _ = with_gradients(lambda *x: backend(*x, causal=causal), inputs)
    assert out.shape == (1, 3, 2, 16)
    assert torch.count_nonzero(out) == torch.count_nonzero(grad_q) == 0


BORDERS = [0, 3, 3, 4, 11]  # the second document is empty, the third one token
LONG_BORDERS = [0, 70, 201]  # a border inside a tile, a document longer than one


def packing(backend, borders):
    """The borders as `attend` takes them."""
    return torch.tensor(borders, dtype=torch.int32, device=backend.device)


@both_masks
@pytest.mark.parametrize("longest", [7, None], ids=["max_seqlen", "without"])
def test_packed_documents_equal_each_document_alone(backend_and_dtype, causal, longest):
    cu_seqlens = packing(backend_and_dtype, BORDERS)
    options = {"cu_seqlens": cu_seqlens, "max_seqlen": longest, "causal": causal}
    assert_follows(
        lambda *x: backend_and_dtype(*x, **options),
        lambda *x: reference_packed(*x, BORDERS, causal),
        inputs_for(backend_and_dtype, 1, 11, 11, 2, 16),
    )


def test_long_packed_documents_equal_each_document_alone(backend_and_dtype):
    cu_seqlens = packing(backend_and_dtype, LONG_BORDERS)
    assert_follows(
        lambda *x: backend_and_dtype(*x, cu_seqlens=cu_seqlens),
        lambda *x: reference_packed(*x, LONG_BORDERS),
        inputs_for(backend_and_dtype, 1, 201, 201, 1, 16),
    )


def test_borders_may_lie_on_the_cpu(backend):
    """It says something only where q lies on a GPU."""
    inputs = inputs_for(backend, 1, 11, 11, 2, 16)
    borders = packing(backend, BORDERS)
    expected = backend(*inputs, cu_seqlens=borders)
    assert torch.equal(backend(*inputs, cu_seqlens=borders.cpu()), expected)


# Keys beyond the end of a document: their weights may overflow, and nothing stores their gradients.
@pytest.mark.filterwarnings("ignore:overflow encountered in exp2")
@both_masks
@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("borders", [BORDERS, LONG_BORDERS], ids=["short", "long"])
def test_a_change_in_one_document_leaves_the_others_bitwise_unchanged(
    backend, causal, which, borders
):
    """In the output and in all gradients."""
    start, stop = list(itertools.pairwise(borders))[which]
    inputs = inputs_for(backend, 1, borders[-1], borders[-1], 1, 16)
    changed = [x.clone() for x in inputs]
    for x in changed:
        x[:, start:stop] *= 50
    cu_seqlens = packing(backend, borders)

    def run(x):
        return with_gradients(lambda *y: backend(*y, cu_seqlens=cu_seqlens, causal=causal), x)

    for before, after in zip(run(inputs), run(changed), strict=True):
        assert torch.equal(before[:, :start], after[:, :start])
        assert torch.equal(before[:, stop:], after[:, stop:])
        assert not torch.equal(before[:, start:stop], after[:, start:stop])


def weights_of(backend, q, k, **options):
    """The attention weights (B, H, T, S), read off as outputs: values that are unit vectors."""
    batch, keys, heads, head_dim = k.shape
    parts = []
    for start in range(0, keys, head_dim):
        v = torch.zeros_like(k)
        size = min(head_dim, keys - start)
        unit = torch.eye(size, head_dim, dtype=k.dtype, device=k.device)
        v[:, start : start + size] = unit[:, None, :]
        torch.manual_seed(3)  # the same mask for every part
        parts.append(backend(q, k, v, causal=False, **options)[..., :size])
    return torch.cat(parts, dim=-1).transpose(1, 2)


def test_dropout_is_one_mask_on_the_weights_forward_and_backward(backend):
    """The mask that a seed gives is read off the weights; with it PyTorch computes the rest."""
    p = 0.25
    q, k, v = inputs_for(backend, 2, 40, 135, 2, 32)
    kept = (weights_of(backend, q, k, dropout=p) != 0).double()
    assert (weights_of(backend, q, k) != 0).all()
    # 21,600 draws: the share kept has standard deviation 0.003.
    assert abs(kept.mean().item() - (1 - p)) < 5 * 0.003
    # No row of the batch, head or query has another one's mask.
    assert len(kept.flatten(0, 2).unique(dim=0)) == 2 * 2 * 40

    def ours(*x):
        torch.manual_seed(3)
        return backend(*x, causal=False, dropout=p)

    def oracle(*x):
        return explicit_with_weights_kept(*x, kept.to(x[0]), p)

    assert_follows(ours, oracle, [q, k, v])


def test_dropout_follows_the_seed(backend):
    inputs = inputs_for(backend, 1, 8, 8, 2, 16)

    def run(seed):
        torch.manual_seed(seed)
        return with_gradients(lambda *x: backend(*x, dropout=0.5), inputs)

    for first, again, other in zip(run(0), run(0), run(1), strict=True):
        assert torch.equal(first, again) and not torch.equal(first, other)
    torch.manual_seed(0)
    first, second = backend(*inputs, dropout=0.5), backend(*inputs, dropout=0.5)
    assert not torch.equal(first, second)  # nor do two calls in a row share a mask


def test_documents_do_not_share_a_dropout_mask(backend):
    """Two equal documents of 20 tokens: with the same mask their outputs would be equal."""
    inputs = [torch.cat([x, x], dim=1) for x in inputs_for(backend, 1, 20, 20, 1, 16)]
    cu_seqlens = packing(backend, [0, 20, 40])
    first, second = backend(*inputs, cu_seqlens=cu_seqlens).split(20, dim=1)
    assert torch.equal(first, second)
    first, second = backend(*inputs, cu_seqlens=cu_seqlens, dropout=0.5).split(20, dim=1)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["explicit", "tiled"])
def test_half_precision_is_rounded_once(name, dtype):
    inputs = random_qkv(2, 9, 9, 2, 8, dtype=dtype)
    in_float32 = attend(*(x.float() for x in inputs), backend=name)
    assert torch.equal(attend(*inputs, backend=name), in_float32.to(dtype))

"""`attend` against PyTorch's own attention with the mask written out, by the error rule."""

import logging

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from phi1_lib import attention
from phi1_lib.attention import BACKENDS, attend
from tests.error_rule import assert_close

backends = pytest.mark.parametrize("backend", BACKENDS)
SHAPES = [  # B, T, S, H, K
    (2, 7, 7, 3, 8),
    (1, 64, 64, 2, 64),
    (2, 3, 9, 2, 16),  # fewer queries than keys: the queries are the last ones
    (3, 1, 5, 2, 8),
    (1, 1, 1, 1, 4),
]


def random_qkv(batch, queries, keys, heads, head_dim, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = (queries, keys, keys)
    return [
        torch.randn(batch, length, heads, head_dim, generator=generator).to(dtype).requires_grad_()
        for length in lengths
    ]


def bottom_right(queries, keys):
    """The mask in plain Python: query t, position t + keys - queries, sees keys up to itself."""
    return torch.tensor([[s <= t + keys - queries for s in range(keys)] for t in range(queries)])


def reference(q, k, v, mask_TS, scale=None):
    """PyTorch's plain (unfused) kernel, with the mask written out."""
    with sdpa_kernel(SDPBackend.MATH):
        out = scaled_dot_product_attention(
            *(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask_TS, scale=scale
        )
    return out.transpose(1, 2)


def with_gradients(function, inputs, seed=1):
    """Outputs and gradients for a fixed random gradient of the output, on copies of the inputs."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    out = function(*inputs)
    grad = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed)).to(out.dtype)
    out.backward(grad)
    return [out.detach(), *(x.grad for x in inputs)]


@backends
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
def test_output_and_gradients_equal_pytorch(backend, causal, dtype, shape):
    inputs = random_qkv(*shape, dtype=dtype)
    _, queries, keys, _, _ = shape
    mask = bottom_right(queries, keys) if causal else torch.ones(queries, keys, dtype=torch.bool)
    ours = with_gradients(lambda *x: attend(*x, causal=causal, backend=backend), inputs)
    theirs = with_gradients(lambda *x: reference(*x, mask), inputs)
    exact = with_gradients(lambda *x: reference(*x, mask), [x.double() for x in inputs])
    for values in zip(ours, theirs, exact, strict=True):
        assert_close(*values)


@backends
def test_float64_stays_float64(backend):
    q, k, v = random_qkv(1, 5, 5, 2, 8, dtype=torch.float64)
    out = attend(q, k, v, backend=backend)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out, reference(q, k, v, bottom_right(5, 5)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_explicit_rounds_half_precision_once(dtype):
    inputs = random_qkv(2, 9, 9, 2, 8, dtype=dtype)
    in_float32 = attend(*(x.float() for x in inputs), backend="explicit")
    assert torch.equal(attend(*inputs, backend="explicit"), in_float32.to(dtype))


@backends
def test_scale_replaces_one_over_root_of_head_dim(backend):
    q, k, v = random_qkv(1, 4, 4, 1, 16, dtype=torch.float64)
    expected = reference(q, k, v, bottom_right(4, 4), scale=0.7)
    torch.testing.assert_close(
        attend(q, k, v, scale=0.7, backend=backend), expected, rtol=0, atol=1e-14
    )


@backends
def test_queries_before_every_key_give_zeros_and_zero_gradients(backend):
    """Five queries and two keys: the first three queries stand before both keys."""
    inputs = random_qkv(2, 5, 2, 3, 8, dtype=torch.float64)
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way either
        out, grad_q, grad_k, grad_v = with_gradients(lambda *x: attend(*x, backend=backend), inputs)
    assert torch.count_nonzero(out[:, :3]) == 0
    assert torch.count_nonzero(grad_q[:, :3]) == 0
    # The last two queries and all keys are as if the blind queries were not there.
    q, k, v = inputs
    alone = attend(q[:, 3:], k, v, backend=backend)
    torch.testing.assert_close(out[:, 3:], alone, rtol=0, atol=1e-14)
    assert grad_k.isfinite().all() and torch.count_nonzero(grad_k) > 0
    assert grad_v.isfinite().all() and torch.count_nonzero(grad_v) > 0


@backends
@pytest.mark.parametrize("causal", [True, False])
def test_no_keys_at_all_gives_zeros(backend, causal):
    inputs = random_qkv(1, 3, 0, 2, 8)
    out, grad_q, _, _ = with_gradients(
        lambda *x: attend(*x, causal=causal, backend=backend), inputs
    )
    assert torch.count_nonzero(out) == 0 and torch.count_nonzero(grad_q) == 0


BORDERS = [0, 3, 3, 4, 11]  # the second document is empty


@backends
@pytest.mark.parametrize("causal", [True, False])
def test_packed_documents_equal_each_document_alone(backend, causal):
    inputs = random_qkv(1, 11, 11, 2, 8, dtype=torch.float64)
    borders = torch.tensor(BORDERS, dtype=torch.int32)
    packed = with_gradients(
        lambda *x: attend(*x, causal=causal, cu_seqlens=borders, max_seqlen=7, backend=backend),
        inputs,
    )

    def alone(q, k, v):
        documents = [slice(a, b) for a, b in zip(BORDERS, BORDERS[1:], strict=False) if a < b]
        masks = [bottom_right(d.stop - d.start, d.stop - d.start) | (not causal) for d in documents]
        return torch.cat(
            [
                reference(q[:, d], k[:, d], v[:, d], mask)
                for d, mask in zip(documents, masks, strict=True)
            ],
            dim=1,
        )

    for ours, expected in zip(packed, with_gradients(alone, inputs), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-14)


@backends
def test_a_change_in_one_document_leaves_the_others_bitwise_unchanged(backend):
    inputs = random_qkv(1, 11, 11, 2, 8)
    borders = torch.tensor(BORDERS, dtype=torch.int32)
    changed = [x.detach().clone() for x in inputs]
    for x in changed:
        x[:, 3:4] = 1e4  # document 2

    def run(x):
        return with_gradients(lambda *y: attend(*y, cu_seqlens=borders, backend=backend), x)

    for before, after in zip(run(inputs), run(changed), strict=True):
        assert torch.equal(before[:, :3], after[:, :3])
        assert torch.equal(before[:, 4:], after[:, 4:])
    assert not torch.equal(run(inputs)[0][:, 3:4], run(changed)[0][:, 3:4])


@backends
def test_dropout_drops_weights_and_rescales_the_rest(backend):
    """With v the identity, the output is the attention weights themselves."""
    size, p = 64, 0.25
    q, k, _ = random_qkv(1, size, size, 1, size)
    v = torch.eye(size).reshape(1, size, 1, size)
    weights = attend(q, k, v, causal=False, backend=backend)
    torch.manual_seed(0)
    dropped = attend(q, k, v, causal=False, dropout=p, backend=backend)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], weights[kept] / (1 - p))
    # 4,096 draws: the share kept has standard deviation 0.007.
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * 0.007


def test_unknown_backend_is_refused_with_the_list():
    q, k, v = random_qkv(1, 2, 2, 1, 4)
    with pytest.raises(ValueError, match="backend='flash': choose auto, explicit, sdpa"):
        attend(q, k, v, backend="flash")


def test_auto_says_once_what_it_chose(caplog):
    attention._auto_backend.cache_clear()
    q, k, v = random_qkv(1, 2, 2, 1, 4)
    with caplog.at_level(logging.INFO, logger="phi1_lib.attention"):
        first, second = attend(q, k, v), attend(q, k, v)
    assert [record.getMessage() for record in caplog.records] == ["attention backend auto: sdpa"]
    assert torch.equal(first, second) and torch.equal(first, attend(q, k, v, backend="sdpa"))


def int32(*values):
    return torch.tensor(values, dtype=torch.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": torch.zeros(4, 2, 8)}, r"q has shape \(4, 2, 8\): must be \(B, T, H, K\)"),
        ({"k": torch.zeros(1, 5, 2, 8)}, "v .* must be equal"),
        (
            {"k": torch.zeros(1, 4, 3, 8), "v": torch.zeros(1, 4, 3, 8)},
            r"k has shape \(1, 4, 3, 8\): must be \(B=1, S, H=2, K=8\)",
        ),
        ({"v": torch.zeros(1, 4, 2, 8).double()}, "one floating dtype"),
        ({name: torch.zeros(1, 4, 2, 8).int() for name in "qkv"}, "one floating dtype"),
        ({"dropout": 1.0}, r"dropout=1.0: must be in \[0, 1\)"),
        ({"cu_seqlens": torch.tensor([0, 4])}, "int64: must be .* of torch.int32"),
        ({"cu_seqlens": int32(4)}, r"must be \(documents \+ 1,\)"),
        ({"cu_seqlens": int32(0, 3)}, "must rise from 0 to the 4 tokens"),
        ({"cu_seqlens": int32(1, 4)}, "must rise from 0"),
        ({"cu_seqlens": int32(0, 3, 2, 4)}, "must rise from 0"),
        ({"cu_seqlens": int32(0, 1, 4), "max_seqlen": 2}, "longest document has 3 tokens"),
        (
            {name: torch.zeros(2, 4, 2, 8) for name in "qkv"} | {"cu_seqlens": int32(0, 4)},
            r"q has shape \(2, 4, 2, 8\).*one row",
        ),
        (
            {"q": torch.zeros(1, 3, 2, 8), "cu_seqlens": int32(0, 3)},
            "as many queries as keys",
        ),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    arguments = {name: torch.zeros(1, 4, 2, 8) for name in "qkv"} | change
    q, k, v = (arguments.pop(name) for name in "qkv")
    with pytest.raises(ValueError, match=message):
        attend(q, k, v, **arguments)

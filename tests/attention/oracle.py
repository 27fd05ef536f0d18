"""PyTorch's own attention, its plain kernel with the mask written out, to compare backends with."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from tests.error_rule import assert_close


def random_qkv(batch, queries, keys, heads, head_dim, dtype=torch.float32, device="cpu", seed=0):
    """Normal q, k and v, the same values on every device."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, length, heads, head_dim, generator=generator).to(device, dtype)
        for length in (queries, keys, keys)
    ]


def mask_TS(queries, keys, causal=True):
    """The mask in plain Python: query t, position t + keys - queries, sees keys up to itself."""
    rows = [[not causal or s <= t + keys - queries for s in range(keys)] for t in range(queries)]
    return torch.tensor(rows, dtype=torch.bool).reshape(queries, keys)


def reference(q, k, v, mask, scale=None):
    """Attention under a boolean mask (T, S); the first queries may see nothing, and give zeros."""
    seeing = mask.any(-1)
    blind = int((~seeing).sum())
    assert seeing[blind:].all()
    with sdpa_kernel(SDPBackend.MATH):
        out = scaled_dot_product_attention(
            *(x.transpose(1, 2) for x in (q[:, blind:], k, v)),
            attn_mask=mask[blind:].to(q.device),
            scale=scale,
        )
    return torch.cat([torch.zeros_like(q[:, :blind]), out.transpose(1, 2)], dim=1)


def reference_packed(q, k, v, borders, causal=True):
    """Each document by `reference`, on its own, laid end to end again."""
    parts = []
    for start, stop in zip(borders[:-1], borders[1:], strict=True):
        if start < stop:
            own = (x[:, start:stop] for x in (q, k, v))
            parts.append(reference(*own, mask_TS(stop - start, stop - start, causal)))
    return torch.cat(parts, dim=1)


def explicit_with_weights_kept(q, k, v, kept_BHTS, dropout, scale=None):
    """Attention, not causal, whose weights are dropped by a given mask."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    weights = (torch.einsum("bthk,bshk->bhts", q, k) * scale).softmax(-1)
    return torch.einsum("bhts,bshk->bthk", weights * kept_BHTS / (1 - dropout), v)


def with_gradients(function, inputs, grad=None):
    """The output and the gradients of q, k and v, for a fixed gradient of the output."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    out = function(*inputs)
    if grad is None:
        grad = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad(out, inputs, grad.to(out))
    return [x.detach().cpu() for x in (out, *gradients)]


def assert_follows(function, oracle, inputs, grad=None):
    """Check output and gradients by the error rule: `oracle` in the same precision and float64.

    Nothing here is wider than float64. There the oracle's float32 error, scaled to the smaller
    epsilon, takes the place of its error.
    """
    ours = with_gradients(function, inputs, grad)
    exact = with_gradients(oracle, [x.double() for x in inputs], grad)
    if inputs[0].dtype != torch.float64:
        for values in zip(ours, with_gradients(oracle, inputs, grad), exact, strict=True):
            assert_close(*values)
        return
    in_float32 = with_gradients(oracle, [x.float() for x in inputs], grad)
    narrower = torch.finfo(torch.float32).eps / torch.finfo(torch.float64).eps
    for our, their, true in zip(ours, in_float32, exact, strict=True):
        assert our.dtype == torch.float64
        # Errors this much larger would be those of float32, and have to keep its bound.
        assert_close((true + (our - true) * narrower).float(), their, true)

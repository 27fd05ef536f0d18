"""FlashAttention-2 as our own GPU kernels, written in Triton: forward and backward.

The algorithm is that of `tiled.py`, and so are the names: a small letter in a suffix is a length
within one tile, s_ts are the scores of t queries and s keys. Here the body of its outer loop is a
program of a kernel: all tiles of all heads and documents run at once, each in the registers and
the shared memory of one core of the GPU. A batch is treated as packed documents of equal length,
so that one kernel serves both.

Scores are kept times log2(e), and the log-sum-exp is to base 2: a GPU has an instruction for powers
of two, and none for powers of e.

Where there is no GPU, Triton's interpreter runs the same kernels on the CPU, in Python and NumPy:
slow, to learn from and to test with. This module alone chooses it, when it is imported.

Source: "FlashAttention-2" (arXiv 2307.08691), algorithms 1 and 2; dropout from "FlashAttention"
(arXiv 2205.14135), appendix B. Checked in the interpreter, against PyTorch in float64.
"""

import importlib
import math

import torch

from phi1_lib.attention import INSTALL

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ImportError(f"backend='triton': {INSTALL['triton']}") from error

if not torch.cuda.is_available():
    triton.knobs.runtime.interpret = True  # the environment variable TRITON_INTERPRET=1
INTERPRETED = triton.knobs.runtime.interpret
if INTERPRETED and isinstance(tl.sum, triton.JITFunction):
    # Triton decides where a kernel is defined, and its own (tl.sum, tl.rand) were defined while it
    # was imported, perhaps long ago by another package: have them defined again.
    for module in (tl.standard, tl.random, tl):
        importlib.reload(module)

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
HEAD_DIMS = (16, 32, 64, 128)  # the sides of a tile are powers of two, and tl.dot's at least 16
INFINITY = tl.constexpr(float("inf"))
# The running maximum before the first key. Finite, for a hidden score is minus infinity, and the
# difference of two infinities would be NaN.
LOWEST = tl.constexpr(torch.finfo(torch.float32).min)


@torch.compiler.disable  # a compiled model calls it as it stands
def triton_attention(
    q_BTHK: torch.Tensor,
    k_BSHK: torch.Tensor,
    v_BSHK: torch.Tensor,
    causal: bool,
    cu_seqlens: torch.Tensor | None,
    max_seqlen: int | None,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """Return (B, T, H, K); arguments as `attend`, already checked.

    Tiles stay in the input's dtype, products are summed in float32. In the interpreter bfloat16 is
    computed in float32 and rounded once.

    Args:
        max_seqlen: tokens of the longest document; what lies beyond it in a longer one is not
            computed. Without it the host waits for the GPU to tell.

    Raises:
        ValueError: a dtype, head size or device that the kernels do not serve.
        RuntimeError: when its gradients are themselves differentiated.
    """
    _check(q_BTHK)
    if INTERPRETED and q_BTHK.dtype == torch.bfloat16:
        # NumPy has no bfloat16, and the interpreter would multiply the bit patterns.
        wide = (x.float() for x in (q_BTHK, k_BSHK, v_BSHK))
        out_BTHK = triton_attention(*wide, causal, cu_seqlens, max_seqlen, dropout, scale)
        return out_BTHK.to(torch.bfloat16)

    if cu_seqlens is None:
        batch, max_queries, max_keys = *q_BTHK.shape[:2], k_BSHK.shape[1]
        rows = torch.arange(batch + 1, dtype=torch.int32, device=q_BTHK.device)
        query_borders, key_borders = rows * max_queries, rows * max_keys
    else:
        if max_seqlen is None:
            max_seqlen = int(cu_seqlens.diff().max())
        max_queries = max_keys = max_seqlen
        query_borders = key_borders = cu_seqlens.to(q_BTHK.device).contiguous()
    qkv_NHK = (x.flatten(0, 1).contiguous() for x in (q_BTHK, k_BSHK, v_BSHK))
    out_NHK = _FlashAttention.apply(
        *qkv_NHK, query_borders, key_borders, max_queries, max_keys, causal, dropout, scale
    )
    return out_NHK.view(q_BTHK.shape)


def _check(q_BTHK: torch.Tensor) -> None:
    if q_BTHK.dtype not in DTYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise ValueError(f"backend='triton', dtype {q_BTHK.dtype}: choose {names}, or 'sdpa'")
    if q_BTHK.shape[-1] not in HEAD_DIMS:
        sizes = ", ".join(map(str, HEAD_DIMS))
        raise ValueError(
            f"backend='triton', head size {q_BTHK.shape[-1]}: choose a head size of {sizes}, "
            "or the backend 'sdpa'"
        )
    if not (q_BTHK.is_cuda or INTERPRETED):
        raise ValueError(
            f"backend='triton', tensors on {q_BTHK.device}: with a GPU at hand the kernels are "
            "compiled for it. Move the tensors to cuda, or set the environment variable "
            "TRITON_INTERPRET=1 before Python starts"
        )


class _FlashAttention(torch.autograd.Function):
    """Ties the kernels to automatic differentiation. All packed: q and result (N, H, K)."""

    @staticmethod
    def forward(
        ctx, q_NHK, k_NHK, v_NHK, query_borders, key_borders, max_queries, max_keys,
        causal, dropout, scale,
    ):  # fmt: skip
        tokens, heads, head_dim = q_NHK.shape
        documents = len(query_borders) - 1
        ctx.grids = (max_queries, heads, documents), (max_keys, heads, documents)
        ctx.scale = scale
        ctx.options = {
            "scale_log2": scale * math.log2(math.e),
            "dropout": dropout,
            # From PyTorch's own generator: after the same torch.manual_seed, the same mask.
            "seed": int(torch.randint(2**62, (), device="cpu")) if dropout > 0 else 0,
            "tokens": tokens,
            "CAUSAL": causal,
            "DROPOUT": dropout > 0,
            "HEAD_DIM": head_dim,
        }
        out_NHK = torch.empty_like(q_NHK)
        lse_HN = torch.empty(heads, tokens, dtype=torch.float32, device=q_NHK.device)
        tensors = (q_NHK, k_NHK, v_NHK, out_NHK, lse_HN, query_borders, key_borders)
        _launch(_forward_kernel, ctx.grids[0], "QUERY_TILE", tensors, ctx.options)
        ctx.save_for_backward(*tensors)
        return out_NHK

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_NHK):
        q_NHK, k_NHK, v_NHK, out_NHK, lse_HN, *borders = ctx.saved_tensors
        grad_NHK = grad_NHK.contiguous()
        delta_HN = torch.empty_like(lse_HN)
        tokens, heads, head_dim = q_NHK.shape
        _launch(
            _delta_kernel, (tokens, heads), "QUERY_TILE", (out_NHK, grad_NHK, delta_HN),
            {"tokens": tokens, "HEAD_DIM": head_dim},
        )  # fmt: skip
        grads = [torch.empty_like(x) for x in (q_NHK, k_NHK, v_NHK)]
        inputs = (q_NHK, k_NHK, v_NHK, grad_NHK, lse_HN, delta_HN)
        options = ctx.options | {"scale": ctx.scale}
        by_queries, by_keys = ctx.grids
        _launch(_dq_kernel, by_queries, "QUERY_TILE", (*inputs, grads[0], *borders), options)
        _launch(_dkdv_kernel, by_keys, "KEY_TILE", (*inputs, *grads[1:], *borders), options)
        return *grads, *[None] * 7


def _launch(kernel, grid, own_tile, tensors, options) -> None:
    """Run a kernel: one program for each tile of `grid`'s first number, head and document.

    Args:
        grid: tokens of the longest document (or of all), heads, and documents.
        own_tile: "QUERY_TILE" for a program that owns a tile of queries and visits those of keys,
            "KEY_TILE" for the reverse.
    """
    own, visited, warps, stages = _tiling(tensors[0].dtype, options["HEAD_DIM"])
    tiles = {"QUERY_TILE": visited, "KEY_TILE": visited, own_tile: own}
    tokens, *rest = grid
    with torch.cuda.device_of(tensors[0]):  # Triton launches on the current GPU
        kernel[(triton.cdiv(tokens, own), *rest)](
            *tensors, **options, **tiles, num_warps=warps, num_stages=stages
        )


def _tiling(dtype: torch.dtype, head_dim: int) -> tuple[int, int, int, int]:
    """Return the side of the tile that a program owns, that of those it visits, warps, stages.

    Chosen so that tiles fit the registers and the shared memory of a core (99 KB on the smaller
    GPUs from Ampere on) by the compiler's own account. Not tuned: that takes a GPU.
    """
    if INTERPRETED:  # a step in Python costs the same for every size of tile
        return 64, 64, 1, 1
    if dtype == torch.float32:  # no tensor cores: their TF32 keeps 10 bits of a mantissa
        return 32, 32, 8, 2
    return (128, 64, 8, 3) if head_dim <= 64 else (64, 64, 8, 2)


# ---- what the kernels share -----------------------------------------------------------------


@triton.jit
def _document(borders_ptr, document):
    """Return a document's first token and its number of tokens."""
    first = tl.load(borders_ptr + document)
    return first, tl.load(borders_ptr + document + 1) - first


@triton.jit
def _head(ptr, first, HEAD_DIM: tl.constexpr):
    """Return the address of token `first` of this program's head, in a tensor (N, H, K)."""
    # 64 bits: a long packed row has more elements than 32 bits count.
    return ptr + (first.to(tl.int64) * tl.num_programs(1) + tl.program_id(1)) * HEAD_DIM


@triton.jit
def _load(head_ptr, positions, length, HEAD_DIM: tl.constexpr):
    """Load rows of a head, (positions, HEAD_DIM); zeros from `length` on."""
    row = positions[:, None] * (tl.num_programs(1) * HEAD_DIM)
    column = tl.arange(0, HEAD_DIM)[None, :]
    return tl.load(head_ptr + row + column, mask=positions[:, None] < length, other=0.0)


@triton.jit
def _store(head_ptr, positions, length, rows_nK, HEAD_DIM: tl.constexpr):
    """Store rows of a head, rounded to the tensor's dtype; nothing from `length` on."""
    row = positions[:, None] * (tl.num_programs(1) * HEAD_DIM)
    column = tl.arange(0, HEAD_DIM)[None, :]
    tl.store(head_ptr + row + column, rows_nK, mask=positions[:, None] < length)


@triton.jit
def _visible(query, key, queries, keys, CAUSAL: tl.constexpr):
    """Return whether the query may look at the key: the mask aligns bottom right."""
    visible = key < keys
    if CAUSAL:
        visible = visible & (key <= query + keys - queries)
    return visible


@triton.jit
def _dropout_factor(query, key, keys, seed, dropout):
    """Return Z: 0 for a dropped weight, 1 / (1 - dropout) for a kept one.

    Z is not kept but made again where it is needed, from the seed and the weight's position.
    """
    head_of_document = tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)
    random = tl.rand(seed + head_of_document, query * keys + key)
    return tl.where(random < dropout, 0.0, 1.0 / (1.0 - dropout))


# ---- forward --------------------------------------------------------------------------------


@triton.jit
def _key_range(t_start, queries, keys, CAUSAL: tl.constexpr, QUERY_TILE: tl.constexpr):
    """Return how many keys all queries of a tile see, and how many its last query sees."""
    whole, end = keys, keys
    if CAUSAL:  # query t sees the keys 0 .. t + keys - queries
        whole = tl.minimum(keys, tl.maximum(t_start + keys - queries + 1, 0))
        end = tl.minimum(keys, t_start + QUERY_TILE + keys - queries)
    return whole, end


@triton.jit(do_not_specialize=["seed"])
def _forward_kernel(
    q_ptr, k_ptr, v_ptr, out_ptr, lse_ptr, query_borders_ptr, key_borders_ptr,
    scale_log2, dropout, seed, tokens,
    CAUSAL: tl.constexpr, DROPOUT: tl.constexpr,
    HEAD_DIM: tl.constexpr, QUERY_TILE: tl.constexpr, KEY_TILE: tl.constexpr,
):  # fmt: skip
    """Compute one tile of queries: visit the tiles of keys, with a running maximum and sum."""
    head, document = tl.program_id(1), tl.program_id(2)
    first_query, queries = _document(query_borders_ptr, document)
    first_key, keys = _document(key_borders_ptr, document)
    # Under a causal mask the last queries see the most keys. They start first, lest a few long
    # programs remain at the end while most of the GPU is idle.
    t_start = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERY_TILE
    if t_start >= queries:  # this document is shorter than the longest
        return
    k_ptr, v_ptr = _head(k_ptr, first_key, HEAD_DIM), _head(v_ptr, first_key, HEAD_DIM)
    q_ptr, out_ptr = _head(q_ptr, first_query, HEAD_DIM), _head(out_ptr, first_query, HEAD_DIM)

    query_t = t_start + tl.arange(0, QUERY_TILE)
    q_tK = _load(q_ptr, query_t, queries, HEAD_DIM)
    m_t = tl.full((QUERY_TILE,), LOWEST, tl.float32)
    l_t = tl.zeros((QUERY_TILE,), tl.float32)
    o_tK = tl.zeros((QUERY_TILE, HEAD_DIM), tl.float32)

    whole, end = _key_range(t_start, queries, keys, CAUSAL, QUERY_TILE)
    whole = whole // KEY_TILE * KEY_TILE
    # Two loops: the tiles of keys that every query sees need no mask, and they are the most.
    for MASK in tl.static_range(2):
        for s_start in range(whole if MASK else 0, end if MASK else whole, KEY_TILE):
            key_s = s_start + tl.arange(0, KEY_TILE)
            k_sK = _load(k_ptr, key_s, keys, HEAD_DIM)
            v_sK = _load(v_ptr, key_s, keys, HEAD_DIM)
            s_ts = tl.dot(q_tK, tl.trans(k_sK), input_precision="ieee") * scale_log2
            if MASK:
                visible_ts = _visible(query_t[:, None], key_s[None, :], queries, keys, CAUSAL)
                s_ts = tl.where(visible_ts, s_ts, -INFINITY)

            # Online softmax: a new maximum rescales what has been summed so far.
            new_m_t = tl.maximum(m_t, tl.max(s_ts, 1))
            rescale_t = tl.exp2(m_t - new_m_t)
            p_ts = tl.exp2(s_ts - new_m_t[:, None])
            m_t = new_m_t
            l_t = l_t * rescale_t + tl.sum(p_ts, 1)
            if DROPOUT:  # after the sum: dropout is applied to the weights, not inside the softmax
                p_ts *= _dropout_factor(query_t[:, None], key_s[None, :], keys, seed, dropout)
            o_tK = o_tK * rescale_t[:, None]
            o_tK = tl.dot(p_ts.to(v_sK.dtype), v_sK, o_tK, input_precision="ieee")

    blind_t = l_t == 0.0  # saw no key: output 0 and, as in tiled.py, log-sum-exp infinity
    l_t = tl.where(blind_t, 1.0, l_t)
    _store(out_ptr, query_t, queries, o_tK / l_t[:, None], HEAD_DIM)
    lse_t = tl.where(blind_t, INFINITY, m_t + tl.log2(l_t))
    tl.store(lse_ptr + head * tokens + first_query + query_t, lse_t, mask=query_t < queries)


# ---- backward -------------------------------------------------------------------------------


@triton.jit
def _delta_kernel(
    out_ptr, grad_ptr, delta_ptr, tokens,
    HEAD_DIM: tl.constexpr, QUERY_TILE: tl.constexpr, KEY_TILE: tl.constexpr,
):  # fmt: skip
    """Compute delta = rowsum(dO x O), which stands for each query's sum of weight x gradient."""
    t_start = tl.program_id(0) * QUERY_TILE
    query_t = tl.arange(0, QUERY_TILE)
    o_tK = _load(_head(out_ptr, t_start, HEAD_DIM), query_t, tokens - t_start, HEAD_DIM)
    grad_tK = _load(_head(grad_ptr, t_start, HEAD_DIM), query_t, tokens - t_start, HEAD_DIM)
    delta_t = tl.sum(o_tK.to(tl.float32) * grad_tK.to(tl.float32), 1)
    tl.store(
        delta_ptr + tl.program_id(1) * tokens + t_start + query_t,
        delta_t,
        mask=query_t < tokens - t_start,
    )


@triton.jit(do_not_specialize=["seed"])
def _dq_kernel(
    q_ptr, k_ptr, v_ptr, grad_ptr, lse_ptr, delta_ptr, dq_ptr,
    query_borders_ptr, key_borders_ptr,
    scale, scale_log2, dropout, seed, tokens,
    CAUSAL: tl.constexpr, DROPOUT: tl.constexpr,
    HEAD_DIM: tl.constexpr, QUERY_TILE: tl.constexpr, KEY_TILE: tl.constexpr,
):  # fmt: skip
    """Compute dQ for one tile of queries, visiting the tiles of keys as forward does."""
    head, document = tl.program_id(1), tl.program_id(2)
    first_query, queries = _document(query_borders_ptr, document)
    first_key, keys = _document(key_borders_ptr, document)
    t_start = (tl.num_programs(0) - 1 - tl.program_id(0)) * QUERY_TILE
    if t_start >= queries:
        return
    k_ptr, v_ptr = _head(k_ptr, first_key, HEAD_DIM), _head(v_ptr, first_key, HEAD_DIM)

    query_t = t_start + tl.arange(0, QUERY_TILE)
    row_t = head * tokens + first_query + query_t
    lse_t = tl.load(lse_ptr + row_t, mask=query_t < queries, other=INFINITY)
    delta_t = tl.load(delta_ptr + row_t, mask=query_t < queries, other=0.0)
    q_tK = _load(_head(q_ptr, first_query, HEAD_DIM), query_t, queries, HEAD_DIM)
    grad_tK = _load(_head(grad_ptr, first_query, HEAD_DIM), query_t, queries, HEAD_DIM)
    dq_tK = tl.zeros((QUERY_TILE, HEAD_DIM), tl.float32)

    whole, end = _key_range(t_start, queries, keys, CAUSAL, QUERY_TILE)
    whole = whole // KEY_TILE * KEY_TILE
    for MASK in tl.static_range(2):
        for s_start in range(whole if MASK else 0, end if MASK else whole, KEY_TILE):
            key_s = s_start + tl.arange(0, KEY_TILE)
            k_sK = _load(k_ptr, key_s, keys, HEAD_DIM)
            v_sK = _load(v_ptr, key_s, keys, HEAD_DIM)
            s_ts = tl.dot(q_tK, tl.trans(k_sK), input_precision="ieee") * scale_log2
            if MASK:
                visible_ts = _visible(query_t[:, None], key_s[None, :], queries, keys, CAUSAL)
                s_ts = tl.where(visible_ts, s_ts, -INFINITY)
            p_ts = tl.exp2(s_ts - lse_t[:, None])
            dp_ts = tl.dot(grad_tK, tl.trans(v_sK), input_precision="ieee")
            if DROPOUT:
                dp_ts *= _dropout_factor(query_t[:, None], key_s[None, :], keys, seed, dropout)
            ds_ts = p_ts * (dp_ts - delta_t[:, None])
            dq_tK = tl.dot(ds_ts.to(k_sK.dtype), k_sK, dq_tK, input_precision="ieee")
    _store(_head(dq_ptr, first_query, HEAD_DIM), query_t, queries, dq_tK * scale, HEAD_DIM)


@triton.jit(do_not_specialize=["seed"])
def _dkdv_kernel(
    q_ptr, k_ptr, v_ptr, grad_ptr, lse_ptr, delta_ptr, dk_ptr, dv_ptr,
    query_borders_ptr, key_borders_ptr,
    scale, scale_log2, dropout, seed, tokens,
    CAUSAL: tl.constexpr, DROPOUT: tl.constexpr,
    HEAD_DIM: tl.constexpr, QUERY_TILE: tl.constexpr, KEY_TILE: tl.constexpr,
):  # fmt: skip
    """Compute dK and dV for one tile of keys, visiting the tiles of queries.

    No two programs write to the same place, so nothing is added atomically: a second run gives
    the same bits. The tiles of weights stand keys first, as the products need them.
    """
    head, document = tl.program_id(1), tl.program_id(2)
    first_query, queries = _document(query_borders_ptr, document)
    first_key, keys = _document(key_borders_ptr, document)
    s_start = tl.program_id(0) * KEY_TILE
    if s_start >= keys:
        return
    q_ptr = _head(q_ptr, first_query, HEAD_DIM)
    grad_ptr = _head(grad_ptr, first_query, HEAD_DIM)

    key_s = s_start + tl.arange(0, KEY_TILE)
    k_sK = _load(_head(k_ptr, first_key, HEAD_DIM), key_s, keys, HEAD_DIM)
    v_sK = _load(_head(v_ptr, first_key, HEAD_DIM), key_s, keys, HEAD_DIM)
    dk_sK = tl.zeros((KEY_TILE, HEAD_DIM), tl.float32)
    dv_sK = tl.zeros((KEY_TILE, HEAD_DIM), tl.float32)

    # Query t sees key s from t = s - (keys - queries) on: queries from `begin` on see some key of
    # the tile, and from `whole` on all. Rows of queries or keys beyond the end need no mask here:
    # such a query's p is exp2(0 - inf) = 0, and such a key's gradients are not stored.
    begin, whole = 0, 0
    if CAUSAL:
        first_to_see = s_start - (keys - queries)
        begin = tl.maximum(first_to_see, 0) // QUERY_TILE * QUERY_TILE
        whole = tl.cdiv(tl.maximum(first_to_see + KEY_TILE - 1, 0), QUERY_TILE) * QUERY_TILE
    for MASK in tl.static_range(2):
        for t_start in range(
            begin if MASK else whole, tl.minimum(whole, queries) if MASK else queries, QUERY_TILE
        ):
            query_t = t_start + tl.arange(0, QUERY_TILE)
            row_t = head * tokens + first_query + query_t
            lse_t = tl.load(lse_ptr + row_t, mask=query_t < queries, other=INFINITY)
            delta_t = tl.load(delta_ptr + row_t, mask=query_t < queries, other=0.0)
            q_tK = _load(q_ptr, query_t, queries, HEAD_DIM)
            grad_tK = _load(grad_ptr, query_t, queries, HEAD_DIM)
            s_st = tl.dot(k_sK, tl.trans(q_tK), input_precision="ieee") * scale_log2
            if MASK:
                visible_st = _visible(query_t[None, :], key_s[:, None], queries, keys, CAUSAL)
                s_st = tl.where(visible_st, s_st, -INFINITY)
            p_st = tl.exp2(s_st - lse_t[None, :])
            dp_st = tl.dot(v_sK, tl.trans(grad_tK), input_precision="ieee")
            dropped_st = p_st
            if DROPOUT:
                factor_st = _dropout_factor(query_t[None, :], key_s[:, None], keys, seed, dropout)
                dropped_st *= factor_st
                dp_st *= factor_st
            dv_sK = tl.dot(dropped_st.to(v_sK.dtype), grad_tK, dv_sK, input_precision="ieee")
            ds_st = p_st * (dp_st - delta_t[None, :])
            dk_sK = tl.dot(ds_st.to(q_tK.dtype), q_tK, dk_sK, input_precision="ieee")
    _store(_head(dk_ptr, first_key, HEAD_DIM), key_s, keys, dk_sK * scale, HEAD_DIM)
    _store(_head(dv_ptr, first_key, HEAD_DIM), key_s, keys, dv_sK, HEAD_DIM)

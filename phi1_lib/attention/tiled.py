"""FlashAttention-2 in plain PyTorch: attention tile by tile, in memory linear in the length.

The scores of a whole sequence never exist together. Forward meets the keys one tile at a time and
keeps, for each query, the largest score so far and a running sum (online softmax). Backward
computes each tile of weights again from the log-sum-exp, which is one number a query.

Line numbers are those of algorithms 1 (forward) and 2 (backward) of "FlashAttention-2" (arXiv
2307.08691). What its kernels hold in fast on-chip memory is the body of a loop here. In names, a
small letter is a length within one tile: s_BHts are the scores of t queries and s keys.
"""

from dataclasses import dataclass

import torch
from torch.autograd.function import once_differentiable

from phi1_lib.attention.packed import each_document

# Queries and keys in one tile: FlashAttention-2, section 3.3, takes 64 or 128 of each.
QUERY_TILE = 128
KEY_TILE = 128


def tiled_attention(
    q_BTHK: torch.Tensor,
    k_BSHK: torch.Tensor,
    v_BSHK: torch.Tensor,
    causal: bool,
    cu_seqlens: torch.Tensor | None,
    max_seqlen: int | None,
    dropout: float,
    scale: float,
    query_tile: int = QUERY_TILE,
    key_tile: int = KEY_TILE,
) -> torch.Tensor:
    """Return (B, T, H, K); arguments as `attend`, already checked.

    Half precision is computed in float32 and rounded once at the end, under autocast too. Kept
    for the backward pass are q, k, v, the output and the log-sum-exp, nothing else. Packed
    documents are computed one after the other.

    Args:
        max_seqlen: not needed here.
        query_tile, key_tile: queries and keys in one tile.

    Raises:
        RuntimeError: when its gradients are themselves differentiated.

    Source: "FlashAttention-2" (arXiv 2307.08691), algorithms 1 and 2; dropout from
    "FlashAttention" (arXiv 2205.14135), appendix B. Checked against PyTorch in float64.
    """

    def one_document(q_BTHK, k_BSHK, v_BSHK):
        queries, keys = q_BTHK.shape[1], k_BSHK.shape[1]
        # Drawn from PyTorch's own generator: after the same torch.manual_seed, the same mask.
        seed = int(torch.randint(2**31, (), device="cpu")) if dropout else 0
        tiling = Tiling(queries, keys, query_tile, key_tile, causal, scale, dropout, seed)
        return TiledAttention.apply(q_BTHK, k_BSHK, v_BSHK, tiling)

    return each_document(one_document, q_BTHK, k_BSHK, v_BSHK, cu_seqlens)


@dataclass(frozen=True)
class Tiling:
    """One document cut into tiles: all that its forward and its backward must agree on."""

    queries: int
    keys: int
    query_tile: int
    key_tile: int
    causal: bool
    scale: float
    dropout: float
    seed: int

    def rows(self) -> list[slice]:
        """Return the queries of each tile, from first to last."""
        return _cut(self.queries, self.query_tile)

    def columns(self) -> list[slice]:
        """Return the keys of each tile, from first to last."""
        return _cut(self.keys, self.key_tile)

    @property
    def offset(self) -> int:
        """Under a causal mask query t sees keys 0 .. t + offset: it aligns at the bottom right."""
        return self.keys - self.queries

    def hides(self, rows: slice, columns: slice) -> bool:
        """Return whether no query of the tile sees any key of it (section 3.1, causal masking)."""
        return self.causal and columns.start > rows.stop - 1 + self.offset

    def scores(
        self, q_BHtK: torch.Tensor, k_BHsK: torch.Tensor, rows: slice, columns: slice
    ) -> torch.Tensor:
        """Return the scores of one tile, (B, H, t, s), with minus infinity where hidden."""
        s_BHts = q_BHtK @ k_BHsK.mT * self.scale
        if self.causal and columns.stop - 1 > rows.start + self.offset:
            query_t1 = torch.arange(rows.start, rows.stop, device=s_BHts.device)[:, None]
            key_1s = torch.arange(columns.start, columns.stop, device=s_BHts.device)
            s_BHts = s_BHts.masked_fill(key_1s > query_t1 + self.offset, -torch.inf)
        return s_BHts

    def drop(self, x_BHts: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
        """Return one tile times Z, which is 0 with probability p, else 1 / (1 - p).

        Z is not kept but made again where it is needed: each tile has a seed of its own.
        """
        if not self.dropout:
            return x_BHts
        tile_seed = self.seed + rows.start * self.keys + columns.start
        generator = torch.Generator(x_BHts.device).manual_seed(tile_seed)
        kept = 1 - self.dropout
        return x_BHts * torch.empty_like(x_BHts).bernoulli_(kept, generator=generator) / kept


def _cut(length: int, tile: int) -> list[slice]:
    return [slice(start, min(start + tile, length)) for start in range(0, length, tile)]


def forward(
    q_BHTK: torch.Tensor, k_BHSK: torch.Tensor, v_BHSK: torch.Tensor, tiling: Tiling
) -> tuple[torch.Tensor, torch.Tensor]:
    """Algorithm 1: return the output (B, H, T, K) and the log-sum-exp of the scores (B, H, T).

    The log-sum-exp is in float32 or wider. A query that sees no key has output 0 and, so that
    backward finds weights exp(score - lse) = 0, log-sum-exp infinity.
    """
    wide = torch.promote_types(q_BHTK.dtype, torch.float32)
    out_BHTK = torch.empty_like(q_BHTK)
    lse_BHT = q_BHTK.new_empty(q_BHTK.shape[:3], dtype=wide)
    for rows in tiling.rows():  # line 3
        q_BHtK = q_BHTK[:, :, rows].to(wide)  # line 4
        o_BHtK = torch.zeros_like(q_BHtK)  # line 5
        l_BHt1 = torch.zeros_like(q_BHtK[..., :1])
        # The paper starts at minus infinity. A hidden score is that too, and the difference of the
        # two would be NaN: the smallest finite number serves as well, and gives none.
        m_BHt1 = torch.full_like(l_BHt1, torch.finfo(wide).min)
        for columns in tiling.columns():  # line 6
            if tiling.hides(rows, columns):
                break  # and so are all tiles after it
            k_BHsK = k_BHSK[:, :, columns].to(wide)  # line 7
            v_BHsK = v_BHSK[:, :, columns].to(wide)
            s_BHts = tiling.scores(q_BHtK, k_BHsK, rows, columns)  # line 8
            # Line 9: what was summed under the old maximum is rescaled to the new one.
            new_m_BHt1 = torch.maximum(m_BHt1, s_BHts.amax(-1, keepdim=True))
            p_BHts = (s_BHts - new_m_BHt1).exp()
            rescale_BHt1 = (m_BHt1 - new_m_BHt1).exp()
            l_BHt1 = rescale_BHt1 * l_BHt1 + p_BHts.sum(-1, keepdim=True)
            # Line 10; its printed exponent -1 is a slip, the output is rescaled as the sum is.
            o_BHtK = rescale_BHt1 * o_BHtK + tiling.drop(p_BHts, rows, columns) @ v_BHsK
            m_BHt1 = new_m_BHt1
        blind_BHt1 = l_BHt1 == 0
        out_BHTK[:, :, rows] = o_BHtK / l_BHt1.masked_fill(blind_BHt1, 1)  # lines 12, 14
        lse_BHt1 = (m_BHt1 + l_BHt1.log()).masked_fill(blind_BHt1, torch.inf)  # line 13
        lse_BHT[:, :, rows] = lse_BHt1.squeeze(-1)  # line 15
    return out_BHTK, lse_BHT


def backward(
    grad_BHTK: torch.Tensor,
    q_BHTK: torch.Tensor,
    k_BHSK: torch.Tensor,
    v_BHSK: torch.Tensor,
    out_BHTK: torch.Tensor,
    lse_BHT: torch.Tensor,
    tiling: Tiling,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Algorithm 2: return the gradients of q, k and v, from the gradient of the output.

    A weight's gradient needs the sum over its row of weight x gradient, which takes all keys. That
    sum equals output x gradient of the output (delta, the paper's D), which takes none.
    """
    wide = lse_BHT.dtype
    dq_BHTK = torch.zeros_like(q_BHTK, dtype=wide)  # line 3
    dk_BHSK, dv_BHSK = torch.empty_like(k_BHSK), torch.empty_like(v_BHSK)
    delta_BHT = (grad_BHTK.to(wide) * out_BHTK.to(wide)).sum(-1)  # line 4
    for columns in tiling.columns():  # line 5
        k_BHsK = k_BHSK[:, :, columns].to(wide)  # line 6
        v_BHsK = v_BHSK[:, :, columns].to(wide)
        dk_BHsK, dv_BHsK = torch.zeros_like(k_BHsK), torch.zeros_like(v_BHsK)  # line 7
        for rows in tiling.rows():  # line 8
            if tiling.hides(rows, columns):
                continue
            q_BHtK = q_BHTK[:, :, rows].to(wide)  # line 9
            grad_BHtK = grad_BHTK[:, :, rows].to(wide)
            lse_BHt1, delta_BHt1 = lse_BHT[:, :, rows, None], delta_BHT[:, :, rows, None]
            s_BHts = tiling.scores(q_BHtK, k_BHsK, rows, columns)  # line 10
            p_BHts = (s_BHts - lse_BHt1).exp()  # line 11: the weights, normalised
            dv_BHsK += tiling.drop(p_BHts, rows, columns).mT @ grad_BHtK  # line 12
            dp_BHts = tiling.drop(grad_BHtK @ v_BHsK.mT, rows, columns)  # line 13
            # Line 14. The paper's scores have no scale; with one, the chain rule puts it here.
            ds_BHts = p_BHts * (dp_BHts - delta_BHt1) * tiling.scale
            dq_BHTK[:, :, rows] += ds_BHts @ k_BHsK  # line 15
            dk_BHsK += ds_BHts.mT @ q_BHtK  # line 16
        dk_BHSK[:, :, columns], dv_BHSK[:, :, columns] = dk_BHsK, dv_BHsK  # line 18
    return dq_BHTK.to(q_BHTK.dtype), dk_BHSK, dv_BHSK


class TiledAttention(torch.autograd.Function):
    """Ties `forward` and `backward` to automatic differentiation: q, k, v and result (B, T, H, K).

    Autocast is off inside, where it would undo the wide type.
    """

    @staticmethod
    def forward(ctx, q_BTHK, k_BSHK, v_BSHK, tiling: Tiling) -> torch.Tensor:
        q_BHTK, k_BHSK, v_BHSK = (x.transpose(1, 2) for x in (q_BTHK, k_BSHK, v_BSHK))
        with torch.autocast(q_BTHK.device.type, enabled=False):
            out_BHTK, lse_BHT = forward(q_BHTK, k_BHSK, v_BHSK, tiling)
        out_BTHK = out_BHTK.transpose(1, 2)
        ctx.save_for_backward(q_BTHK, k_BSHK, v_BSHK, out_BTHK, lse_BHT)
        ctx.tiling = tiling
        return out_BTHK

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_BTHK):
        *tensors_BTHK, lse_BHT = grad_BTHK, *ctx.saved_tensors
        tensors_BHTK = (x.transpose(1, 2) for x in tensors_BTHK)
        with torch.autocast(grad_BTHK.device.type, enabled=False):
            gradients_BHTK = backward(*tensors_BHTK, lse_BHT, ctx.tiling)
        return *(x.transpose(1, 2) for x in gradients_BHTK), None

"""What is particular to the tiled backend: tiles of any size, and memory linear in the length."""

import weakref
from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from phi1_lib.attention import attend
from phi1_lib.attention.tiled import Tiling, backward, forward, tiled_attention
from tests.attention.oracle import (
    assert_follows,
    explicit_with_weights_kept,
    mask_TS,
    random_qkv,
    reference,
    with_gradients,
)


def tiled(q, k, v, *, causal=True, dropout=0.0, query_tile=4, key_tile=4):
    scale = q.shape[-1] ** -0.5
    return tiled_attention(q, k, v, causal, None, None, dropout, scale, query_tile, key_tile)


LENGTHS = [(9, 9), (12, 12), (5, 14), (4, 13), (14, 5), (13, 4), (3, 4), (4, 3)]


@pytest.mark.parametrize("tiles", [(4, 4), (3, 5), (5, 2), (1, 1), (64, 64)], ids=str)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "full"])
def test_tiles_of_every_size_give_pytorchs_result(lengths, tiles, causal):
    """Borders of tiles before, on and after the diagonal; last tiles full and not."""
    assert_follows(
        lambda *x: tiled(*x, causal=causal, query_tile=tiles[0], key_tile=tiles[1]),
        lambda *x: reference(*x, mask_TS(*lengths, causal)),
        random_qkv(2, *lengths, 2, 16),
    )


@pytest.mark.parametrize("tiles", [(4, 4), (3, 5), (7, 2)], ids=str)
def test_backward_makes_the_mask_of_forward_again(tiles):
    """The mask is read off by unit vectors as values, and given to PyTorch."""
    q, k, v = random_qkv(2, 11, 13, 2, 16)

    def ours(*x):
        torch.manual_seed(0)
        return tiled(*x, causal=False, dropout=0.4, query_tile=tiles[0], key_tile=tiles[1])

    unit = torch.eye(13, 16)[None, :, None, :].expand(2, -1, 2, -1)
    kept = ours(q, k, unit).transpose(1, 2)[..., :13] != 0
    assert 0.5 < kept.double().mean() < 0.7 and len(kept.flatten(0, 2).unique(dim=0)) > 40
    # Nor has any whole tile another one's mask.
    starts = list(product(range(0, 12 - tiles[0], tiles[0]), range(0, 14 - tiles[1], tiles[1])))
    masks = {
        tuple(kept[:, :, t:, s:][:, :, : tiles[0], : tiles[1]].flatten().tolist())
        for t, s in starts
    }
    assert len(masks) == len(starts) >= 6
    assert_follows(ours, lambda *x: explicit_with_weights_kept(*x, kept, 0.4), [q, k, v])


def test_without_dropout_no_random_number_is_drawn():
    before = torch.get_rng_state()
    attend(*random_qkv(1, 3, 3, 1, 16), backend="tiled")
    assert torch.equal(before, torch.get_rng_state())


class Memory(TorchDispatchMode):
    """Watches every tensor that is made: the largest, and how much is alive at once."""

    def __init__(self):
        super().__init__()
        self.largest = self.alive = self.peak = 0
        self.seen = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage() not in self.seen:
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage):
        size = storage.nbytes()
        self.seen.add(storage)
        self.largest = max(self.largest, size)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._free, size)

    def _free(self, size):
        self.alive -= size


def memory_of_a_step(tokens, backend, dropout=0.0):
    """Bytes of the largest tensor, and of all alive at once, in one forward and backward."""
    inputs = [x.requires_grad_() for x in random_qkv(1, tokens, tokens, 1, 16)]
    with Memory() as memory:
        attend(*inputs, backend=backend, dropout=dropout).sum().backward()
    return memory.largest, memory.peak


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_memory_grows_with_the_length_not_with_its_square(dropout):
    """One head of 16 features in float32: 64 bytes a token; tiles of 128 x 128."""
    largest_256, peak_256 = memory_of_a_step(256, "tiled", dropout)
    largest_1024, peak_1024 = memory_of_a_step(1024, "tiled", dropout)
    # A tile, and as it happens 1,024 tokens; the scores of all would be 64 times that.
    assert largest_256 == largest_1024 == 4 * 128 * 128 == 1024 * 64
    # A tile's constant, and a slope: out, its gradient, delta, lse, dq, dk, dv, one to spare.
    assert (peak_1024 - peak_256) / (1024 - 256) <= 8 * 64


def test_the_measure_of_memory_sees_a_square():
    """The same measure on `explicit`, whose scores are T x S: 16 times for 4 times the length."""
    largest_256, peak_256 = memory_of_a_step(256, "explicit")
    largest_1024, peak_1024 = memory_of_a_step(1024, "explicit")
    assert largest_256 == 4 * 256**2 and largest_1024 == 16 * largest_256
    assert peak_1024 > 12 * peak_256


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_five_tensors_are_kept_for_backward(dropout):
    saved = []
    q, k, v = (x.requires_grad_() for x in random_qkv(2, 300, 310, 3, 16, dtype=torch.bfloat16))
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        out = attend(q, k, v, dropout=dropout, backend="tiled")
    assert [x.data_ptr() for x in saved[:4]] == [x.data_ptr() for x in (q, k, v, out)]
    (lse,) = saved[4:]
    assert lse.shape == (2, 3, 300) and lse.dtype == torch.float32
    if not dropout:
        scores = torch.einsum("bthk,bshk->bhts", q.double(), k.double()) / 4
        exact = scores.masked_fill(~mask_TS(300, 310), -torch.inf).logsumexp(-1)
        torch.testing.assert_close(lse.double(), exact, rtol=0, atol=4e-6)
    # Nothing else lives on: no tensor hides in the node's attributes.
    assert not [x for x in vars(out.grad_fn).values() if isinstance(x, torch.Tensor)]


def test_a_second_derivative_is_refused():
    inputs = [x.requires_grad_() for x in random_qkv(1, 3, 3, 1, 16)]
    out = attend(*inputs, backend="tiled")
    (grad_q,) = torch.autograd.grad(out.square().sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad_q.sum().backward()


def test_autocast_does_not_reach_inside():
    """It would round the float32 tiles to bfloat16, forward and backward."""
    inputs = random_qkv(1, 40, 40, 2, 16, dtype=torch.bfloat16)
    outside = with_gradients(tiled, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        inside = with_gradients(tiled, inputs)
    for one, other in zip(inside, outside, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_wide_over_all_tiles_and_rounded_once(dtype):
    """Twelve tiles of sums: the bits are those of float32 input of the same values, rounded."""
    tiling = Tiling(9, 11, 3, 3, causal=True, scale=0.5, dropout=0.3, seed=1)
    q, k, v = (x.transpose(1, 2) for x in random_qkv(2, 9, 11, 2, 8, dtype=dtype))
    grad = torch.randn(q.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    out, lse = forward(q, k, v, tiling)
    wide_out, wide_lse = forward(q.float(), k.float(), v.float(), tiling)
    assert torch.equal(out, wide_out.to(dtype)) and torch.equal(lse, wide_lse)
    wide = [x.float() for x in (grad, q, k, v, out)]
    for ours, exact in zip(
        backward(grad, q, k, v, out, lse, tiling), backward(*wide, lse, tiling), strict=True
    ):
        assert torch.equal(ours, exact.to(dtype))

"""How the package flash-attn is called, against its signatures; its kernels need a GPU.

In place of the package stand functions with the parameters of its version 2.8.3
(flash_attn/flash_attn_interface.py), which compute by the definition.
"""

import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from phi1_lib import attention
from phi1_lib.attention.explicit import explicit_attention
from tests.attention.oracle import random_qkv


def flash_attn_func(
    q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0,
    alibi_slopes=None, deterministic=False, return_attn_probs=False,
):  # fmt: skip
    assert q.dim() == k.dim() == v.dim() == 4
    return explicit_attention(q, k, v, causal, None, None, dropout_p, softmax_scale)


def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0,
    softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0, alibi_slopes=None,
    deterministic=False, return_attn_probs=False, block_table=None,
):  # fmt: skip
    assert q.dim() == k.dim() == v.dim() == 3
    assert torch.equal(cu_seqlens_q, cu_seqlens_k) and cu_seqlens_q.dtype == torch.int32
    assert max_seqlen_q == max_seqlen_k == int(cu_seqlens_q.diff().max())
    packed = (x[None] for x in (q, k, v))
    out = explicit_attention(*packed, causal, cu_seqlens_q, None, dropout_p, softmax_scale)
    return out[0]


@pytest.fixture
def flash(monkeypatch):
    """`phi1_lib.attention.flash` on top of the two functions above."""
    package = ModuleType("flash_attn")
    package.flash_attn_func = flash_attn_func
    package.flash_attn_varlen_func = flash_attn_varlen_func
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    path = attention.__path__[0] + "/flash.py"
    spec = importlib.util.spec_from_file_location("flash_on_a_stand_in", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("borders", [None, [0, 3, 4, 9]])
@pytest.mark.parametrize("max_seqlen", [None, 5])
def test_arguments_reach_the_package(flash, causal, borders, max_seqlen, monkeypatch):
    monkeypatch.setattr(flash, "_check", lambda q: None)  # it would ask for a GPU
    q, k, v = random_qkv(1, 9, 9, 2, 16)
    if borders is not None:
        borders = torch.tensor(borders, dtype=torch.int32)
    arguments = (q, k, v, causal, borders, max_seqlen, 0.0, 0.7)
    assert torch.equal(flash.flash_attention(*arguments), explicit_attention(*arguments))


def test_borders_on_the_cpu_are_moved_to_the_inputs(flash, monkeypatch):
    """The meta device stands for a GPU: shapes without values."""
    monkeypatch.setattr(flash, "_check", lambda q: None)
    devices = []

    def varlen(q, k, v, *, cu_seqlens_q, cu_seqlens_k, **options):
        devices.extend([cu_seqlens_q.device.type, cu_seqlens_k.device.type])
        return q

    monkeypatch.setattr(flash, "flash_attn_varlen_func", varlen)
    inputs = [x.to("meta") for x in random_qkv(1, 9, 9, 2, 16)]
    borders = torch.tensor([0, 4, 9], dtype=torch.int32)
    flash.flash_attention(*inputs, True, borders, None, 0.0, 1.0)
    assert devices == ["meta", "meta"]


def test_dropout_reaches_the_package(flash, monkeypatch):
    monkeypatch.setattr(flash, "_check", lambda q: None)
    arguments = (*random_qkv(1, 9, 9, 2, 16), True, None, None, 0.5, 1.0)
    torch.manual_seed(0)
    ours = flash.flash_attention(*arguments)
    torch.manual_seed(0)
    assert torch.equal(ours, explicit_attention(*arguments))


class OnGpu:
    """What the check looks at, of a tensor on a GPU."""

    is_cuda, device = True, "cuda:0"

    def __init__(self, dtype, head_dim):
        self.dtype, self.shape = dtype, (1, 1, 1, head_dim)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1, 1, 1, 64, dtype=torch.bfloat16), "tensors on cpu: .*choose 'sdpa'"),
        (OnGpu(torch.float32, 64), "float32: choose float16 or bfloat16"),
        (OnGpu(torch.float16, 264), "head size 264: choose one up to 256"),
    ],
)
def test_what_the_package_cannot_take_is_refused(flash, tensor, message):
    with pytest.raises(ValueError, match=f"backend='flash_attn', .*{message}"):
        flash.flash_attention(tensor, None, None, True, None, None, 0.0, 1.0)


def test_without_the_package_the_remedy_is_named(flash, monkeypatch):
    monkeypatch.setitem(sys.modules, "flash_attn", None)
    with pytest.raises(ImportError, match=r"backend='flash_attn'.*pip install .*\[gpu\]"):
        importlib.util.spec_from_file_location("again", flash.__file__).loader.exec_module(
            ModuleType("again")
        )

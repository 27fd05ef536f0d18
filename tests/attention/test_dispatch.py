"""Which backend runs, what `attend` refuses, and that compiling it leaves one graph."""

import logging

import pytest
import torch

from phi1_lib import attention
from phi1_lib.attention import BACKENDS, attend, available_backends
from tests.attention.oracle import random_qkv


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_runs_here(backend):
    """Its skip says which backend the other tests leave out, and why."""
    reasons = available_backends()
    assert tuple(reasons) == BACKENDS
    if reasons[backend]:
        pytest.skip(reasons[backend])
    gpu = backend in ("triton", "flash_attn") and torch.cuda.is_available()
    dtype = torch.bfloat16 if backend == "flash_attn" else torch.float32
    q, k, v = random_qkv(1, 4, 4, 1, 16, dtype=dtype, device="cuda" if gpu else "cpu")
    assert attend(q, k, v, backend=backend).shape == (1, 4, 1, 16)


def test_plain_pytorch_backends_run_everywhere():
    reasons = available_backends()
    assert reasons["explicit"] is reasons["tiled"] is reasons["sdpa"] is None


@pytest.mark.parametrize(
    ("backend", "remedy"),
    [("triton", "pip install triton"), ("flash_attn", r'pip install .* "\.\[gpu\]"')],
)
def test_a_missing_package_is_named_with_the_remedy(backend, remedy, monkeypatch):
    monkeypatch.setitem(attention._INSTALLED, backend, False)
    with pytest.raises(ImportError, match=f"backend='{backend}': .*not installed.*{remedy}"):
        attend(*random_qkv(1, 2, 2, 1, 16), backend=backend)
    assert "not installed" in available_backends()[backend]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_flash_attn_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setitem(attention._INSTALLED, "flash_attn", True)
    assert "CUDA" in available_backends()["flash_attn"]


def test_unknown_backend_is_refused_with_the_list():
    names = "auto, explicit, tiled, triton, sdpa, flash_attn"
    with pytest.raises(ValueError, match=f"backend='flash': choose {names}"):
        attend(*random_qkv(1, 2, 2, 1, 4), backend="flash")


def test_auto_says_once_what_it_chose(caplog):
    attention._say.cache_clear()
    q, k, v = random_qkv(1, 2, 2, 1, 4)
    with caplog.at_level(logging.INFO, logger="phi1_lib.attention"):
        first, second = attend(q, k, v), attend(q, k, v)
    assert [record.getMessage() for record in caplog.records] == ["attention backend auto: sdpa"]
    assert torch.equal(first, second) and torch.equal(first, attend(q, k, v, backend="sdpa"))


@pytest.mark.parametrize("installed", [True, False])
def test_auto_takes_no_gpu_kernel_for_tensors_on_the_cpu(installed, monkeypatch):
    monkeypatch.setitem(attention._INSTALLED, "flash_attn", installed)
    assert attention._auto(torch.zeros(1, 1, 1, 64, dtype=torch.float16)) == "sdpa"


@pytest.mark.gpu
def test_auto_takes_flash_attn_where_it_can(monkeypatch):
    monkeypatch.setitem(attention._INSTALLED, "flash_attn", True)
    newer = torch.cuda.get_device_capability() >= (8, 0)

    def chosen(dtype, head_dim):
        return attention._auto(torch.zeros(1, 1, 1, head_dim, dtype=dtype, device="cuda"))

    assert chosen(torch.float16, 64) == ("flash_attn" if newer else "sdpa")
    assert chosen(torch.float32, 64) == chosen(torch.float16, 512) == "sdpa"


@pytest.mark.parametrize("backend", ["auto", "sdpa", "explicit"])
@pytest.mark.parametrize("missing", [0, 3], ids=["T=S", "T<S"])
def test_compiling_leaves_one_graph(backend, missing):
    """`fullgraph` raises at a break; "aot_eager" traces as Inductor does, and compiles nothing.

    At the second length the compiler makes lengths variables, and a bool of them no longer a bool.
    """
    attention._say.cache_clear()
    torch.compiler.reset()
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    for length in (6, 11):
        q, k, v = (x.requires_grad_() for x in random_qkv(2, length - missing, length, 2, 16))
        out = compiled(q, k, v, backend=backend)
        assert torch.equal(out, attend(q, k, v, backend=backend))
        out.sum().backward()


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
        (
            {name: torch.zeros(1, 4, 2, 8).to(torch.float8_e4m3fn) for name in "qkv"},
            "float8_e4m3fn: must be .* one of float32, bfloat16, float16, float64",
        ),
        ({"v": torch.zeros(1, 4, 2, 8, device="meta")}, "cpu, cpu, meta: must be one device"),
        ({"dropout": 1.0}, r"dropout=1.0: must be in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout=-0.1: must be in \[0, 1\)"),
        ({"cu_seqlens": torch.tensor([0, 4])}, "int64: must be .* of torch.int32"),
        ({"cu_seqlens": [0, 4]}, r"cu_seqlens=\[0, 4\]: must be a tensor, torch.tensor"),
        ({"cu_seqlens": int32(4)}, r"must be \(documents \+ 1,\)"),
        ({"cu_seqlens": int32(0, 3)}, "must rise from 0 to the 4 tokens"),
        ({"cu_seqlens": int32(0, 5)}, "must rise from 0 to the 4 tokens"),
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

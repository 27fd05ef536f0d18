"""The kernels compile for GPUs, on a machine without one: Triton's own compiler and ptxas.

That they compute the right thing is tested in the interpreter, and on a GPU by `-m gpu`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own: there the kernels are not to be interpreted.
COMPILE = """
import json, sys
import torch
torch.cuda.is_available = lambda: True
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from phi1_lib.attention import triton as ours

TYPES = {"scale": "fp32", "scale_log2": "fp32", "dropout": "fp32", "seed": "i64", "tokens": "i32",
         "lse_ptr": "*fp32", "delta_ptr": "*fp32", "query_borders_ptr": "*i32",
         "key_borders_ptr": "*i32"}
capability, dtype, head_dim, dropout = json.loads(sys.argv[1])
own, visited, warps, stages = ours._tiling(getattr(torch, dtype), head_dim)
pointer = {"float32": "*fp32", "bfloat16": "*bf16", "float16": "*fp16"}[dtype]
for name in ("_forward_kernel", "_delta_kernel", "_dq_kernel", "_dkdv_kernel"):
    kernel = getattr(ours, name)
    tiles = (visited, own) if name == "_dkdv_kernel" else (own, visited)
    values = {"CAUSAL": True, "DROPOUT": dropout, "HEAD_DIM": head_dim,
              "QUERY_TILE": tiles[0], "KEY_TILE": tiles[1]}
    types = {p.name: TYPES.get(p.name, "constexpr" if p.is_constexpr else pointer)
             for p in kernel.params}
    constants = {(p.num,): values[p.name] for p in kernel.params if p.is_constexpr}
    compiled = triton.compile(
        ASTSource(kernel, types, constants),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": warps, "num_stages": stages},
    )
    print(json.dumps([name, compiled.metadata.shared, ".mma" in compiled.asm["ptx"]
          or "mma." in compiled.asm["ptx"], len(compiled.asm["cubin"])]))
"""


@pytest.mark.full  # compiles for a minute
@pytest.mark.parametrize(
    ("capability", "dtype", "head_dim", "dropout", "shared_kb"),
    [(80, "bfloat16", 64, False, 99), (90, "bfloat16", 64, True, 227)],
)
def test_kernels_compile_and_fit_the_shared_memory(
    capability, dtype, head_dim, dropout, shared_kb, tmp_path, monkeypatch
):
    """99 KB a core on GPUs of compute capability 8.6, the smallest from Ampere on; H100: 227."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    arguments = json.dumps([capability, dtype, head_dim, dropout])
    run = subprocess.run(
        [sys.executable, "-c", COMPILE, arguments],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [name for name, *_ in rows] == [
        "_forward_kernel", "_delta_kernel", "_dq_kernel", "_dkdv_kernel",
    ]  # fmt: skip
    for name, shared, tensor_cores, size in rows:
        assert shared <= shared_kb * 1024 and size > 0, name
        assert tensor_cores == (name != "_delta_kernel"), name

"""torch.compile: one graph of the forward pass, and the same numbers."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from phi1_lib.model import Phi
from tests.model.conftest import CPU_BACKENDS, SMALL, random_ids

ONE_BLOCK = replace(SMALL, num_hidden_layers=1)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


def logits_and_gradients(model: Phi, forward, ids: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    logits = forward(ids)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
    return [logits.detach()] + [parameter.grad for parameter in model.parameters()]


# "eager" runs the graph's operations as they stand, "aot_eager" also a graph of the backward pass.
@pytest.mark.parametrize(
    ("backend", "compiler"), [(name, "eager") for name in CPU_BACKENDS] + [("auto", "aot_eager")]
)
def test_one_graph_gives_the_same_logits_and_gradients(backend, compiler):
    """`fullgraph` makes an error of any break in the graph."""
    model = Phi(ONE_BLOCK, attention_backend=backend)
    compiled = torch.compile(model, fullgraph=True, backend=compiler)
    ids = random_ids(2, 33)
    expected = logits_and_gradients(model, model, ids)
    torch.testing.assert_close(logits_and_gradients(model, compiled, ids), expected)


def test_one_graph_for_any_length():
    """A second length makes the compiler take the length for a variable."""
    model = Phi(ONE_BLOCK)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for tokens in (16, 33, 64):
        ids = random_ids(2, tokens)
        torch.testing.assert_close(compiled(ids), model(ids))


DROPPING = replace(ONE_BLOCK, attention_dropout=0.1, resid_pdrop=0.1)


@pytest.mark.parametrize("backend", ["auto", "explicit", "sdpa"])
def test_one_graph_with_dropout(backend):
    model = Phi(DROPPING, attention_backend=backend)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    ids = random_ids(2, 16)
    torch.manual_seed(1)
    expected = model(ids)
    torch.manual_seed(1)
    torch.testing.assert_close(compiled(ids), expected)


def test_dropout_of_tiled_compiles_in_several_graphs():
    """Its generators of random numbers are nothing that a graph holds."""
    model = Phi(DROPPING, attention_backend="tiled")
    compiled = torch.compile(model, backend="eager")
    ids = random_ids(2, 16)
    torch.manual_seed(1)
    expected = model(ids)
    torch.manual_seed(1)
    torch.testing.assert_close(compiled(ids), expected)


def test_one_graph_under_autocast():
    model = Phi(DROPPING)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    ids = random_ids(2, 16)
    with torch.autocast("cpu", torch.bfloat16):
        logits = compiled.eval()(ids)
        torch.testing.assert_close(logits, model.eval()(ids))
        compiled.train()(ids).float().sum().backward()
    assert logits.dtype == torch.bfloat16
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_packed_documents_compile_in_several_graphs():
    model = Phi(ONE_BLOCK)
    compiled = torch.compile(model, backend="eager")
    ids, borders = random_ids(1, 20), torch.tensor([0, 7, 20], dtype=torch.int32)
    torch.testing.assert_close(compiled(ids, cu_seqlens=borders), model(ids, cu_seqlens=borders))


def test_the_compiler_is_not_imported_unasked():
    """It takes seconds, which a chapter that only generates text should not pay."""
    code = "import sys, phi1_lib.model; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""Memory while weights load: never more than 1.1 times what they take in the end."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phi1_lib.config import PhiConfig
from phi1_lib.model import Phi, hub_config

# 55 million parameters; the embedding and the head have 7 % each, as in phi-1.
LARGE = PhiConfig(
    vocab_size=7_600,
    hidden_size=512,
    intermediate_size=2_048,
    num_hidden_layers=15,
    num_attention_heads=8,
    bos_token_id=0,
    eos_token_id=0,
    used_vocab_size=None,
)
SMALL = replace(LARGE, num_hidden_layers=1, vocab_size=8)

CHILD = """
import sys, torch
from phi1_lib.model import Phi

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

small, large, dtype = sys.argv[1], sys.argv[2], getattr(torch, sys.argv[3])
model = Phi.from_pretrained(small, dtype=dtype)  # the code itself comes into memory
before = kilobytes("VmRSS:")
model = Phi.from_pretrained(large, dtype=dtype)
total = sum(parameter.sum() for parameter in model.parameters())  # mapped pages come in
weights = sum(parameter.nbytes for parameter in model.parameters()) / 1024
print((kilobytes("VmHWM:") - before) / weights)
"""


def write_model(folder: Path, config: PhiConfig, dtype: torch.dtype) -> None:
    """Write what loading reads. The weights are ones: made in no time."""
    with torch.device("meta"):
        shapes = Phi(config).state_dict()
    tensors = {name: torch.ones(tensor.shape, dtype=dtype) for name, tensor in shapes.items()}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(hub_config.to_hugging_face(config)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("stored", "loaded"),
    [("float32", "float16"), ("float16", "float32"), ("float16", "float16")],
)
def test_peak_memory_of_loading(tmp_path, stored, loaded):
    write_model(tmp_path / "large", LARGE, getattr(torch, stored))
    write_model(tmp_path / "small", SMALL, getattr(torch, stored))
    command = [sys.executable, "-c", CHILD, tmp_path / "small", tmp_path / "large", loaded]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.95 < float(child.stdout) < 1.1

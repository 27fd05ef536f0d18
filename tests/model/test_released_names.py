"""phi-1's older releases: a network built as theirs was, its file read by ours, equal logits."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from phi1_lib.config import PhiConfig
from phi1_lib.model import Phi, weights
from tests.model.conftest import SMALL, ExactRotary, random_ids

WIDTH, INNER, HEADS, LAYERS = 48, 80, 4, 3  # of SMALL


class Mixer(nn.Module):
    """Attention as in the released code: one projection whose output is (three h d)."""

    def __init__(self):
        super().__init__()
        self.Wqkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = self.Wqkv(x).reshape(batch, tokens, 3, HEADS, WIDTH // HEADS).unbind(dim=2)
        cos, sin = ExactRotary(SMALL)(x, torch.arange(tokens)[None])
        q, k = turn(q, cos, sin), turn(k, cos, sin)
        scores = torch.einsum("bthd,bshd->bhts", q, k) * (WIDTH // HEADS) ** -0.5
        later = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        shares = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
        return self.out_proj(torch.einsum("bhts,bshd->bthd", shares, v).flatten(2))


def turn(x, cos, sin):
    """The first half of each head's features is turned, feature i with feature i + 3."""
    a, b, rest = x.split([3, 3, 6], dim=-1)
    cos, sin = cos[..., None, :3], sin[..., None, :3]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], dim=-1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(WIDTH)
        self.mixer = Mixer()
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, INNER), "fc2": nn.Linear(INNER, WIDTH)})

    def forward(self, x):
        h = self.ln(x)
        inner = nn.functional.gelu(self.mlp.fc1(h), approximate="tanh")
        return x + self.mixer(h) + self.mlp.fc2(inner)


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(97, WIDTH)

    def forward(self, ids):
        return self.wte(ids)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(WIDTH)
        self.linear = nn.Linear(WIDTH, 97)

    def forward(self, x):
        return self.linear(self.ln(x))


class First(nn.Module):
    """The first release: `layers` is an nn.Sequential from the embedding to the head."""

    config = {
        "model_type": "mixformer-sequential",
        "architectures": ["MixFormerSequentialForCausalLM"],
        "architecture": {"block_cls": "parallel", "mixer": {}, "mlp": {"mlp_cls": "mlp"}},
        "activation_function": "gelu_new",
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_inner": INNER,
        "n_layer": LAYERS,
        "n_positions": 64,
        "rotary_dim": 6,
        "vocab_size": 97,
        "layer_norm_epsilon": 1e-05,
        "initializer_range": 0.02,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "bos_token_id": 90,
        "eos_token_id": 90,
    }

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Embedding(), *(Block() for _ in range(LAYERS)), Head())
        for block in self.layers[1:-1]:  # a buffer that was stored and that nothing reads
            block.mixer.rotary_emb = nn.Module()
            block.mixer.rotary_emb.register_buffer("inv_freq", torch.ones(3))

    def forward(self, ids):
        return self.layers(ids)


class Second(nn.Module):
    """The second release, "phi-msft": the embedding and the blocks under `transformer`."""

    config = First.config | {"model_type": "phi-msft", "n_head_kv": None, "attn_pdrop": 0.0}
    del config["architecture"]

    def __init__(self):
        super().__init__()
        blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.transformer = nn.ModuleDict({"embd": Embedding(), "h": blocks})
        self.lm_head = Head()

    def forward(self, ids):
        x = self.transformer.embd(ids)
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(x)


def random_release(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    model = kind().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def write_release(model: nn.Module, folder: Path, file: str = "pytorch_model.bin", **config):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model.config | config))
    write = torch.save if file.endswith(".bin") else save_file
    write(model.state_dict(), folder / file)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("kind", [First, Second])
def test_an_older_release_gives_the_same_logits(tmp_path, kind, file):
    release = random_release(kind)
    write_release(release, tmp_path, file)
    model = Phi.from_pretrained(tmp_path)
    assert model.lm_head.weight.dtype == torch.float64
    ids = random_ids(2, 40)
    torch.testing.assert_close(model(ids), release(ids), rtol=0, atol=1e-12)


def test_an_older_release_is_converted_and_written_in_todays_form(tmp_path):
    write_release(random_release(First), tmp_path / "old")
    mapped = Phi.from_pretrained(tmp_path / "old")
    single = Phi.from_pretrained(tmp_path / "old", dtype=torch.float32)
    for name, tensor in single.state_dict().items():
        assert tensor.dtype == torch.float32, name
        assert torch.equal(tensor, mapped.state_dict()[name].float()), name
    single.save_pretrained(tmp_path / "new")
    again = Phi.from_pretrained(tmp_path / "new").state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in single.state_dict().items())


def test_other_spellings_of_the_older_names(tmp_path):
    release = random_release(Second)
    other = {"transformer.embd.wte": "transformer.wte", "fc1": "fc_in", "fc2": "fc_out"}
    tensors = release.state_dict()
    for usual, spelled in other.items():
        tensors = {name.replace(usual, spelled): tensor for name, tensor in tensors.items()}
    write_release(release, tmp_path)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    ids = random_ids(1, 9)
    found = Phi.from_pretrained(tmp_path)(ids)
    torch.testing.assert_close(found, release(ids), rtol=0, atol=1e-12)


def test_the_first_releases_own_config_is_phi1s(tmp_path):
    """As published with phi-1; what it does not state is the same in all releases."""
    changes = {"n_embd": 2048, "n_head": 32, "n_inner": None, "n_layer": 24, "n_positions": 2048}
    changes |= {"rotary_dim": 32, "vocab_size": 51200, "bos_token_id": None, "eos_token_id": None}
    (tmp_path / "config.json").write_text(json.dumps(First.config | changes))
    assert weights.read_config(tmp_path) == PhiConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": {"block_cls": "sequential"}}, "block_cls='sequential'"),
        ({"n_embd": None}, "config.json: n_embd=None: must be an integer above 0"),
        ({"n_layer": 0}, "n_layer=0: must be"),
        ({"n_head": 5}, "hidden_size=48: must be a multiple of num_attention_heads=5"),
        ({"n_head_kv": 2}, "num_key_value_heads=2"),
        ({"activation_function": "relu"}, "hidden_act='relu'"),
        ({"model_type": "codegen"}, "model_type='codegen', not 'phi'"),
        (
            {"n_layer": 2},
            r"missing: layers.3.linear.bias \(97,\), layers.3.linear",
        ),
        ({"n_inner": 81}, r"layers.\{1,2,3\}.mlp.fc1.bias \(80,\), by config.json \(81,\)"),
        (
            {"n_embd": 96, "rotary_dim": 12},
            r"layers.\{1,2,3\}.mixer.Wqkv.bias \(144,\), by config.json \(288,\)",
        ),
    ],
)
def test_another_kind_of_release_is_refused(tmp_path, changes, message):
    write_release(random_release(First), tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        Phi.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


class Harm:
    """Pickled, it would call `eval` when read."""

    def __reduce__(self):
        return eval, ("1 / 0",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole PyTorch file"),
        (b"no tensors in here", "not a whole PyTorch file"),
        ("half", "not a whole PyTorch file"),
        ({"a": Harm()}, "not a whole PyTorch file"),
        ({"a": 1}, "not a PyTorch file of named tensors"),
        ([torch.ones(2)], "not a PyTorch file of named tensors"),
    ],
)
def test_a_broken_or_harmful_pytorch_file_is_refused(tmp_path, content, message):
    write_release(random_release(First), tmp_path)
    path = tmp_path / "pytorch_model.bin"
    if content == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=message) as caught:
        Phi.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)

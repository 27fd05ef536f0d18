"""The same weights in three libraries: ours, `transformers` and, where it is installed, litgpt."""

import copy
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from torch import nn

from phi1_lib.generation import generate
from phi1_lib.model import Phi

LITGPT = "0.5.13"
# litgpt's own requirements would bring another PyTorch; these are what its model imports.
INSTALL_LITGPT = (
    f"pip install --no-deps --target FOLDER litgpt=={LITGPT} lightning==2.6.6 "
    "pytorch-lightning==2.6.6 lightning-utilities==0.15.3 torchmetrics==1.9.0 jsonargparse==4.41.0"
)
NO_LITGPT = f"litgpt is not installed: {INSTALL_LITGPT}; then --litgpt FOLDER"
# Of the largest logit. Float32 rounding comes to 1e-6 or so, another function to 0.1 or more.
SAME_FUNCTION = 1e-4

Logits = Callable[[torch.Tensor], torch.Tensor]


def find_litgpt(folder: Path | None) -> str | None:
    """Make litgpt importable from the folder; return its version, None where there is none."""
    if folder is not None:
        sys.path.append(str(folder))  # last: what it shares with this environment stays ours
    try:
        from importlib.metadata import version

        import litgpt.model  # noqa: F401
    except ImportError:
        return None
    return version("litgpt")


def same_model_everywhere(ours: Phi, with_litgpt: bool) -> dict[str, nn.Module]:
    """Return copies of one model, all attending by PyTorch's kernel (sdpa)."""
    config = ours.config
    mine = Phi(config, attention_backend="sdpa")
    mine.load_state_dict(ours.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        theirs = transformers.PhiForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
    models: dict[str, nn.Module] = {"phi1_lib": mine, "transformers": theirs}
    if with_litgpt:
        models["litgpt"] = litgpt_model(ours)
    return models


def litgpt_model(ours: Phi) -> nn.Module:
    """Return litgpt's GPT in the shape of its own "phi-1_5", with our weights."""
    from litgpt.config import Config
    from litgpt.model import GPT

    config = ours.config
    model = GPT(
        Config.from_name(
            "phi-1_5",
            block_size=config.max_position_embeddings,
            vocab_size=config.vocab_size,
            padded_vocab_size=config.vocab_size,
            n_layer=config.num_hidden_layers,
            n_head=config.num_attention_heads,
            n_query_groups=config.num_attention_heads,
            n_embd=config.hidden_size,
            head_size=config.head_dim,
            rotary_percentage=config.partial_rotary_factor,
            intermediate_size=config.intermediate_size,
        )
    )
    names = {
        "lm_head": "lm_head",
        "model.embed_tokens": "transformer.wte",
        "model.final_layernorm": "transformer.ln_f",
    }
    for layer in range(config.num_hidden_layers):
        here, there = f"model.layers.{layer}.", f"transformer.h.{layer}."
        names[here + "input_layernorm"] = there + "norm_1"
        names[here + "self_attn.dense"] = there + "attn.proj"
        names[here + "mlp.fc1"] = there + "mlp.fc"
        names[here + "mlp.fc2"] = there + "mlp.proj"
    found = ours.state_dict()
    weights = {
        f"{theirs}.{part}": found[f"{mine}.{part}"]
        for (mine, theirs), part in itertools.product(names.items(), ("weight", "bias"))
        if f"{mine}.{part}" in found
    }
    for layer, part in itertools.product(range(config.num_hidden_layers), ("weight", "bias")):
        three = [found[f"model.layers.{layer}.self_attn.{x}_proj.{part}"] for x in "qkv"]
        weights[f"transformer.h.{layer}.attn.qkv.{part}"] = torch.cat(three)
    model.load_state_dict(weights)
    return model


def logits_of(name: str, model: nn.Module) -> Logits:
    """Return the forward pass from ids (B, T) to logits (B, T, V), without a cache."""
    if name == "transformers":
        return lambda ids_BT: model(ids_BT, use_cache=False).logits
    return lambda ids_BT: model(ids_BT)


@torch.no_grad()
def check_same_logits(models: dict[str, nn.Module], ids_BT: torch.Tensor) -> dict[str, float]:
    """Return each model's largest error against ours in float64, as a share of the largest logit.

    Raises:
        ValueError: one of them is another function.
    """
    exact = copy.deepcopy(models["phi1_lib"]).double().eval()(ids_BT)
    errors = {
        name: ((logits_of(name, model.eval())(ids_BT) - exact).abs().max() / exact.abs().max())
        for name, model in models.items()
    }
    found = {name: float(f"{error:.2g}") for name, error in errors.items()}
    if max(found.values()) > SAME_FUNCTION:
        raise ValueError(f"the models are not one function: errors {found}")
    return found


def greedy(name: str, model: nn.Module, prompts_BT: torch.Tensor, new: int) -> list[list[int]]:
    """Return `new` greedy ids for each prompt, by the library's own function, with its cache."""
    batch, tokens = prompts_BT.shape
    if name == "phi1_lib":
        return generate(model, prompts_BT.tolist(), new, end_of_text_id=-1)
    if name == "transformers":
        found = model.generate(
            prompts_BT,
            attention_mask=torch.ones_like(prompts_BT),
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return found[:, tokens:].tolist()

    from litgpt.generate import base

    total = tokens + new
    with torch.inference_mode():
        model.set_kv_cache(batch, total, dtype=model.lm_head.weight.dtype)
        if batch == 1:
            found = base.generate(
                model, prompts_BT[0], total, temperature=0.0, include_prompt=False
            )
            return [found.tolist()]
        steps = base.batched_generate_fn(
            model,
            prompts_BT,
            total,
            sample_args={"temperature": 0.0},
            include_prompt=False,
            include_eos=True,
        )
        return torch.stack([torch.cat(step) for step in steps], dim=1).tolist()

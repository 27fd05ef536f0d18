"""phi-1's older releases: what they call the tensors and the keys of `config.json`.

The same weights were published under three sets of names. Blocks are counted from i = 0; L is how
many there are.

    part            first, an nn.Sequential  then, "phi-msft"      today, transformers and ours
    embedding       layers.0.wte             transformer.embd.wte  model.embed_tokens
    block           layers.{i + 1}           transformer.h.{i}     model.layers.{i}
      LayerNorm       .ln                      .ln                   .input_layernorm
      q, k and v      .mixer.Wqkv              .mixer.Wqkv           .self_attn.{q,k,v}_proj
      output          .mixer.out_proj          .mixer.out_proj       .self_attn.dense
      MLP             .mlp.{fc1,fc2}           .mlp.{fc1,fc2}        .mlp.{fc1,fc2}
    last LayerNorm  layers.{L + 1}.ln        lm_head.ln            model.final_layernorm
    head            layers.{L + 1}.linear    lm_head.linear        lm_head

`Wqkv` is one matrix of 3 D rows: those of q, then k, then v, each with head after head. (Some other
models interleave the three by head; a conversion made for those garbles phi-1.)

Source: the modelling code released with the weights (`modeling_mixformer_sequential.py`, where the
output of `Wqkv` is split as "(three h d)", and `modeling_phi.py`).
"""

from collections.abc import Collection
from typing import Any, NamedTuple

# Inside a block: today's name, the older name, and which third of its rows (None: all of them).
_IN_A_BLOCK = {
    "input_layernorm": ("ln", None),
    "self_attn.q_proj": ("mixer.Wqkv", 0),
    "self_attn.k_proj": ("mixer.Wqkv", 1),
    "self_attn.v_proj": ("mixer.Wqkv", 2),
    "self_attn.dense": ("mixer.out_proj", None),
    "mlp.fc1": ("mlp.fc1", None),
    "mlp.fc2": ("mlp.fc2", None),
}
# Copies of the older releases spell some names differently.
_SPELLINGS = {
    "transformer.wte.": "transformer.embd.wte.",
    ".mlp.fc_in.": ".mlp.fc1.",
    ".mlp.fc_out.": ".mlp.fc2.",
}
# The first release stored the rotary frequencies, which follow from the configuration.
_UNUSED = ".mixer.rotary_emb.inv_freq"

OLDER_MODEL_TYPES = ("mixformer-sequential", "phi-msft")
_CONFIG_KEYS = {
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_head_kv": "num_key_value_heads",
    "n_inner": "intermediate_size",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
    "activation_function": "hidden_act",
    "attn_pdrop": "attention_dropout",
}


class Stored(NamedTuple):
    """Where a parameter lies in a file."""

    name: str  # of the tensor in the file
    third: int | None  # which third of the tensor's rows is the parameter; None: all of it


def find_parameters(
    parameters: Collection[str], in_file: Collection[str], layers: int
) -> tuple[dict[str, Stored], set[str]]:
    """Say where each parameter lies, and which tensors of the file belong to no parameter.

    Args:
        parameters: names of `Phi`'s parameters.
        in_file: names of the tensors in the file, of any of the three releases.
        layers: blocks of the model.

    Returns:
        For each parameter its place, by the name that the file has or should have, and the names
        left over.
    """
    spelled = {_usual_spelling(name): name for name in in_file if not name.endswith(_UNUSED)}
    first = any(name.startswith("layers.") for name in spelled)
    second = any(name.startswith("transformer.") for name in spelled)
    older = _older_modules(layers, first) if first or second else {}
    places = {}
    for parameter in parameters:
        module, _, kind = parameter.rpartition(".")  # kind: weight or bias
        module, third = older.get(module, (module, None))
        name = f"{module}.{kind}"
        places[parameter] = Stored(spelled.get(name, name), third)
    return places, set(spelled.values()) - {place.name for place in places.values()}


def _older_modules(layers: int, first: bool) -> dict[str, tuple[str, int | None]]:
    """Return, for every module of today's, its older name and which third of it is meant."""
    modules: dict[str, tuple[str, int | None]] = {
        "model.embed_tokens": ("layers.0.wte" if first else "transformer.embd.wte", None),
        "model.final_layernorm": (f"layers.{layers + 1}.ln" if first else "lm_head.ln", None),
        "lm_head": (f"layers.{layers + 1}.linear" if first else "lm_head.linear", None),
    }
    for i in range(layers):
        block = f"layers.{i + 1}" if first else f"transformer.h.{i}"
        for today, (name, third) in _IN_A_BLOCK.items():
            modules[f"model.layers.{i}.{today}"] = (f"{block}.{name}", third)
    return modules


def _usual_spelling(name: str) -> str:
    for other, usual in _SPELLINGS.items():
        name = name.replace(other, usual)
    return name


def todays_config(values: dict[str, Any]) -> dict[str, Any]:
    """Return an older release's `config.json` with the keys of `transformers.PhiConfig`.

    Raises:
        ValueError: a key is missing, or the blocks are not parallel ones.
    """
    block = (values.get("architecture") or {}).get("block_cls", "parallel")
    if block != "parallel":
        raise ValueError(f"block_cls={block!r}, but phi-1's blocks are 'parallel'")
    for key in ("n_embd", "n_head", "n_layer", "n_positions", "rotary_dim", "vocab_size"):
        if not isinstance(values.get(key), int) or values[key] < 1:
            raise ValueError(f"{key}={values.get(key)!r}: must be an integer above 0")
    today = {_CONFIG_KEYS.get(key, key): value for key, value in values.items()}
    if today.get("intermediate_size") is None:
        today["intermediate_size"] = 4 * values["n_embd"]
    # rotary_dim counts features of one head, of which there are n_embd / n_head.
    today["partial_rotary_factor"] = values["rotary_dim"] * values["n_head"] / values["n_embd"]
    return today | {"model_type": "phi"}

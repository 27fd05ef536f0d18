"""`config.json` and `generation_config.json` of a Hugging Face model folder, as dictionaries.

The keys are those of `transformers.PhiConfig` and one more, `used_vocab_size`, which transformers
keeps but does not read.
"""

from dataclasses import asdict, fields
from typing import Any

from phi1_lib.config import PhiConfig
from phi1_lib.model.released_names import OLDER_MODEL_TYPES, todays_config

# What a phi config may say beside our fields, and the only value that phi-1's network has.
_FIXED_KEYS = {
    "model_type": "phi",
    "hidden_act": "gelu_new",
    "qk_layernorm": False,
    "tie_word_embeddings": False,
}
# Fields of ours that transformers keeps under `rope_parameters`.
_ROPE_KEYS = ("rope_theta", "partial_rotary_factor")
_PHI1 = PhiConfig()


def to_hugging_face(config: PhiConfig) -> dict[str, Any]:
    """Return the `config.json` of a model: `transformers.PhiConfig`'s keys, `used_vocab_size`."""
    values = asdict(config)
    rope = {"rope_type": "default"} | {key: values.pop(key) for key in _ROPE_KEYS}
    return {
        "architectures": ["PhiForCausalLM"],
        **_FIXED_KEYS,
        **values,
        "num_key_value_heads": config.num_attention_heads,
        "rope_parameters": rope,
    }


def generation_config(config: PhiConfig) -> dict[str, Any]:
    """Return the `generation_config.json`: where text ends, and the rows never to be generated."""
    values: dict[str, Any] = {
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_id,
        "pad_token_id": config.eos_token_id,  # fills finished rows of a batch; never attended to
    }
    used = config.used_vocab_size or config.vocab_size
    if used < config.vocab_size:
        values["suppress_tokens"] = list(range(used, config.vocab_size))
    return values


def from_hugging_face(found: Any) -> PhiConfig:
    """Return the configuration that a `config.json` states.

    Today's form, transformers 4's (rotary keys at the top level) and those of phi-1's older
    releases are understood. Without `used_vocab_size`, a vocabulary of 51,200 rows is taken for
    phi-1's own (50,295 used) and any other for one that uses all its rows. End-of-text ids of null
    stand for phi-1's.

    Raises:
        ValueError: not a phi model, or a kind of phi model that this network is not.
    """
    kind = found.get("model_type") if isinstance(found, dict) else None
    if kind in OLDER_MODEL_TYPES:
        found = todays_config(found)
    elif kind != "phi":
        raise ValueError(f"model_type={kind!r}, not 'phi'")

    found = found | (found.get("rope_parameters") or found.get("rope_scaling") or {})
    rules = _FIXED_KEYS | {
        "num_key_value_heads": found.get("num_attention_heads"),
        "rope_type": "default",
        "type": "default",  # the older name of rope_type
    }
    for key, value in rules.items():
        if found.get(key, value) not in (value, None):
            raise ValueError(f"{key}={found[key]!r}, but phi-1's network has {value!r}")

    known = {field.name for field in fields(PhiConfig)}
    values = {key: value for key, value in found.items() if key in known and value is not None}
    if values.get("vocab_size") != _PHI1.vocab_size:
        values.setdefault("used_vocab_size", None)
    return PhiConfig.from_dict(values)

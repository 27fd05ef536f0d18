"""A model on disk: Hugging Face folders, read and written. Only this module of `model` opens files.

`config.json` carries the keys of `transformers.PhiConfig` and one more, `used_vocab_size`, which
transformers keeps but does not read. Weights are a safetensors file: loading one runs no code.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from phi1_lib.config import PhiConfig

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


def write_folder(
    folder: str | Path, config: PhiConfig, state_dict: dict[str, torch.Tensor], tokenizer: Any
) -> None:
    """Write `config.json`, `model.safetensors`, `generation_config.json`, tokenizer files if any.

    Every file is written under a temporary name and renamed, `config.json` last: a new folder that
    a crash left half-written is no model.

    Raises:
        ValueError: the tokenizer does not fit the configuration.
    """
    folder = Path(folder)
    if tokenizer is not None:
        _check_tokenizer(config, tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in state_dict.items()}
    dtype = str(tensors["lm_head.weight"].dtype).removeprefix("torch.")
    # transformers refuses weights without this note of the framework they come from
    _replace(folder / "model.safetensors", lambda path: save_file(tensors, path, {"format": "pt"}))
    _write_json(folder / "generation_config.json", generation_config(config))
    if tokenizer is not None:
        _replace(folder / "tokenizer.json", tokenizer.save)
        _write_json(folder / "tokenizer_config.json", _tokenizer_config(config, tokenizer))
    _write_json(folder / "config.json", to_hugging_face(config) | {"dtype": dtype})


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


def read_config(folder: str | Path) -> PhiConfig:
    """Read `config.json`, in today's form or transformers 4's (rotary keys at the top level).

    Without `used_vocab_size`, a vocabulary of 51,200 rows is taken for phi-1's own (50,295 used)
    and any other for one that uses all its rows. End-of-text ids of null stand for phi-1's.

    Raises:
        ValueError: no such folder or file, not JSON, not a phi model, or a kind of phi model that
            this network is not.
    """
    path = _required_file(folder, "config.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, dict) or found.get("model_type") != "phi":
        kind = found.get("model_type") if isinstance(found, dict) else None
        raise ValueError(f"{path}: model_type={kind!r}, not 'phi'")

    found |= found.get("rope_parameters") or found.get("rope_scaling") or {}
    rules = _FIXED_KEYS | {
        "num_key_value_heads": found.get("num_attention_heads"),
        "rope_type": "default",
        "type": "default",  # the older name of rope_type
    }
    for key, value in rules.items():
        if found.get(key, value) not in (value, None):
            raise ValueError(f"{path}: {key}={found[key]!r}, but phi-1's network has {value!r}")

    known = {field.name for field in fields(PhiConfig)}
    values = {key: value for key, value in found.items() if key in known and value is not None}
    if values.get("vocab_size") != _PHI1.vocab_size:
        values.setdefault("used_vocab_size", None)
    try:
        return PhiConfig.from_dict(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def read_weights(
    folder: str | Path, expected: dict[str, torch.Tensor], dtype: torch.dtype | None
) -> dict[str, torch.Tensor]:
    """Map the tensors named in `expected`, whose shapes they must have, from the folder's files.

    Raises:
        ValueError: no weights, a broken file, or other names or shapes than expected.
    """
    files = _weight_files(folder)
    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path}: not a whole safetensors file ({error})") from None

    where = ", ".join(path.name for path in files)
    for name in sorted(expected.keys() ^ tensors.keys()):
        what = "lacks" if name in expected else "has, beyond a phi model's,"
        raise ValueError(f"{Path(folder) / where}: {what} the tensor {name}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{Path(folder) / where}: {name} has shape {tuple(tensor.shape)}, but config.json "
                f"asks for {tuple(expected[name].shape)}"
            )
    return tensors if dtype is None else {name: t.to(dtype) for name, t in tensors.items()}


def _weight_files(folder: str | Path) -> list[Path]:
    """Return `model.safetensors`, or the parts that `model.safetensors.index.json` lists."""
    index = Path(folder) / "model.safetensors.index.json"
    if (Path(folder) / "model.safetensors").exists() or not index.exists():
        return [_required_file(folder, "model.safetensors")]
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{index}: no weight_map in it") from None
    return [_required_file(folder, name) for name in sorted(set(parts))]


def _required_file(folder: str | Path, name: str) -> Path:
    path = Path(folder) / name
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder; a model folder holds config.json and more")
    if not path.is_file():
        raise ValueError(f"{folder}: not a model folder, {name} is missing")
    return path


def _check_tokenizer(config: PhiConfig, tokenizer: Any) -> None:
    rows = config.used_vocab_size or config.vocab_size
    if tokenizer.vocab_size > rows:
        raise ValueError(f"the tokenizer has {tokenizer.vocab_size} ids, the model {rows} rows")
    if tokenizer.end_of_text_id != config.eos_token_id:
        raise ValueError(
            f"the tokenizer's end-of-text id is {tokenizer.end_of_text_id}, "
            f"the model's eos_token_id {config.eos_token_id}"
        )


def _tokenizer_config(config: PhiConfig, tokenizer: Any) -> dict[str, Any]:
    names = {number: text for text, number in tokenizer.special_tokens.items()}
    end_of_text = names[tokenizer.end_of_text_id]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it stands
        "model_max_length": config.max_position_embeddings,
        "bos_token": end_of_text,
        "eos_token": end_of_text,
        "unk_token": end_of_text,
        "clean_up_tokenization_spaces": False,
    }


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write under a temporary name beside `path` and rename; an error leaves no temporary file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2) + "\n"
    _replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

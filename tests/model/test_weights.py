"""Model folders: written here and read by transformers, and the reverse, bit for bit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from phi1_lib.config import PRESETS, PhiConfig
from phi1_lib.model import Phi, hub_config, weights
from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer
from tests.model.conftest import SMALL, their_config


def random_model(config=SMALL, seed=0) -> Phi:
    torch.manual_seed(seed)
    model = Phi(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def assert_same_tensors(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype and torch.equal(left[name], right[name]), name


@pytest.fixture
def folder(tmp_path) -> Path:
    random_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit_json(path: Path, **changes) -> None:
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value != "absent"}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_transformers_loads_our_folder_bit_for_bit(tmp_path, dtype):
    model = random_model().to(dtype)
    model.save_pretrained(tmp_path)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert isinstance(theirs, transformers.PhiForCausalLM) and theirs.dtype == dtype
    assert not any(report.values()), report
    assert_same_tensors(model.state_dict(), theirs.state_dict())
    for key, value in their_config(SMALL).to_dict().items():
        if key not in ("_name_or_path", "architectures", "dtype", "transformers_version"):
            assert getattr(theirs.config, key) == value, key


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_we_load_the_folder_of_transformers_bit_for_bit(tmp_path, theirs, dtype):
    theirs.to(dtype).save_pretrained(tmp_path)
    model = Phi.from_pretrained(tmp_path)
    assert_same_tensors(model.state_dict(), theirs.state_dict())
    assert model.config == replace(SMALL, used_vocab_size=None)  # transformers knows no such key
    assert not model.training
    ids = torch.arange(20)[None]
    if dtype == torch.float32:
        torch.testing.assert_close(model(ids), theirs(ids).logits)


def test_weights_in_several_files_are_read(tmp_path, theirs):
    theirs.save_pretrained(tmp_path, max_shard_size="50KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert_same_tensors(Phi.from_pretrained(tmp_path).state_dict(), theirs.state_dict())
    # One whole file beside the parts is what counts, as in transformers.
    model = random_model(seed=1)
    model.save_pretrained(tmp_path)
    assert_same_tensors(Phi.from_pretrained(tmp_path).state_dict(), model.state_dict())


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_survives_our_file_and_transformers(tmp_path, name):
    config = replace(PRESETS[name].model, resid_pdrop=0.1, partial_rotary_factor=0.25)
    (tmp_path / "config.json").write_text(json.dumps(hub_config.to_hugging_face(config)))
    assert weights.read_config(tmp_path) == config
    transformers.AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    assert weights.read_config(tmp_path / "again") == config


def test_generation_config_ends_text_and_suppresses_unused_rows(folder):
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert theirs.generation_config.eos_token_id == theirs.generation_config.bos_token_id == 90
    assert theirs.generation_config.suppress_tokens == list(range(91, 97))
    with torch.no_grad():  # the rows of ids 91 to 96 are made to win
        theirs.lm_head.bias[91:] = 1e3
        theirs.lm_head.bias[90] = -1e3
    out = theirs.generate(torch.tensor([[1, 2]]), max_new_tokens=5, do_sample=False)
    assert out.shape == (1, 7) and out.max() < 91


def test_no_unused_rows_nothing_suppressed():
    for used in (None, SMALL.vocab_size):
        assert "suppress_tokens" not in hub_config.generation_config(
            replace(SMALL, used_vocab_size=used)
        )


def test_dtype_converts_and_none_keeps(folder):
    assert Phi.from_pretrained(folder).lm_head.weight.dtype == torch.float32
    half = Phi.from_pretrained(folder, dtype=torch.float16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}


@pytest.mark.parametrize("dtype", ["float16", torch.int8])
def test_a_dtype_that_is_none_for_weights_is_refused(folder, dtype):
    with pytest.raises(ValueError, match=f"dtype={dtype!r}: must be a floating one, as torch.fl"):
        Phi.from_pretrained(folder, dtype=dtype)


def test_weights_of_several_dtypes_need_a_choice(folder):
    tensors = {name: t.clone() for name, t in load_file(folder / "model.safetensors").items()}
    tensors["lm_head.bias"] = tensors["lm_head.bias"].half()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match="tensors of torch.float16, torch.float32; choose one"):
        Phi.from_pretrained(folder)
    half = Phi.from_pretrained(folder, dtype=torch.float16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}


def test_device_says_where_the_weights_go(folder):
    """On the meta device, which every machine has; it keeps shapes and dtypes only."""
    model = Phi.from_pretrained(folder, dtype=torch.bfloat16, device="meta")
    kinds = {(parameter.device.type, parameter.dtype) for parameter in model.parameters()}
    assert kinds == {("meta", torch.bfloat16)}
    assert Phi.from_pretrained(folder).lm_head.weight.device.type == "cpu"


@pytest.mark.gpu
def test_weights_go_to_a_gpu(folder):
    model = Phi.from_pretrained(folder, dtype=torch.float16, device="cuda")
    expected = Phi.from_pretrained(folder, dtype=torch.float16).state_dict()
    assert all(tensor.is_cuda for tensor in model.state_dict().values())
    assert_same_tensors({name: t.cpu() for name, t in model.state_dict().items()}, expected)


def test_weights_are_mapped_from_the_file_and_changing_them_leaves_it_alone(folder):
    before = (folder / "model.safetensors").read_bytes()
    model = Phi.from_pretrained(folder)
    if Path("/proc/self/maps").exists():  # Linux: the file is part of the address space
        assert str(folder / "model.safetensors") in Path("/proc/self/maps").read_text()
    model(torch.arange(5)[None]).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert (folder / "model.safetensors").read_bytes() == before


def test_saving_into_its_own_folder(folder):
    """The mapped file is replaced by a new one, never written over."""
    model = Phi.from_pretrained(folder)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder)
    assert_same_tensors(Phi.from_pretrained(folder).state_dict(), expected)
    assert_same_tensors(model.state_dict(), expected)


def test_a_model_keeps_its_weights_when_its_folder_is_written_anew(folder):
    model, other = random_model(), random_model(seed=1)
    mapped = Phi.from_pretrained(folder)
    other.save_pretrained(folder)
    assert_same_tensors(mapped.state_dict(), model.state_dict())
    assert_same_tensors(Phi.from_pretrained(folder).state_dict(), other.state_dict())


def test_a_failed_write_keeps_the_old_file_and_leaves_no_rubbish(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full_disk(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        random_model(seed=1).save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    text = "def add(a, b):\n    return a + b\n\n\nclass Shape:\n    sides = 4  # été, 漢字\n"
    return Tokenizer.train([text] * 3, 280, (END_OF_TEXT,))


def config_for(tokenizer: Tokenizer, vocab_size: int) -> PhiConfig:
    end = tokenizer.end_of_text_id
    used = tokenizer.vocab_size
    return replace(
        SMALL, vocab_size=vocab_size, bos_token_id=end, eos_token_id=end, used_vocab_size=used
    )


def test_auto_tokenizer_loads_the_folder(tmp_path, tokenizer):
    random_model(config_for(tokenizer, 300)).save_pretrained(tmp_path, tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [
        "def add(a, b):\n    return a + b",
        "  don't , stop .\t\n\n\n  x\r\n",
        "été 漢字 \U0001f600 \x00",
        f"a{END_OF_TEXT}b {END_OF_TEXT}",
        "",
    ]
    for text in texts:
        ids = tokenizer.encode(text, allowed_special={END_OF_TEXT})
        assert theirs.encode(text) == ids
        assert theirs.decode(ids) == tokenizer.decode(ids) == text
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_of_text_id
    assert theirs.eos_token == theirs.bos_token == theirs.unk_token == END_OF_TEXT
    assert len(theirs) == tokenizer.vocab_size
    assert theirs.model_max_length == SMALL.max_position_embeddings
    assert Tokenizer.load(tmp_path / "tokenizer.json").encode(texts[0]) == theirs.encode(texts[0])


def test_a_tokenizer_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, tokenizer):
    config = config_for(tokenizer, 300)
    wrong_end = replace(config, eos_token_id=5)
    too_few = replace(config, bos_token_id=5, eos_token_id=5, used_vocab_size=100)
    for model_config, message in ((wrong_end, "eos_token_id 5"), (too_few, "the model 100 rows")):
        with pytest.raises(ValueError, match=message):
            random_model(model_config).save_pretrained(tmp_path / "new", tokenizer)
    assert not (tmp_path / "new").exists()


def test_the_released_models_old_config_is_read(tmp_path):
    """transformers 4's keys: rotary settings at the top level, null ids, no used_vocab_size."""
    old = {
        "architectures": ["PhiForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "embd_pdrop": 0.0,
        "eos_token_id": None,
        "hidden_act": "gelu_new",
        "hidden_size": 2048,
        "initializer_range": 0.02,
        "intermediate_size": 8192,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048,
        "model_type": "phi",
        "num_attention_heads": 32,
        "num_hidden_layers": 24,
        "num_key_value_heads": None,
        "partial_rotary_factor": 0.5,
        "qk_layernorm": False,
        "resid_pdrop": 0.0,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": 51200,
    }
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert weights.read_config(tmp_path) == PhiConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type='llama', not 'phi'"),
        ({"model_type": "absent"}, "model_type=None, not 'phi'"),
        ({"qk_layernorm": True}, "qk_layernorm=True, but phi-1's network has False"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings=True"),
        ({"hidden_act": "relu"}, "hidden_act='relu', but phi-1's network has 'gelu_new'"),
        ({"num_key_value_heads": 2}, "num_key_value_heads=2, but phi-1's network has 4"),
        (
            {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
            "rope_type='linear'",
        ),
        ({"rope_parameters": None, "rope_scaling": {"type": "dynamic"}}, "type='dynamic'"),
        ({"hidden_size": 50}, "hidden_size=50: must be a multiple"),
        ({"hidden_size": "48"}, "config.json: hidden_size='48': must be int"),
        ({"eos_token_id": [1, 2]}, "config.json: "),
        ({"hidden_size": 96}, r"lm_head.weight \(97, 48\), by config.json \(97, 96\)"),
        ({"num_hidden_layers": 4}, r"missing: model\.layers\.3\."),
        ({"num_hidden_layers": 2}, r"not a phi model's: model\.layers\.2\."),
    ],
)
def test_another_kind_of_model_is_refused(folder, changes, message):
    edit_json(folder / "config.json", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        Phi.from_pretrained(folder)
    assert "\n" not in str(caught.value)


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def drop_a_part(folder):
    remove("model.safetensors")(folder)
    index = {"weight_map": {"lm_head.bias": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def break_the_index(folder):
    remove("model.safetensors")(folder)
    write("model.safetensors.index.json", b"[1]")(folder)


def drop_a_tensor(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items() if name != "lm_head.bias"}
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "not a model folder, config.json is missing"),
        (remove("model.safetensors"), "not a model folder, model.safetensors is missing"),
        (write("config.json", b"{"), "config.json: not JSON"),
        (write("config.json", b"\xff\xfe"), "config.json: not JSON"),
        (write("config.json", b"[]"), "model_type=None"),
        (write("model.safetensors", b""), "not a whole safetensors file"),
        (write("model.safetensors", b"no tensors in here"), "not a whole safetensors file"),
        (truncate, "not a whole safetensors file"),
        (drop_a_tensor, r"model.safetensors: missing: lm_head.bias \(97,\)$"),
        (drop_a_part, "model-00001-of-00001.safetensors is missing"),
        (break_the_index, "no weight_map in it"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_refused_by_name(folder, damage, message):
    damage(folder)
    with pytest.raises(ValueError, match=message) as caught:
        Phi.from_pretrained(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_every_tensor_that_does_not_fit_is_named(folder):
    tensors = {name: t.clone() for name, t in load_file(folder / "model.safetensors").items()}
    del tensors["lm_head.bias"], tensors["model.layers.1.mlp.fc1.weight"]
    tensors |= {"lm_head.weight": torch.ones(97, 50), "model.embed_tokens.weight": torch.ones(4)}
    tensors |= {
        "model.layers.0.self_attn.query_key_value.bias": torch.ones(3),
        "extra": torch.ones(1),
        "model.layers.2.mlp.fc2.bias": torch.ones(48, dtype=torch.int8),
    }
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError) as caught:
        Phi.from_pretrained(folder)
    assert str(caught.value) == (
        f"{folder}/model.safetensors: "
        "missing: lm_head.bias (97,), model.layers.1.mlp.fc1.weight (80, 48); "
        "not a phi model's: extra, model.layers.0.self_attn.query_key_value.bias; "
        "of another shape: lm_head.weight (97, 50), by config.json (97, 48), "
        "model.embed_tokens.weight (4,), by config.json (97, 48); "
        "not floating: model.layers.2.mlp.fc2.bias torch.int8"
    )


def test_of_very_many_names_every_one_is_told_and_those_of_equal_blocks_together(folder):
    edit_json(folder / "config.json", num_hidden_layers=5)
    with pytest.raises(ValueError) as caught:
        Phi.from_pretrained(folder)
    parts = str(caught.value).partition("missing: ")[2].split(", model")
    in_a_block = [name for name in Phi(SMALL).state_dict() if name.startswith("model.layers.0.")]
    assert len(parts) == len(in_a_block)
    for name in in_a_block:
        assert name.replace("layers.0.", "layers.{3,4}.") in str(caught.value)


def test_of_several_files_the_one_at_fault_is_named(tmp_path, theirs):
    theirs.save_pretrained(tmp_path, max_shard_size="50KB")
    part = sorted(tmp_path.glob("*.safetensors"))[1]
    tensors = {name: tensor.clone() for name, tensor in load_file(part).items()}
    save_file(tensors | {"extra": torch.ones(1)}, part)
    with pytest.raises(ValueError, match=f"not a phi model's: extra in {part.name}$"):
        Phi.from_pretrained(tmp_path)
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{part.name}: not a whole safetensors"):
        Phi.from_pretrained(tmp_path)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        Phi.from_pretrained(tmp_path / "nowhere")

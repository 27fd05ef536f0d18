"""Configurations refuse what makes no sense, by name. Oracle: the paper's own figures."""

import dataclasses

import pytest

from phi1_lib.config import PRESETS, PhiConfig, TrainConfig, get_preset


def test_presets_are_the_ladder():
    assert list(PRESETS) == ["smoke", "nano", "mini", "small", "full"]
    assert all(name == preset.name for name, preset in PRESETS.items())


def test_full_reads_what_the_paper_read():
    # 24,000 steps of 1,024 x 2,048 tokens, "a little over 50B"; finetuning 6,000 of 256 x 2,048.
    assert PRESETS["full"].pretrain.tokens == 50_331_648_000
    assert PRESETS["full"].finetune.tokens == 3_145_728_000


def test_phi1_head_and_rotary_dimensions():
    for name in ("small", "full"):
        assert PRESETS[name].model.head_dim == 64
        assert PRESETS[name].model.rotary_dim == 32


@pytest.mark.parametrize("name", PRESETS)
def test_stages_fit_the_model(name):
    preset = PRESETS[name]
    for stage in (preset.pretrain, preset.finetune):
        assert stage.context_length <= preset.model.max_position_embeddings


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match="'huge'.*smoke, nano, mini, small, full"):
        get_preset("huge")


def test_unknown_key_is_named():
    with pytest.raises(ValueError, match="PhiConfig has no field 'n_layers'"):
        PhiConfig.from_dict({"n_layers": 3})


def test_missing_key_is_named():
    with pytest.raises(ValueError, match="TrainConfig.*batch_size"):
        TrainConfig.from_dict({"steps": 3})


@pytest.mark.parametrize("config", [PRESETS["nano"].model, PRESETS["full"].pretrain])
def test_dictionary_round_trip(config):
    assert type(config).from_dict(dataclasses.asdict(config)) == config


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, "hidden_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"partial_rotary_factor": 0.0}, "partial_rotary_factor"),
        ({"partial_rotary_factor": 1 / 64}, "partial_rotary_factor"),
        ({"attention_dropout": 1.0}, "attention_dropout"),
        ({"eos_token_id": 51_200}, "eos_token_id"),
        ({"used_vocab_size": 60_000}, "used_vocab_size"),
        ({"hidden_size": "2048"}, "hidden_size='2048': must be int$"),
        ({"hidden_size": 2048.0}, "hidden_size=2048.0: must be int$"),
        ({"num_hidden_layers": True}, "num_hidden_layers"),
        ({"used_vocab_size": "x"}, r"used_vocab_size='x': must be int \| None$"),
        ({"rope_theta": "1e4"}, r"rope_theta='1e4': must be float \| int$"),
    ],
)
def test_model_rules(change, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        PhiConfig(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"batch_size": 10, "micro_batch_size": 4}, "batch_size"),
        ({"decay_steps": 10}, "decay_steps"),
        ({"precision": "int8"}, "precision"),
        ({"beta2": 1.0}, "beta2"),
        ({"zero_stage": 4}, "zero_stage"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"gradient_clip": 0.0}, "gradient_clip"),
    ],
)
def test_training_rules(change, name):
    with pytest.raises(ValueError, match=f"^{name}="):
        dataclasses.replace(PRESETS["nano"].pretrain, **change)


def test_micro_batch_fits_a_ranks_share():
    nano = PRESETS["nano"].pretrain
    assert nano.for_ranks(1) == nano
    assert nano.for_ranks(2).micro_batch_size == nano.batch_size // 2
    assert PRESETS["full"].pretrain.for_ranks(8) == PRESETS["full"].pretrain

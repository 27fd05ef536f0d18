"""The rotary embedding against transformers' and against its defining property."""

from dataclasses import replace

import torch
from transformers.models.phi.modeling_phi import PhiRotaryEmbedding, apply_rotary_pos_emb

from phi1_lib.config import PhiConfig
from phi1_lib.model import rotary_table, rotate
from tests.error_rule import assert_close
from tests.model.conftest import SMALL, ExactRotary, their_config


def test_equals_transformers():
    config = PhiConfig()  # phi-1's own head: 32 of 64 features, 2,048 positions
    x = torch.randn(2, 2_048, 1, 64, generator=torch.Generator().manual_seed(0))
    positions = torch.arange(2_048)[None]

    def by_transformers(x, rotary):
        turned, _ = apply_rotary_pos_emb(x[..., :32], x[..., :32], *rotary(x, positions), 2)
        return torch.cat([turned, x[..., 32:]], dim=-1)

    theirs = by_transformers(x, PhiRotaryEmbedding(their_config(config)))
    exact = by_transformers(x.double(), ExactRotary(config))
    assert_close(rotate(x, *rotary_table(config)), theirs, exact)
    in_float64 = rotate(x.double(), *rotary_table(config, torch.float64))
    torch.testing.assert_close(in_float64, exact, rtol=0, atol=1e-12)


def test_features_beyond_the_rotary_part_pass_unchanged():
    x = torch.randn(1, 64, 4, 12)
    turned = rotate(x, *rotary_table(SMALL))
    assert torch.equal(turned[..., 6:], x[..., 6:])
    assert torch.equal(turned[:, 0], x[:, 0])  # position 0 is turned by no angle


def test_scores_depend_on_the_distance_only():
    cos, sin = rotary_table(SMALL, torch.float64)
    q, k = torch.randn(2, 1, 1, 1, 12, dtype=torch.float64)

    def score(query_position, key_position):
        turned_q = rotate(q, cos[[query_position]], sin[[query_position]])
        turned_k = rotate(k, cos[[key_position]], sin[[key_position]])
        return (turned_q * turned_k).sum()

    torch.testing.assert_close(score(9, 4), score(60, 55), rtol=0, atol=1e-13)
    assert not torch.isclose(score(9, 4), score(9, 5))


def test_half_precision_is_turned_in_float32_and_rounded_once():
    x = torch.randn(1, 64, 2, 12).bfloat16()
    table = rotary_table(SMALL)
    turned = rotate(x, *table)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate(x.float(), *table).bfloat16())


def test_a_table_is_made_once():
    assert rotary_table(SMALL)[0] is rotary_table(SMALL)[0]


def test_a_table_made_while_generating_serves_training():
    config = replace(SMALL, max_position_embeddings=63)  # a table that no other test has made
    with torch.inference_mode():
        rotary_table(config)
    x = torch.randn(1, 63, 2, 12, requires_grad=True)
    rotate(x, *rotary_table(config)).sum().backward()
    assert x.grad is not None

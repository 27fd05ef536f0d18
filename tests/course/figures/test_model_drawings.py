"""Chapter 04's drawings. Oracle: the areas that matplotlib holds, and PyTorch's own layers."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from torch import nn

from phi1_lib.course.figures import model_drawings
from phi1_lib.course.figures.model_drawings import draw_blocks, parameter_map


@pytest.fixture
def shown(monkeypatch):
    """The figures that were displayed, still open, with their alt texts."""
    found = []
    monkeypatch.setattr(model_drawings, "show", lambda *figure_alt: found.append(figure_alt))
    yield found
    plt.close("all")


def sizes(width: int, inner: int, layers: int, rows: int) -> dict[str, int]:
    """The tensors of a phi model and their sizes, from PyTorch's layers."""
    parts: dict[str, nn.Module] = {"model.embed_tokens": nn.Embedding(rows, width)}
    for i in range(layers):
        block = f"model.layers.{i}"
        parts[f"{block}.input_layernorm"] = nn.LayerNorm(width)
        for name in ("q_proj", "k_proj", "v_proj", "dense"):
            parts[f"{block}.self_attn.{name}"] = nn.Linear(width, width)
        parts[f"{block}.mlp.fc1"] = nn.Linear(width, inner)
        parts[f"{block}.mlp.fc2"] = nn.Linear(inner, width)
    parts |= {"model.final_layernorm": nn.LayerNorm(width), "lm_head": nn.Linear(width, rows)}
    return {
        f"{part}.{name}": tensor.numel()
        for part, layer in parts.items()
        for name, tensor in layer.named_parameters()
    }


def test_areas_are_the_numbers_of_parameters_to_one_scale(shown):
    models = {"large": sizes(16, 40, 3, 90), "small": sizes(8, 40, 2, 90)}
    parameter_map(models, "Two maps")
    [(figure, alt)] = shown
    assert alt == "Two maps"
    total = sum(models["large"].values())
    for axis, model in zip(figure.axes, models.values(), strict=True):
        areas = [box.get_width() * box.get_height() * total for box in axis.patches]
        assert sum(areas) == pytest.approx(sum(model.values()))
        by_colour: dict[str, float] = {}
        for box, area in zip(axis.patches, areas, strict=True):
            colour = to_hex(box.get_facecolor())
            by_colour[colour] = by_colour.get(colour, 0) + area
        kinds = {"embed": "table", "lm_head": "table", "self_attn": "attention", "mlp": "mlp"}
        right = dict.fromkeys(model_drawings._PALE.values(), 0)
        for name, size in model.items():
            kind = next((k for piece, k in kinds.items() if piece in name), "norm")
            right[model_drawings._PALE[kind]] += size
        assert by_colour == pytest.approx(right)


def test_numbers_stand_in_the_first_map_and_totals_above_both(shown):
    models = {"large": sizes(16, 40, 3, 90), "small": sizes(8, 40, 2, 90)}
    parameter_map(models, "Two maps")
    large, small = ([t.get_text() for t in axis.texts] for axis in shown[0][0].axes)
    attention, mlp = 3 * 4 * (16 * 16 + 16), 3 * (2 * 16 * 40 + 16 + 40)
    assert {f"attention\n{attention:,}", f"MLP\n{mlp:,}", "q  3 x 272", "fc1  3 x 680"} < {*large}
    assert {"embedding  1,440", "head  1,530", f"large: {sum(models['large'].values()):,}"} < {
        *large
    }
    assert small == [f"small: {sum(models['small'].values()):,}"]


def test_a_tensor_of_another_family_is_named():
    with pytest.raises(ValueError, match=r"'transformer\.wpe\.weight' is not the name of a tensor"):
        parameter_map({"other": {"transformer.wpe.weight": 4}}, "A map")


def test_one_layer_norm_in_the_parallel_block_and_two_in_a_row(shown):
    draw_blocks()
    [(figure, alt)] = shown
    parallel, sequential = ([t.get_text() for t in axis.texts] for axis in figure.axes)
    assert parallel.count("LayerNorm") == 1 and sequential.count("LayerNorm") == 2
    assert parallel.count("+") == sequential.count("+") == 2
    assert "h" in parallel and "one LayerNorm" in alt

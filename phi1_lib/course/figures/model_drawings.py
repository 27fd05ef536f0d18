"""Drawings of chapter 04: a block with its arrows, and a model's parameters as a map to scale."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from phi1_lib.course.figures.style import DARK, show

# Pale, because dark text stands on them.
_PALE = {"table": "#c9ebdf", "attention": "#cfe6f5", "mlp": "#fbe3b5", "norm": "#e3e3e3"}
_PARTS = ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")  # from top to bottom of the map
_ATTENTION_PARTS = 4  # of them, in front

_Place = tuple[float, float]


def draw_blocks() -> None:
    """Display the parallel block beside the sequential one."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 2.9))
    _draw_block(
        left,
        "parallel: phi-1",
        [("LayerNorm", 1.0, 1.0), ("attention", 2.9, 1.0), ("MLP", 2.9, 2.1)],
        [
            [(0.05, 0), (0.05, 1.0), (0.34, 1.0)],
            [(1.66, 1.0), (2.35, 1.0)],
            [(1.9, 1.0), (1.9, 2.1), (2.58, 2.1)],
            [(3.5, 1.0), (4.2, 1.0), (4.2, 0.25)],
            [(3.22, 2.1), (4.9, 2.1), (4.9, 0.25)],
        ],
        sums=(4.2, 4.9),
    )
    left.text(1.7, 1.15, "h", size=11)
    _draw_block(
        right,
        "sequential: most others",
        [("LayerNorm", 0.8, 1.0), ("attention", 0.8, 2.1), ("LayerNorm", 3.3, 1.0)]
        + [("MLP", 3.3, 2.1)],
        [
            [(-0.2, 0), (-0.2, 1.0), (0.14, 1.0)],
            [(0.8, 1.2), (0.8, 1.9)],
            [(1.4, 2.1), (1.95, 2.1), (1.95, 0.25)],
            [(2.4, 0), (2.4, 1.0), (2.64, 1.0)],
            [(3.3, 1.2), (3.3, 1.9)],
            [(3.62, 2.1), (4.6, 2.1), (4.6, 0.25)],
        ],
        sums=(1.95, 4.6),
    )
    show(
        figure,
        "Two drawings of a block. Parallel: x goes through one LayerNorm to h, which attention and "
        "MLP both read; both results are added to x. Sequential: x, LayerNorm, attention, added to "
        "x; then a second LayerNorm and the MLP, added after it.",
    )


def _draw_block(
    axis: Axes,
    title: str,
    boxes: Sequence[tuple[str, float, float]],
    arrows: Sequence[Sequence[_Place]],
    sums: Sequence[float],
) -> None:
    """Draw one block: the stream along the bottom, (text, x, y) boxes, arrows with corners."""

    def line(start: _Place, end: _Place, style: str, width: float = 1.2) -> None:
        look = {"arrowstyle": style, "color": DARK, "lw": width, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", end, start, arrowprops=look)

    line((-0.5, 0), (5.7, 0), "-|>", 3)
    axis.text(-0.5, 0.15, "x", size=12)
    for text, x, y in boxes:
        colour = _PALE[{"LayerNorm": "norm"}.get(text, text.lower())]
        box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": DARK}
        axis.text(x, y, text, ha="center", va="center", bbox=box)
    for arrow in arrows:
        for start, end in pairwise(arrow):
            line(start, end, "-|>" if end == arrow[-1] else "-")
    circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white"}
    for x in sums:
        axis.text(x, 0, "+", ha="center", va="center", size=13, weight="bold", bbox=circle)
    axis.set(xlim=(-0.6, 5.8), ylim=(-0.5, 2.6), title=title)
    axis.axis("off")


def parameter_map(models: Mapping[str, Mapping[str, int]], alt: str) -> None:
    """Display every parameter of some models as area, all to one scale.

    A model is a rectangle: a column for the embedding, one for each block, one for the head. In a
    block the six linear maps lie on top of each other, as high as they are large. What is too thin
    to be seen (the LayerNorms) is there all the same.

    Args:
        models: for each name of a model, the largest first, its tensors' names (those of
            `phi1_lib.model.Phi`) and sizes. The first carries the numbers of its parts.
        alt: what is to be seen.

    Raises:
        ValueError: `alt` is empty, or a tensor has none of the names of a phi model.
    """
    totals = {name: sum(sizes.values()) for name, sizes in models.items()}
    largest = max(totals.values())
    sides = [(total / largest) ** 0.5 for total in totals.values()]
    figure, axes = plt.subplots(
        1, len(models), figsize=(9, 4.6), width_ratios=sides, sharey=True, squeeze=False
    )
    for axis, (name, sizes), side in zip(axes[0], models.items(), sides, strict=True):
        columns = _columns(sizes)
        _draw_columns(axis, columns, side)
        if axis is axes[0, 0]:
            _name_parts(axis, columns)
        title = f"{name}: {totals[name]:,}"
        axis.text(0, side + 0.02, title, size=11)
        axis.set(xlim=(0, side), ylim=(-0.01, 1.08))
        axis.axis("off")
    show(figure, alt)


def _columns(sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Group tensors by column, from left to right: in each, the sizes of its parts."""
    found: dict[str, dict[str, int]] = {}
    for name, size in sizes.items():
        pieces = name.split(".")
        if "layers" in pieces:
            column, part = f"layers.{pieces[2]}", pieces[-2]
        elif pieces[-2] in ("embed_tokens", "final_layernorm", "lm_head"):
            column = part = pieces[-2]
        else:
            raise ValueError(f"{name!r} is not the name of a tensor of a phi model")
        parts = found.setdefault(column, {})
        parts[part] = parts.get(part, 0) + size
    return list(found.values())


def _draw_columns(axis: Axes, columns: Sequence[Mapping[str, int]], side: float) -> None:
    """Draw the columns side by side, their areas to scale."""
    total = sum(sum(parts.values()) for parts in columns)
    left = 0.0
    for parts in columns:
        column = sum(parts.values())
        width, bottom = side * column / total, side
        ordered = [part for part in _PARTS if part in parts]
        ordered += [part for part in parts if part not in _PARTS]
        for part in ordered:
            height = side * parts[part] / column
            bottom -= height
            place = (left, bottom), width, height
            border = "white" if min(width, height) > 0.005 else "none"
            axis.add_patch(Rectangle(*place, color=_colour(part), ec=border, lw=0.6))
        left += width


def _colour(part: str) -> str:
    if part in _PARTS:
        return _PALE["attention" if part in _PARTS[:_ATTENTION_PARTS] else "mlp"]
    return _PALE["table" if part in ("embed_tokens", "lm_head") else "norm"]


def _name_parts(axis: Axes, columns: Sequence[Mapping[str, int]]) -> None:
    """Write the numbers of the parts onto the model of side 1."""
    total = sum(sum(parts.values()) for parts in columns)
    blocks = [parts for parts in columns if "fc1" in parts]
    left = 0.0
    for parts in columns:
        width = sum(parts.values()) / total
        for part, name in (("embed_tokens", "embedding"), ("lm_head", "head")):
            if part in parts:
                text = f"{name}  {parts[part]:,}"
                axis.text(left + width / 2, 0.5, text, rotation=90, ha="center", va="center")
        left += width
    left, height = sum(columns[0].values()) / total, sum(blocks[0].values())
    top = 1.0
    for part in _PARTS:
        tall = blocks[0][part] / height
        text = f"{part.removesuffix('_proj')}  {len(blocks)} x {blocks[0][part]:,}"
        axis.text(left + 0.02, top - tall / 2, text, va="center")
        top -= tall
    groups = {"attention": _PARTS[:_ATTENTION_PARTS], "MLP": _PARTS[_ATTENTION_PARTS:]}
    top = 1.0
    for name, members in groups.items():
        tall = sum(blocks[0][part] for part in members) / height
        size = sum(parts[part] for parts in blocks for part in members)
        axis.text(
            1 - sum(columns[-1].values()) / total - 0.02,
            top - tall / 2,
            f"{name}\n{size:,}",
            ha="right",
            va="center",
            weight="bold",
        )
        top -= tall

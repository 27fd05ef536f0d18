"""Matrices as coloured cells."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from phi1_lib.course.figures.style import DARK, require_alt, show

_FAINT = "#6e6e6e"  # the zeros: quieter than the rest, and still readable on white


def draw_heat_map(
    axis: Axes,
    matrix: Any,
    rows: Sequence[object],
    columns: Sequence[object],
    title: str = "",
    limit: float | None = None,
    numbers: bool | None = None,
) -> None:
    """Draw a matrix as coloured cells on an axis.

    Blue grows from 0; with negative numbers, orange to purple around 0. Cells that are not finite
    (masked scores) are grey.

    Args:
        axis: where to draw.
        matrix: numbers of shape (len(rows), len(columns)): an array, nested lists, a CPU tensor.
        rows: labels from top to bottom.
        columns: labels from left to right.
        limit: the number that gets the strongest colour; the largest of the matrix if None.
        numbers: write the numbers into the cells; None: if there are at most 144.

    Raises:
        ValueError: the labels do not fit the matrix.
    """
    values = np.asarray(matrix, dtype=float)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"matrix has shape {values.shape}, but there are {len(rows)} row labels and "
            f"{len(columns)} column labels"
        )
    shown = np.ma.masked_invalid(values)
    limit = limit or float(np.abs(shown).max() if shown.count() else 1.0) or 1.0
    signed = bool(shown.count() and shown.min() < 0)
    axis.set_facecolor("#d0d0d0")
    axis.imshow(shown, cmap="PuOr" if signed else "Blues", vmin=-limit if signed else 0, vmax=limit)
    axis.set_xticks(range(len(columns)), [str(c) for c in columns])
    axis.set_yticks(range(len(rows)), [str(r) for r in rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(title)
    if values.size <= 144 if numbers is None else numbers:
        for (i, j), value in np.ndenumerate(values):
            strong = np.isfinite(value) and abs(value) > 0.6 * limit
            colour = "white" if strong else DARK if value else _FAINT
            text = _number(value)
            axis.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)


def _number(value: float) -> str:
    """A number as short as it may be in a small cell: 0, 3, −0.25, −∞."""
    if not np.isfinite(value):
        return "−∞" if value < 0 else "–"
    text = f"{value:.0f}" if value == round(value) else f"{value:.2f}"
    return text.replace("-", "−")


def heat_map(
    matrix: Any,
    rows: Sequence[object],
    columns: Sequence[object],
    title: str,
    alt: str,
    row_label: str = "",
    column_label: str = "",
) -> None:
    """Display a matrix as coloured cells; see `draw_heat_map`.

    Raises:
        ValueError: `alt` is empty, or the labels do not fit the matrix.
    """
    require_alt(alt)
    size = min(0.47, 9 / max(len(columns), 1))
    figure, axis = plt.subplots(
        figsize=(max(3.5, 1.6 + size * len(columns)), max(2.4, 1.1 + size * len(rows)))
    )
    draw_heat_map(axis, matrix, rows, columns, title)
    axis.set(xlabel=column_label, ylabel=row_label)
    show(figure, alt)

"""Heat maps. Oracle: the colours and texts that matplotlib holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from phi1_lib.course import figures


def _cell_colours(matrix) -> np.ndarray:
    """Colours of the cells of a heat map as matplotlib's image holds them, (rows, columns, 4)."""
    figure, axis = plt.subplots()
    rows, columns = np.shape(matrix)
    figures.draw_heat_map(axis, matrix, range(rows), range(columns))
    (image,) = axis.get_images()
    colours = image.to_rgba(image.get_array())
    plt.close(figure)
    return colours


def test_a_heat_map_darkens_with_the_weight_and_leaves_masked_cells_clear():
    colours = _cell_colours([[0.0, 0.5, 1.0], [1.0, -np.inf, np.nan]])
    brightness = colours[..., :3].sum(-1)
    assert brightness[0, 0] > brightness[0, 1] > brightness[0, 2]
    assert colours[1, 1, 3] == colours[1, 2, 3] == 0, "masked cells show the grey behind them"


def test_a_signed_heat_map_is_neutral_at_zero():
    below, zero, above = _cell_colours([[-2.0, 0.0, 2.0]])[0, :, :3]
    assert np.ptp(zero) < 0.02, "zero has no hue"
    assert np.ptp(below) > 0.2 and np.ptp(above) > 0.2
    assert not np.allclose(below, above)


def test_a_heat_map_writes_its_numbers_and_checks_its_labels(shown):
    figure, axis = plt.subplots()
    figures.draw_heat_map(axis, [[-0.25, -np.inf]], ["row"], ["left", "right"])
    assert [text.get_text() for text in axis.texts] == ["−0.25", "−∞"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["left", "right"]
    plt.close(figure)
    with pytest.raises(ValueError, match=r"\(1, 2\).*1 row labels.*3 column"):
        figures.heat_map([[1, 2]], ["a"], ["b", "c", "d"], "", "A matrix")
    plt.close("all")


def test_a_heat_map_accepts_a_matrix_of_nothing_but_zeros_or_masks(shown):
    figures.heat_map([[0.0]], "a", "b", "", "Zero")
    figures.heat_map([[-np.inf]], "a", "b", "", "Masked")
    assert len(shown) == 2

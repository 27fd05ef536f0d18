"""Bars, stacked bars and timelines. Oracle: the bars and texts that matplotlib holds."""

import pytest
from matplotlib.colors import to_hex

from phi1_lib.course import figures
from tests.course.figures.conftest import Reader, picture

MEMORY = {"weights": [2.0, 2.0], "optimizer": [12.0, 1.5], "gradients": [2.0, 0.25]}


def _texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def _boxes(axis) -> list[tuple[float, float, float]]:
    """(row, left, right) of each bar."""
    found = [
        (bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in axis.patches
    ]
    return [(round(row, 6), left, left + width) for row, left, width in found]


def _luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of `#rrggbb`."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted([_luminance(one), _luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_bars_start_at_zero_and_carry_numbers_and_intervals(drawn):
    figures.bars(["a", "b"], [10.0, 2500.0], [(8, 13), (2400, 2600)], "tokens/s", "Two bars")
    axis = drawn[0].axes[0]
    assert axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 2600
    assert [bar.get_width() for bar in axis.patches] == [10.0, 2500.0]
    assert [list(line.get_xdata()) for line in axis.lines] == [[8, 13], [2400, 2600]]
    assert _texts(axis) == ["10", "2,500"]
    assert axis.get_xlabel() == "tokens/s"
    assert axis.yaxis_inverted(), "the first label stands at the top"
    with pytest.raises(ValueError, match="2 labels, 1 values"):
        figures.bars(["a", "b"], [1], None, "s", "Bars")


def test_stacked_parts_follow_each_other_and_add_up(drawn):
    figures.stacked_bars(["rank 0", "rank 1"], MEMORY, "GB", "Two stacks")
    axis = drawn[0].axes[0]
    assert _boxes(axis) == [
        (0, 0, 2),
        (1, 0, 2),
        (0, 2, 14),
        (1, 2, 3.5),
        (0, 14, 16),
        (1, 3.5, 3.75),
    ]
    assert _texts(axis)[:2] == ["16", "3.75"], "totals"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["rank 0", "rank 1"]
    assert axis.yaxis_inverted() and axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 16


def test_a_part_too_narrow_for_its_name_is_named_by_a_legend(drawn):
    figures.stacked_bars(["rank 0", "rank 1"], MEMORY, "GB", "Two stacks")
    written = _texts(drawn[0].axes[0])
    assert "optimizer 12" in written, "there is room for the name"
    assert "weights 2" not in written and written.count("2") == 3, "for the value only"
    assert "0.25" not in written, "not even for that"
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["weights", "gradients"]


def test_parts_that_carry_their_names_need_no_legend(drawn):
    figures.stacked_bars(["a"], {"one": [1.0], "two": [2.0]}, "GB", "A stack")
    assert _texts(drawn[0].axes[0]) == ["3", "one 1", "two 2"]
    assert drawn[0].legends == []


def test_a_legend_reads_from_left_to_right(drawn):
    names = ["first", "second", "third", "fourth", "fifth", "sixth"]
    figures.stacked_bars(["a"], {name: [0.1] for name in names} | {"first": [90]}, "GB", "A stack")
    drawn[0].draw_without_rendering()
    texts = drawn[0].legends[0].get_texts()
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    assert sorted(boxes, key=lambda name: (-round(boxes[name].y0), boxes[name].x0)) == names[1:]


def test_texts_are_readable_on_each_of_the_six_colours(drawn):
    figures.stacked_bars(["a"], {str(part): [1.0] for part in range(6)}, "GB", "A stack")
    axis = drawn[0].axes[0]
    grounds = [to_hex(bar.get_facecolor()) for bar in axis.patches]
    inks = [to_hex(text.get_color()) for text in axis.texts[1:]]
    assert len(set(grounds)) == len(inks) == 6
    for ink, ground in zip(inks, grounds, strict=True):
        assert _contrast(ink, ground) > 4


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "0 parts"),
        ({str(n): [1, 1] for n in range(7)}, "7 parts.*join the small ones"),
        ({"weights": [1]}, "part 'weights' has 1 values for 2 bars"),
        ({"weights": [1, -2]}, "part 'weights' has a negative value, -2"),
    ],
)
def test_stacks_refuse_what_they_cannot_draw(parts, message, drawn):
    with pytest.raises(ValueError, match=message):
        figures.stacked_bars(["a", "b"], parts, "GB", "Stacks")


def test_a_timeline_has_a_row_an_actor_and_a_colour_a_name(drawn):
    spans = [("rank 1", "load", 0.0, 3.0), ("rank 0", "load", 0, 2), ("rank 1", "train", 3, 9)]
    figures.timeline(spans, "Two ranks")
    axis = drawn[0].axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["rank 1", "rank 0"]
    assert _boxes(axis) == [(0, 0, 3), (1, 0, 2), (0, 3, 9)]
    colours = [bar.get_facecolor() for bar in axis.patches]
    assert colours[0] == colours[1] != colours[2]
    assert _texts(axis) == ["load", "load", "train"]
    assert axis.get_xlabel() == "seconds" and drawn[0].legends == []


def test_a_short_span_of_a_timeline_is_named_by_a_legend(drawn):
    figures.timeline([("run", "train", 0, 100), ("run", "save", 100, 100.5)], "A run", "minutes")
    assert _texts(drawn[0].axes[0]) == ["train"]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["save"]
    assert drawn[0].axes[0].get_xlabel() == "minutes"


def test_what_took_no_time_is_still_seen(shown):
    figures.timeline([("run", "train", 0, 1000), ("export", "export", 1000, 1000)], "A run")
    pixels = picture(Reader(shown[0]["text/html"]).all("img")[0]).convert("RGB")
    colours = {colour for _, colour in pixels.getcolors(100_000)}
    orange = tuple(int(figures.ORANGE[i : i + 2], 16) for i in (1, 3, 5))
    below = pixels.crop((0, pixels.height // 2, *pixels.size))
    assert orange in colours and orange in {colour for _, colour in below.getcolors(100_000)}


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([], "0 spans' names"),
        ([("run", str(n), n, n + 1) for n in range(7)], "7 spans' names"),
        ([("run", "save", 3, 2)], "span 'save' in row 'run' ends at 2, before its 3"),
    ],
)
def test_timelines_refuse_what_they_cannot_draw(spans, message, drawn):
    with pytest.raises(ValueError, match=message):
        figures.timeline(spans, "A timeline")

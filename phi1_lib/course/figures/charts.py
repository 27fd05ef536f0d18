"""Horizontal charts: bars with intervals, stacked bars, timelines."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from phi1_lib.course.figures.style import (
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    PINK,
    RED,
    SKY,
    require_alt,
    show,
)

# Neighbours differ in lightness too, for readers and printers that see no hue.
_PART_COLOURS = (BLUE, ORANGE, GREEN, SKY, RED, PINK)
_ROOM_PIXELS = 4  # on both sides of a text inside its bar
_LEGEND_COLUMNS = 4
_THIN_PIXELS = 4
_BAR = 0.6  # of the height of a row


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]] | None,
    unit: str,
    alt: str,
) -> None:
    """Display values as horizontal bars from 0, each with its number.

    Args:
        labels: one for each bar, from top to bottom.
        values: not negative.
        intervals: lowest and highest plausible value for each bar, drawn as a line; or None.
        unit: of the values, for the axis.
        alt: what is to be seen.

    Raises:
        ValueError: `alt` is empty, or the sequences differ in length.
    """
    require_alt(alt)
    if len(labels) != len(values) or (intervals is not None and len(intervals) != len(values)):
        raise ValueError(
            f"{len(labels)} labels, {len(values)} values, "
            f"{'no' if intervals is None else len(intervals)} intervals: give one for each bar"
        )
    figure, axis = _rows(labels)
    ends = list(values)
    axis.barh(range(len(values)), values, _BAR, color=BLUE)
    if intervals is not None:
        ends = [high for _, high in intervals]
        for row, (low, high) in enumerate(intervals):
            axis.plot([low, high], [row, row], color=DARK, linewidth=1.5, marker="|")
    for row, (value, end) in enumerate(zip(values, ends, strict=True)):
        _write_after(axis, end, row, _number(value))
    _finish(axis, unit)
    show(figure, alt)


def stacked_bars(
    labels: Sequence[str], parts: Mapping[str, Sequence[float]], unit: str, alt: str
) -> None:
    """Display bars made of parts, such as the memory of a rank, each with its total.

    A part's name and value stand in its bar where they fit, or the value alone; names that fit in
    none of their bars stand in a legend, in the order of the parts.

    Args:
        labels: one for each bar, from top to bottom.
        parts: for each name of a part, in order from the left, its value in each bar; at most six
            parts, no value negative.
        unit: of the values, for the axis.
        alt: what is to be seen.

    Raises:
        ValueError: `alt` is empty, there are no parts or more than six, a part has not one value
            for each bar, or a value is negative.
    """
    require_alt(alt)
    _check_names(list(parts), "parts")
    for name, values in parts.items():
        if len(values) != len(labels):
            raise ValueError(
                f"part {name!r} has {len(values)} values for {len(labels)} bars: one for each"
            )
        if min(values, default=0) < 0:
            raise ValueError(f"part {name!r} has a negative value, {min(values):g}: a bar has none")
    figure, axis = _rows(labels)
    ends = [0.0] * len(labels)
    spans = []
    for name, values in parts.items():
        for row, value in enumerate(values):
            if value:
                spans.append((row, name, ends[row], ends[row] + value))
            ends[row] += value
    for row, end in enumerate(ends):
        _write_after(axis, end, row, _number(end))
    _draw_spans(figure, axis, spans, list(parts), unit, values=True)
    show(figure, alt)


def timeline(
    spans: Sequence[tuple[str, str, float, float]], alt: str, unit: str = "seconds"
) -> None:
    """Display what happened when, a row for each actor: the stages of a run, the ranks of a step.

    The same name has the same colour in every row. A name stands in its span where it fits; names
    that fit in none of their spans stand in a legend.

    Args:
        spans: (row, name, start, end) each, in any order; rows stand from top to bottom in the
            order of their first span. At most six names.
        alt: what is to be seen.
        unit: of start and end, for the axis.

    Raises:
        ValueError: `alt` is empty, there are no spans, more than six names, or a span that ends
            before it starts.
    """
    require_alt(alt)
    names = list(dict.fromkeys(name for _, name, _, _ in spans))
    _check_names(names, "spans' names")
    for row, name, start, end in spans:
        if end < start:
            raise ValueError(f"span {name!r} in row {row!r} ends at {end:g}, before its {start:g}")
    labels = list(dict.fromkeys(row for row, _, _, _ in spans))
    figure, axis = _rows(labels)
    spans = [(labels.index(row), *span) for row, *span in spans]
    _draw_spans(figure, axis, spans, names, unit)
    show(figure, alt)


def _check_names(names: list[str], what: str) -> None:
    if not 1 <= len(names) <= len(_PART_COLOURS):
        raise ValueError(
            f"{len(names)} {what}: give 1 to {len(_PART_COLOURS)}, more colours look alike "
            "(join the small ones)"
        )


def _rows(labels: Sequence[str]) -> tuple[Figure, Axes]:
    """An empty figure with one labelled row for each bar."""
    figure, axis = plt.subplots(figsize=(6.4, 0.7 + 0.42 * len(labels)))
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(labels) - 0.5, -0.5)  # the first stands at the top
    return figure, axis


def _finish(axis: Axes, unit: str) -> None:
    axis.margins(x=0.12)
    axis.set_xlim(left=0)
    axis.set_xlabel(unit)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _write_after(axis: Axes, end: float, row: int, text: str) -> None:
    axis.annotate(text, (end, row), xytext=(5, 0), textcoords="offset points", va="center")


def _draw_spans(
    figure: Figure,
    axis: Axes,
    spans: list[tuple[int, str, float, float]],
    names: list[str],
    unit: str,
    values: bool = False,
) -> None:
    """Draw (row, name, start, end) as bars in the colours of their names, and name them."""
    colours = dict(zip(names, _PART_COLOURS, strict=False))
    drawn = []
    for row, name, start, end in spans:
        (bar,) = axis.barh(
            row, end - start, _BAR, left=start, color=colours[name], edgecolor="white"
        )
        drawn.append((bar, name))
    _finish(axis, unit)
    figure.draw_without_rendering()  # fixes the layout, so that widths can be measured
    unnamed = set(names)
    for bar, name in drawn:
        if bar.get_window_extent().width < _THIN_PIXELS:
            bar.set_edgecolor(colours[name])  # white borders would hide all of it
        number = _number(bar.get_width())
        for text in (f"{name} {number}", number) if values else (name,):
            if _write_inside(axis, bar, text, "white" if colours[name] == BLUE else DARK):
                if text != number:
                    unnamed.discard(name)
                break
    if unnamed:
        _add_legend(figure, {name: colours[name] for name in names if name in unnamed})


def _write_inside(axis: Axes, bar: Rectangle, text: str, colour: str) -> bool:
    """Write a text into a bar if it fits there, and tell whether it did."""
    written = axis.annotate(text, bar.get_center(), ha="center", va="center", fontsize=9)
    written.set_color(colour)
    room = bar.get_window_extent().width - 2 * _ROOM_PIXELS
    fits = written.get_window_extent().width <= room
    if not fits:
        written.remove()
    return fits


def _add_legend(figure: Figure, colours: dict[str, str]) -> None:
    """Name the colours above the axis, in reading order."""
    columns = min(len(colours), _LEGEND_COLUMNS)
    lines = -(-len(colours) // columns)
    names = [name for column in range(columns) for name in list(colours)[column::columns]]
    patches = [Rectangle((0, 0), 1, 1, color=colours[name]) for name in names]
    figure.set_figheight(figure.get_figheight() + 0.25 * lines)
    figure.legend(patches, names, loc="outside upper left", ncols=columns)

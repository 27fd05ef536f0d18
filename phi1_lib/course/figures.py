"""Figures of the chapters: one style, alt text always, readable in light and dark JupyterLab.

Importing this module sets matplotlib's style (`STYLE`), so that a chapter's own `plt.subplots`
looks like the rest. Every function displays its figure as HTML with the picture inside, because
HTML is the output that carries alt text; `text/plain` of each output is the alt text. The bytes
repeat on a second run: no dates, no version strings, no random ids.
"""

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette: its colours stay apart under the common forms of colour blindness.
BLUE, ORANGE, GREEN, PINK, SKY, RED = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
)
GREY, DARK = "#8a8a8a", "#222222"

STYLE: dict[str, Any] = {
    "figure.figsize": (6.4, 3.2),
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,  # inches of white around the drawing
    "figure.constrained_layout.w_pad": 0.08,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters on every machine
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, ORANGE, GREEN, PINK, SKY, RED]),
    "xtick.color": DARK,
    "ytick.color": DARK,
    "lines.linewidth": 2,
}
matplotlib.rcParams.update(STYLE)

PIXELS_PER_INCH = 144
CSS_PIXELS_PER_INCH = 100  # smaller than the picture's own pixels: sharp on dense screens
SLIDER_LIMIT_BYTES = 200_000

# Pale backgrounds with dark text on them; colours only tell neighbours apart, they mean nothing.
_TOKEN_COLOURS = ("#cfe6f5", "#fbe3b5", "#c9ebdf", "#f3d6e5", "#e3e3e3")
_VISIBLE = {" ": "·", "\n": "⏎", "\t": "→", "\r": "␍"}

# Scripts are stripped from a notebook that has not been run here yet, and the frames are then a
# strip to scroll. Where scripts run, the first frame's `onload` trades the scroll bar for a slider.
_SHOW_ONE = (
    "Array.from(f.querySelector('div').children).forEach("
    "(d,i)=>{d.style.display=i==f.querySelector('input').value?'inline-block':'none'});"
)
_SHOW_SLIDER = (
    "var f=this.closest('figure');f.querySelector('input').style.display='inline-block';"
    "f.querySelector('small').hidden=true;f.querySelector('div').style.overflowX='hidden';"
    + _SHOW_ONE
)
_MOVE_SLIDER = "var f=this.closest('figure');" + _SHOW_ONE


def _require_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")


def _display(markup: str, alt: str) -> None:
    display({"text/html": markup, "text/plain": alt}, raw=True)


def _png(figure: Figure) -> bytes:
    """The figure as PNG with a palette of 256 colours: a third of the size, the same to the eye."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH)
    plt.close(figure)  # or the notebook would draw it a second time
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _image(figure: Figure, alt: str, width: str, extra: str = "") -> str:
    source = base64.b64encode(_png(figure)).decode("ascii")
    alt = html.escape(alt, quote=True)
    return (
        f'<img alt="{alt}" src="data:image/png;base64,{source}" '
        f'style="width:{width};max-width:100%;border-radius:4px"{extra}>'
    )


def _css_width(figure: Figure) -> str:
    return f"{round(figure.get_figwidth() * CSS_PIXELS_PER_INCH)}px"


def show(figure: Figure, alt: str) -> None:
    """Display a matplotlib figure as a picture with alt text, and close it.

    Args:
        figure: any matplotlib figure.
        alt: what is to be seen, for readers who cannot see it.

    Raises:
        ValueError: `alt` is empty.
    """
    _require_alt(alt)
    _display(_image(figure, alt, _css_width(figure)), alt)


def slider(draw: Callable[[Any], Figure], values: Sequence[Any], label: str, alt: str) -> None:
    """Display one figure a value, behind a slider.

    All frames are drawn now, so the slider needs no kernel: it works in a committed notebook and in
    a web page, and moves with the arrow keys. Where scripts are off (a notebook that you have
    opened but not yet run), the frames are a strip that scrolls sideways.

    Args:
        draw: takes one of `values`, returns a new matplotlib figure; all of the same size.
        values: the positions of the slider, in order; about ten keep the page small.
        label: the name of what changes.
        alt: what the figure shows; each frame's alt text adds its value.

    Raises:
        ValueError: no values, empty `alt`, or frames of more than `SLIDER_LIMIT_BYTES` together.
    """
    _require_alt(alt)
    if not values:
        raise ValueError("values is empty: a slider needs at least one position")
    frames, width = [], ""
    for number, value in enumerate(values):
        figure = draw(value)
        width = width or _css_width(figure)
        caption = f"{label} = {value}"
        first = f' onload="{_SHOW_SLIDER}"' if number == 0 else ""
        frames.append(
            '<div style="display:inline-block;width:100%;vertical-align:top">'
            f"<b>{html.escape(caption)}</b><br>"
            f"{_image(figure, f'{alt} Here {caption}.', '100%', first)}</div>"
        )
    markup = (
        f'<figure style="width:{width};max-width:100%;margin:0">'
        f"<label>{html.escape(label)} "
        f'<input type="range" style="display:none" min="0" max="{len(values) - 1}" value="0" '
        f'data-lm-suppress-shortcuts="true" oninput="{_MOVE_SLIDER}"></label>'
        f"<small>({len(values)} pictures: scroll sideways; run the cell to get a slider)</small>"
        f'<div style="overflow-x:scroll;white-space:nowrap">{"".join(frames)}</div></figure>'
    )
    if len(markup) > SLIDER_LIMIT_BYTES:
        raise ValueError(
            f"the {len(values)} frames take {len(markup):,} bytes, over {SLIDER_LIMIT_BYTES:,}: "
            "give fewer values or draw a smaller figure"
        )
    _display(markup, f"{alt} A slider sets {label}: {', '.join(map(str, values))}.")


def _visible(piece: str | bytes) -> str:
    """The piece with whitespace and unprintable characters made visible."""
    if isinstance(piece, bytes):
        piece = piece.decode("utf-8", errors="backslashreplace")
    return "".join(
        _VISIBLE.get(c) or (c if c.isprintable() else c.encode("unicode_escape").decode())
        for c in piece
    )


def token_strip(
    pieces: Sequence[str | bytes], alt: str, notes: Sequence[object] | None = None
) -> None:
    """Display tokens side by side on coloured backgrounds, with whitespace visible.

    A space shows as `·`, a tab as `→`, a newline as `⏎` followed by a line break. Bytes that are
    not UTF-8 show as `\\xc3`.

    Args:
        pieces: the text (or bytes) of each token.
        alt: what is to be seen.
        notes: one for each piece, written small below it (its id, for example).

    Raises:
        ValueError: `alt` is empty, or `notes` and `pieces` differ in number.
    """
    _require_alt(alt)
    if notes is not None and len(notes) != len(pieces):
        raise ValueError(f"{len(notes)} notes for {len(pieces)} pieces: give one for each")
    spans = []
    for number, piece in enumerate(pieces):
        text = html.escape(_visible(piece))
        note = "" if notes is None else f"<br><small>{html.escape(str(notes[number]))}</small>"
        spans.append(
            f'<span style="display:inline-block;background-color:{_TOKEN_COLOURS[number % 5]};'
            "color:#222222;padding:1px 3px;margin:1px;border-radius:3px;text-align:center;"
            f'white-space:pre">{text}{note}</span>'
        )
        if piece[-1:] in ("\n", b"\n"):
            spans.append("<br>")
    style = "font-family:monospace;line-height:1.4"
    title = html.escape(alt, quote=True)
    _display(f'<div title="{title}" style="{style}">{"".join(spans)}</div>', alt)


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
            colour = "white" if strong else DARK if value else GREY
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
    size = min(0.47, 9 / max(len(columns), 1))
    figure, axis = plt.subplots(
        figsize=(max(3.5, 1.6 + size * len(columns)), max(2.4, 1.1 + size * len(rows)))
    )
    draw_heat_map(axis, matrix, rows, columns, title)
    axis.set(xlabel=column_label, ylabel=row_label)
    show(figure, alt)


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
    if len(labels) != len(values) or (intervals is not None and len(intervals) != len(values)):
        raise ValueError(
            f"{len(labels)} labels, {len(values)} values, "
            f"{'no' if intervals is None else len(intervals)} intervals: give one for each bar"
        )
    figure, axis = plt.subplots(figsize=(6.4, 0.7 + 0.42 * len(values)))
    ends = list(values)
    axis.barh(range(len(values)), values, height=0.6, color=BLUE)
    if intervals is not None:
        ends = [high for _, high in intervals]
        for row, (low, high) in enumerate(intervals):
            axis.plot([low, high], [row, row], color=DARK, linewidth=1.5, marker="|")
    for row, (value, end) in enumerate(zip(values, ends, strict=True)):
        axis.annotate(
            f"{value:,.0f}" if value >= 1000 else f"{value:.4g}",
            (end, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    axis.set_yticks(range(len(values)), labels)
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlim(left=0)
    axis.set_xlabel(unit)
    show(figure, alt)

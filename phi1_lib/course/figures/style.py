"""The one style of the figures, and how a figure is displayed with its alt text."""

import base64
import html
import io
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from IPython.display import display
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
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2,
}

PIXELS_PER_INCH = 144
CSS_PIXELS_PER_INCH = 100  # smaller than the picture's own pixels: sharp on dense screens


def require_alt(alt: str) -> None:
    """Raise ValueError when `alt` says nothing."""
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")


def emit(markup: str, alt: str, **formats: Any) -> None:
    """Display one output: HTML, its alt text as plain text, and further `formats` by MIME type."""
    display({"text/html": markup, "text/plain": alt, **formats}, raw=True)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG and close it.

    A palette of 256 colours takes a third of the bytes and looks the same.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PIXELS_PER_INCH)
    plt.close(figure)  # or the notebook would draw it a second time
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def image(figure: Figure, alt: str, width: str, attributes: str = "") -> str:
    """Return the figure as an `<img>` element, `width` in CSS, and close it."""
    source = base64.b64encode(png(figure)).decode("ascii")
    alt = html.escape(alt, quote=True)
    return (
        f'<img alt="{alt}" src="data:image/png;base64,{source}" '
        f'style="width:{width};max-width:100%;border-radius:4px"{attributes}>'
    )


def css_width(figure: Figure) -> str:
    """Return the width at which the figure is shown where there is room for it."""
    return f"{round(figure.get_figwidth() * CSS_PIXELS_PER_INCH)}px"


def show(figure: Figure, alt: str) -> None:
    """Display a matplotlib figure as a picture with alt text, and close it.

    Args:
        figure: any matplotlib figure.
        alt: what is to be seen, for readers who cannot see it.

    Raises:
        ValueError: `alt` is empty.
    """
    require_alt(alt)
    emit(image(figure, alt, css_width(figure)), alt)

"""Figures of the chapters: one style, alt text always, readable in light and dark JupyterLab.

Importing this package sets matplotlib's style (`STYLE`), so that a chapter's own `plt.subplots`
looks like the rest. Every function displays its figure as HTML with the picture inside, because
HTML is the output that carries alt text; `text/plain` of each output is the alt text. The bytes of
what a notebook keeps repeat on a second run: no dates, no version strings, no random ids.
"""

import matplotlib

from phi1_lib.course.figures.charts import bars, stacked_bars, timeline
from phi1_lib.course.figures.frames import SLIDER_LIMIT_BYTES, slider
from phi1_lib.course.figures.matrices import draw_heat_map, heat_map
from phi1_lib.course.figures.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    PIXELS_PER_INCH,
    RED,
    SKY,
    STYLE,
    show,
)
from phi1_lib.course.figures.tokens import token_strip

matplotlib.rcParams.update(STYLE)

__all__ = [
    "BLUE",
    "DARK",
    "GREEN",
    "GREY",
    "ORANGE",
    "PINK",
    "PIXELS_PER_INCH",
    "RED",
    "SKY",
    "SLIDER_LIMIT_BYTES",
    "STYLE",
    "bars",
    "draw_heat_map",
    "heat_map",
    "show",
    "slider",
    "stacked_bars",
    "timeline",
    "token_strip",
]

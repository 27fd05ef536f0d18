"""The interactive figure: frames drawn once, and a slider that says which one is seen.

The one output carries three formats, and each reader gets the best that works there:

- where a kernel runs, JupyterLab takes the widget: an ipywidgets slider linked to the frames in the
  browser, so that it moves at once and also while the kernel is busy;
- a saved notebook and a web page hold the frames as HTML behind a plain slider;
- a notebook whose scripts JupyterLab does not trust shows the same HTML as a strip that scrolls.
"""

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
from IPython import get_ipython
from matplotlib.figure import Figure

from phi1_lib.course.figures.style import css_width, emit, image, require_alt
from phi1_lib.course.saving import WIDGET_VIEW

SLIDER_LIMIT_BYTES = 200_000

# Without scripts the frames are a strip to scroll. Where scripts run, the first frame's `onload`
# trades the scroll bar for a slider.
_SHOW_ONE = (
    "var s=f.querySelector('input');"
    "Array.from(f.querySelector('div').children).forEach("
    "(d,i)=>{d.style.display=i==s.value?'inline-block':'none';"
    "if(i==s.value)s.setAttribute('aria-valuetext',d.firstChild.textContent)});"
)
_SHOW_SLIDER = (
    "var f=this.closest('figure');f.querySelector('input').style.display='inline-block';"
    "f.querySelector('small').hidden=true;f.querySelector('div').style.overflowX='hidden';"
    + _SHOW_ONE
)
_MOVE_SLIDER = "var f=this.closest('figure');" + _SHOW_ONE

# ipywidgets gives its handle no name for screen readers, and speaks positions instead of values.
_NAME_WIDGET = (
    "var b=this.closest('.widget-vbox'),h=b&&b.querySelector('[role=slider]');"
    "if(h){h.setAttribute('aria-label',b.querySelector('.widget-label').textContent);"
    "b.querySelector('.widget-readout').setAttribute('aria-live','polite')}"
)


def slider(draw: Callable[[Any], Figure], values: Sequence[Any], label: str, alt: str) -> None:
    """Display one figure a value, behind a slider.

    All frames are drawn now, so the slider needs no kernel later: it works in a committed notebook
    and in a web page, and moves with the arrow keys.

    Args:
        draw: takes one of `values`, returns a new matplotlib figure; all of the same size.
        values: the positions of the slider, in order; about ten keep the page small.
        label: the name of what changes.
        alt: what the figure shows; each frame's alt text adds its value.

    Raises:
        ValueError: no values, empty `alt`, or frames of more than `SLIDER_LIMIT_BYTES` together.
    """
    require_alt(alt)
    if not values:
        raise ValueError("values is empty: a slider needs at least one position")
    captions = [f"{label} = {value}" for value in values]
    pictures, width = [], ""
    for value, caption in zip(values, captions, strict=True):
        figure = draw(value)
        width = width or css_width(figure)
        pictures.append(image(figure, f"{alt} Here {caption}.", "100%"))
    markup = _page(pictures, captions, label, width)
    if len(markup) > SLIDER_LIMIT_BYTES:
        raise ValueError(
            f"the {len(values)} frames take {len(markup):,} bytes, over {SLIDER_LIMIT_BYTES:,}: "
            "give fewer values or draw a smaller figure"
        )
    formats = {}
    if getattr(get_ipython(), "kernel", None):
        formats[WIDGET_VIEW] = _widget(pictures, list(map(str, values)), label, width)
    emit(markup, f"{alt} A slider sets {label}: {', '.join(map(str, values))}.", **formats)


def _page(pictures: list[str], captions: list[str], label: str, width: str) -> str:
    """The frames as HTML that works without a kernel."""
    frames = [
        '<div style="display:inline-block;width:100%;vertical-align:top">'
        f"<b>{html.escape(caption)}</b><br>{picture}</div>"
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    frames[0] = _on_load(frames[0], _SHOW_SLIDER)
    return (
        f'<figure style="width:{width};max-width:100%;margin:0">'
        f"<label>{html.escape(label)} "
        '<input type="range" style="display:none;width:16em;max-width:60%;vertical-align:middle" '
        f'min="0" max="{len(pictures) - 1}" value="0" '
        f'data-lm-suppress-shortcuts="true" oninput="{_MOVE_SLIDER}"></label>'
        f"<small>({len(pictures)} pictures: scroll sideways; run the cell to get a slider)</small>"
        f'<div style="overflow-x:scroll;white-space:nowrap">{"".join(frames)}</div></figure>'
    )


def _on_load(markup: str, script: str) -> str:
    return markup.replace("<img ", f'<img onload="{script}" ', 1)


def _widget(pictures: list[str], positions: list[str], label: str, width: str) -> dict[str, Any]:
    """The frames behind an ipywidgets slider; the link between them lives in the browser."""
    handle = ipywidgets.SelectionSlider(
        options=[(text, number) for number, text in enumerate(positions)],
        description=label,
        style={"description_width": "initial"},
    )
    frames = [ipywidgets.HTML(_on_load(picture, _NAME_WIDGET)) for picture in pictures]
    stack = ipywidgets.Stack(frames, selected_index=0)
    ipywidgets.jslink((handle, "index"), (stack, "selected_index"))
    box = ipywidgets.VBox([handle, stack], layout={"width": width, "max_width": "100%"})
    return box._repr_mimebundle_()[WIDGET_VIEW]

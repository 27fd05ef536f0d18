"""Tables that take the colours of the page around them: JupyterLab, light or dark, or the web book.

Styles stand in the elements, since a notebook that is not trusted yet shows no others; each undoes
what JupyterLab gives to tables. No script.
"""

import html
import re
from collections.abc import Iterable

CELL = "padding:2px 10px;border:0;background:transparent;color:inherit;vertical-align:top"
LEFT = f"{CELL};text-align:left"


def table(rows: Iterable[str]) -> str:
    """Return a table; each row is the HTML of its cells."""
    body = "\n".join(f'<tr style="background:transparent">{row}</tr>' for row in rows)
    style = "border-collapse:collapse;color:inherit;margin:0 0 0.5em 0;table-layout:auto"
    return f'<table style="{style}">\n{body}\n</table>'


def with_code(text: str) -> str:
    """Return text as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))

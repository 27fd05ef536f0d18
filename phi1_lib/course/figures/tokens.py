"""Tokens side by side on coloured backgrounds."""

import html
from collections.abc import Sequence

from phi1_lib.course.figures.style import DARK, emit, require_alt

# Pale backgrounds with dark text on them; colours only tell neighbours apart, they mean nothing.
_TOKEN_COLOURS = ("#cfe6f5", "#fbe3b5", "#c9ebdf", "#f3d6e5", "#e3e3e3")
_VISIBLE = {" ": "·", "\n": "⏎", "\t": "→", "\r": "␍"}


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
    require_alt(alt)
    if notes is not None and len(notes) != len(pieces):
        raise ValueError(f"{len(notes)} notes for {len(pieces)} pieces: give one for each")
    spans = []
    for number, piece in enumerate(pieces):
        text = html.escape(_visible(piece))
        note = "" if notes is None else f"<br><small>{html.escape(str(notes[number]))}</small>"
        spans.append(
            f'<span style="display:inline-block;background-color:{_TOKEN_COLOURS[number % 5]};'
            f"color:{DARK};padding:1px 3px;margin:1px;border-radius:3px;text-align:center;"
            f'white-space:pre">{text}{note}</span>'
        )
        if piece[-1:] in ("\n", b"\n"):
            spans.append("<br>")
    style = "font-family:monospace;line-height:1.4"
    title = html.escape(alt, quote=True)
    emit(f'<div title="{title}" style="{style}">{"".join(spans)}</div>', alt)

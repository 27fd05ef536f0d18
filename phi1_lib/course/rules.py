"""What every chapter must hold, checked on the saved notebook without running it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from nbformat import NotebookNode

WORDS = (1_500, 3_500)
CODE_CELLS = (20, 45)
MIN_FIGURES = 3
MAX_VARYING_SHARE = 1 / 4
MAX_BYTES = 3_000_000
CALL_OUTS = ("Predict", "Exercise", "At full scale", "The paper")

MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]+)")
MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
CALL_OUT = re.compile(r"(?:\A|\n\n|^)> \*\*(?P<name>[^*]+)\*\*", re.MULTILINE)
DRAWN = re.compile(r"<(img|svg|div title=)")  # the last is a strip of tokens
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class _Images(HTMLParser):
    """Collects (alt, src) of the images in HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            given = dict(attrs)
            self.found.append((given.get("alt") or "", given.get("src") or ""))


def _html_images(text: str) -> list[tuple[str, str]]:
    parser = _Images()
    parser.feed(text)
    return parser.found


def images(notebook: NotebookNode) -> list[tuple[int, str, str]]:
    """Return (cell index, alt text, source) of every image a reader sees."""
    found: list[tuple[int, str, str]] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            text = FENCED.sub("", cell.source)
            for match in MARKDOWN_IMAGE.finditer(text):
                found.append((index, match["alt"], match["target"]))
            found += [(index, alt, source) for alt, source in _html_images(text)]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:  # what JupyterLab shows of an output with several formats
                html = data["text/html"]
                found += [(index, alt, source) for alt, source in _html_images(html)]
            else:
                pictures = [mime for mime in data if mime.startswith("image/")]
                alts = [output.metadata.get(mime, {}).get("alt", "") for mime in pictures]
                found += [(index, alt, "") for alt in alts]
    return found


def figures(notebook: NotebookNode) -> int:
    """Count the code cells whose output is a picture or a strip of tokens; tables do not count."""
    return sum(
        any(_is_drawn(output.get("data", {})) for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


def _is_drawn(data: dict[str, str]) -> bool:
    page = data.get("text/html", "")
    return any(mime.startswith("image/") for mime in data) or bool(DRAWN.search(page))


def word_count(notebook: NotebookNode) -> int:
    """Count the words of the text cells, code blocks and link targets aside."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"\]\([^)]*\)", "]", FENCED.sub("", text))
    return len(re.findall(r"[^\W_][\w'’,.-]*", text))


def broken_rules(notebook: NotebookNode, folder: Path) -> list[str]:
    """Return one line for each rule that the notebook breaks; `folder` is where it lies."""
    return [
        *_execution(notebook),
        *_size(notebook),
        *_pictures(notebook),
        *_text(notebook, folder),
    ]


def _execution(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "no kernelspec python3: JupyterLab would ask for a kernel"
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        if cell.execution_count is None:
            yield f"cell {index} was not executed"
        for output in cell.outputs:
            tags = cell.metadata.get("tags", [])
            if output.output_type == "error" and "raises-exception" not in tags:
                yield f"cell {index} ends in {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {index} prints to stderr: {output.text.strip()[:80]}"


def _size(notebook: NotebookNode) -> Iterator[str]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not CODE_CELLS[0] <= len(code) <= CODE_CELLS[1]:
        yield f"{len(code)} code cells; a chapter has {CODE_CELLS[0]} to {CODE_CELLS[1]}"
    words = word_count(notebook)
    if not WORDS[0] <= words <= WORDS[1]:
        yield f"{words} words; a chapter has {WORDS[0]} to {WORDS[1]}"
    if figures(notebook) < MIN_FIGURES:
        yield f"{figures(notebook)} figures; a chapter has at least {MIN_FIGURES}"
    size = len(str(notebook))
    if size > MAX_BYTES:
        yield f"{size:,} bytes; a chapter has at most {MAX_BYTES:,}"
    with_output = [cell for cell in code if cell.outputs]
    varying = sum("varies" in cell.metadata.get("tags", []) for cell in with_output)
    if varying > MAX_VARYING_SHARE * len(with_output):
        yield f"{varying} of {len(with_output)} outputs vary; at most a quarter may"


def _pictures(notebook: NotebookNode) -> Iterator[str]:
    for index, alt, source in images(notebook):
        if not alt.strip():
            yield f"cell {index} has an image without alt text"
        if re.match(r"(https?:)?//", source):
            yield f"cell {index} shows a remote image: {source}"


def _text(notebook: NotebookNode, folder: Path) -> Iterator[str]:
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "the first cell is not a title"
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        text = FENCED.sub("", cell.source)
        for match in MARKDOWN_LINK.finditer(text):
            target = match["target"].split("#")[0]
            if target and "://" not in target and not (folder / target).exists():
                yield f"cell {index} links to {target}, which is not there"
        for match in CALL_OUT.finditer(text):
            if not match["name"].startswith(CALL_OUTS):
                yield f"cell {index} has a call-out {match['name']!r}; they are {CALL_OUTS}"

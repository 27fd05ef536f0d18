"""A Sphinx extension: Python files as pages of the site, and links to folders.

A link such as `../phi1_lib/model/rotary.py` in a chapter leads to a page of that file's source, one
to a folder leads to the page that lists it, one to a worked answer to the exercises' page.
"""

import ast
import json
import os
import re
from pathlib import Path

from docutils import nodes
from mdit_py_plugins.anchors.index import slugify
from myst_parser.parsers.sphinx_ import MystParser
from sphinx import addnodes
from sphinx.application import Sphinx

from phi1_lib.course.exercises import Exercise, all_exercises

LIBRARY = "phi1_lib"
# The order of the library's parts on their page is that of the paper; others follow.
PARTS = (
    *("config.py", "sandbox", "tokenizer", "attention", "model", "data", "training"),
    *("generation", "evaluation", "pipeline.py", "run_folder.py", "shipped.py"),
)
LIBRARY_TEXT = """The source of `phi1_lib`, the library that the chapters build by hand and then
use, in the order of the paper. It is small enough to read in a weekend."""
STUB_TEXT = """{count} exercises, {points:g} points, about {minutes} minutes, for
[chapter {chapter:02d}](../chapters/{notebook}). This page shows the file as it comes. Write your
answers in your own copy of the course, in `exercises/{file}` or from the chapter, where
`%check {first}` says whether an answer is right."""


class PythonParser(MystParser):
    """Makes a page of a Python file: its name, its exercises if any, its source."""

    supported = ("python-page",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Fill `document` with the page of the file that it was read from."""
        env = document.settings.env
        path = Path(env.doc2path(env.docname)).relative_to(env.srcdir)
        super().parse(page(path, inputstring, Path(env.srcdir)), document)


def page(path: Path, text: str, sources: Path) -> str:
    """Return a file's page in Markdown; `path` is relative to the folder of all `sources`."""
    if path.parts[0] == "exercises":
        exercises = [e for e in all_exercises(sources) if e.stub.name == path.name]
        return exercise_page(text, exercises, sources)
    up = os.path.relpath(Path(LIBRARY, "index.md"), path.parent)
    name = path.relative_to(LIBRARY).as_posix().replace("_", "\\_")
    # Not in the sidebar, which would be very long: `orphan` tells Sphinx that this is meant.
    return f"---\norphan: true\n---\n# {name}\n\n[The library]({up})\n\n{source_block(text)}"


def exercise_page(stub: str, exercises: list[Exercise], sources: Path) -> str:
    """Return the page of an exercise file: the table of its exercises, then the stub."""
    first = exercises[0]
    [notebook] = sources.glob(f"chapters/{first.chapter:02d}_*.ipynb")
    title = (ast.get_docstring(ast.parse(stub)) or first.stub.name).splitlines()[0].rstrip(".")
    intro = STUB_TEXT.format(
        count=len(exercises),
        points=sum(e.points for e in exercises),
        minutes=sum(e.minutes for e in exercises),
        chapter=first.chapter,
        notebook=notebook.name,
        file=first.stub.name,
        first=first.number,
    )
    rows = [
        ["", "exercise", "you write", "points", "minutes", "difficulty", "section"],
        ["---"] * 7,
    ]
    for e in exercises:
        names = ", ".join(f"`{name}`" for name in e.functions)
        numbers = [f"{e.points:g}", str(e.minutes), f"{e.difficulty} of 3"]
        rows.append([e.number, e.title, names, *numbers, section_link(e.section, notebook)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# {title}\n\n{intro}\n\n{table}\n\n## The file\n\n{source_block(stub)}"


def section_link(section: str, notebook: Path) -> str:
    """Return a link to that heading of the chapter, or its bare name where there is none."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    if not re.search(rf"^#+ {re.escape(section)}$", text, re.MULTILINE):
        return section
    return f"[{section}](../chapters/{notebook.name}#{slugify(section)})"


def source_block(text: str) -> str:
    """Return highlighted Python; its fence is longer than any that the text contains."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{{code-block}} python\n:linenos:\n\n{text}\n{fence}\n"


def library_index(root: Path) -> str:
    """Return the page that lists the library's files, part by part."""
    library = root / LIBRARY
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        docstring = ast.get_docstring(ast.parse(path.read_bytes())) or ""
        about = " ".join(docstring.split("\n\n")[0].split()).replace("|", "&#124;")
        parts.setdefault(name.split("/")[0], []).append(f"| [`{name}`]({name}) | {about} |")
    head = "| file | what it is for |\n| --- | --- |\n"
    tables = [head + "\n".join(rows) for rows in parts.values() if rows]
    return "\n\n".join(["# The library", LIBRARY_TEXT, *tables]) + "\n"


def link_folders(app: Sphinx, document: nodes.document) -> None:
    """Let links to folders, and to worked answers, lead to pages."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for link in document.findall(addnodes.pending_xref):
        if link["reftype"] != "myst":
            continue
        # MyST names an existing file by its path from the top, anything else as it is written.
        start = app.srcdir if link.get("refdomain") == "doc" else folder
        target = Path(os.path.normpath(start / link["reftarget"]))
        found = None
        if target.is_relative_to(app.srcdir / "solutions"):
            found = "exercises/index", "worked-answers"
        elif target.is_relative_to(app.srcdir) and (target / "index.md").is_file():
            found = (target / "index").relative_to(app.srcdir).as_posix(), None
        if found:
            link["refdomain"], (link["reftarget"], link["reftargetid"]) = "doc", found


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_source_suffix(".py", PythonParser.supported[0])
    app.add_source_parser(PythonParser)
    app.connect("doctree-read", link_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

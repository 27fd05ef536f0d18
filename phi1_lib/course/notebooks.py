"""Executing the chapters, so that their committed outputs are those of this code.

`python -m phi1_lib.course.notebooks chapters/01_tokenizer.ipynb` executes a chapter in a copy of
the course whose exercises are fresh stubs, normalises it and writes it back: a second run writes
the same bytes. A cell tagged `varies` keeps its committed output while the new one is of the same
kind. `--check` compares and writes nothing; `--fresh` also takes the new output of such cells.
"""

import argparse
import contextlib
import difflib
import importlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from traitlets.config import Config

from phi1_lib.course.saving import WIDGET_VIEW, drop_widgets
from phi1_lib.course.stubs import write_stubs

ROOT = Path(__file__).parents[2]
CELL_TIMEOUT_S = 300
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
# What a chapter prints must not hang on the terminal, the machine's threads or the network.
KERNEL_ENVIRONMENT = {
    "COLUMNS": "100",
    "HF_HUB_OFFLINE": "1",
    "JUPYTER_COLUMNS": "88",  # as `lab.py` sets it
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
}


@contextlib.contextmanager
def course_copy(root: Path = ROOT) -> Iterator[Path]:
    """Yield a temporary copy of what a running chapter may read, its exercises fresh stubs."""
    with tempfile.TemporaryDirectory(prefix="phi1-") as scratch:
        copy = Path(scratch)
        for name in ("chapters", "exercises", "solutions", "benchmarks"):
            if (root / name).is_dir():
                ignore = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", "runs")
                shutil.copytree(root / name, copy / name, ignore=ignore)
        for name in ("README.md", "pyproject.toml"):
            if (root / name).is_file():
                shutil.copy(root / name, copy / name)
        write_stubs(copy / "solutions", copy / "exercises", force=True)
        yield copy


def kernel_environment(scratch: Path) -> dict[str, str]:
    """The environment that a chapter's kernel runs in."""
    # The first entry makes this tree's library and commands the ones that are found.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    environment = dict(os.environ, **KERNEL_ENVIRONMENT)
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PATH"] = os.pathsep.join(programs)
    environment["IPYTHONDIR"] = str(scratch / "ipython")  # not a learner's own start-up files
    environment["XDG_DATA_HOME"] = str(scratch / "data")  # not a learner's own progress
    return environment


def execute(path: Path, root: Path = ROOT) -> NotebookNode:
    """Execute the notebook at `path` in a copy of the course and return it with its outputs.

    Raises:
        RuntimeError: a cell raised an error or ran longer than `CELL_TIMEOUT_S` seconds.
    """
    # Builds matplotlib's font cache now: in a chapter it would print a note, the first time only.
    importlib.import_module("matplotlib.font_manager")
    notebook = nbformat.read(path, as_version=4)
    with course_copy(root) as copy:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(copy / "chapters")}},
            config=Config(
                KernelManager={"transport_encryption": "auto"}
            ),  # or each prints a warning
        )
        try:
            client.execute(env=kernel_environment(copy))
        except (CellExecutionError, CellTimeoutError) as error:
            raise RuntimeError(f"{path}: {error}") from None
    return notebook


def is_varying(cell: NotebookNode) -> bool:
    """Tell whether a cell's output is marked as one that cannot repeat."""
    return "varies" in cell.metadata.get("tags", [])


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Remove in place what differs between runs or machines, and return the notebook.

    Cell ids and execution counts are numbered, metadata is reduced to the tags; addresses in
    memory and widgets go, while the page that stands in the same output as a widget stays.
    """
    count = 0
    for index, cell in enumerate(notebook.cells):
        cell.id = f"c{index:03d}"
        kept = {name: cell.metadata[name] for name in ("tags", "jupyter") if name in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type != "code":
            continue
        has_source = bool(cell.source.strip())
        count += has_source
        cell.execution_count = count if has_source else None
        drop_widgets(cell.outputs)
        cell.outputs = [_normalise_output(output, cell) for output in _lasting(cell.outputs)]
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _lasting(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs that a reader without a kernel can see: all but those that are only widgets."""
    return [output for output in outputs if WIDGET_VIEW not in output.get("data", {})]


def _normalise_output(output: NotebookNode, cell: NotebookNode) -> NotebookNode:
    if "execution_count" in output:
        output.execution_count = cell.execution_count
    if "text" in output:
        output.text = ADDRESS.sub("0x...", output.text)
    for mime, value in output.get("data", {}).items():
        if mime == "text/plain" and isinstance(value, str):
            output.data[mime] = ADDRESS.sub("0x...", value)
    return output


def output_kinds(cell: NotebookNode) -> list[tuple[str, ...]]:
    """What kinds of output a cell has, in order: stream names, or the formats of rich output."""
    kinds = []
    for output in cell.outputs:
        detail = [output.name] if output.output_type == "stream" else sorted(output.get("data", {}))
        kinds.append((output.output_type, *detail))
    return kinds


def keep_varying(new: NotebookNode, committed: NotebookNode) -> None:
    """Give `varies` cells of `new` their committed output, where the kinds are the same."""
    for cell, old in zip(new.cells, committed.cells, strict=True):
        varies = cell.cell_type == "code" and is_varying(cell)
        if varies and output_kinds(cell) == output_kinds(old):
            cell.outputs = old.outputs


def _comparable(cell: NotebookNode) -> list[str]:
    """A cell as lines to compare, long encoded images cut."""
    text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
    return text.splitlines()


def first_difference(new: NotebookNode, committed: NotebookNode, lines: int = 12) -> str | None:
    """Describe the first cell in which two normalised notebooks differ, or return None."""
    for index, (cell, old) in enumerate(zip(new.cells, committed.cells, strict=True)):
        if cell == old:
            continue
        diff = difflib.unified_diff(
            _comparable(old), _comparable(cell), "committed", "executed now", lineterm="", n=1
        )
        shown = [line[:160] for line in list(diff)[: lines + 3]]
        head = f"cell {index} ({(cell.source.strip().splitlines() or ['empty'])[0][:60]})"
        return "\n".join([f"{head} differs:", *shown])
    if new.metadata != committed.metadata:
        return "the notebook's metadata differs; run `make chapters`"
    return None


def refresh(
    path: Path, *, check: bool = False, fresh: bool = False, root: Path = ROOT
) -> str | None:
    """Execute, normalise and write one chapter; return what changed, or None.

    With `check` nothing is written. With `fresh` cells tagged `varies` take their new output too.
    """
    committed = nbformat.read(path, as_version=4)
    new = normalise(execute(path, root))
    if not fresh:
        keep_varying(new, committed)
    changed = first_difference(new, committed)
    if not check:
        temporary = path.with_suffix(".ipynb.tmp")
        nbformat.write(new, temporary)
        temporary.replace(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Execute the chapters named on the command line; exit 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(description="Execute chapters and normalise their outputs.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--fresh", action="store_true", help="new output for `varies` cells too")
    options = parser.parse_args(arguments)
    status = 0
    for path in options.files:
        try:
            changed = refresh(path, check=options.check, fresh=options.fresh)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        word = "same" if changed is None else "differs" if options.check else "written"
        print(f"{word:<8} {path}", flush=True)
        if changed and options.check:
            print(changed)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

"""What differs between two editions of a file, and what of that a learner has to care about."""

import ast
import json
import re

NUMBER = re.compile(r'NotImplementedError\("Exercise (\d+\.\d+)"\)')
AROUND = ""  # stands for all of a stub file that belongs to no exercise
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def compare_exercises(old: str, new: str, mine: str) -> str:
    """Say which exercises of a file the new edition changed, in a line; "" when none can be told.

    An exercise also counts as changed when its arguments or its docstring in the learner's file are
    not the new edition's: that file may still be of an edition before `old`.

    Args:
        old, new: the stub file in two editions.
        mine: the learner's file.
    """
    before, after, asked = _by_exercise(old), _by_exercise(new), _definitions(new)
    if not before or not after:
        return ""
    answered = _definitions(mine)
    both = (before.keys() & after.keys()) - {AROUND}
    changed = {
        number
        for number in both
        if before[number] != after[number]
        or any(_asks_otherwise(answered.get(name), asked[name]) for name in after[number])
    }
    said = [
        _sentence(changed, "changed"),
        _sentence(after.keys() - before.keys(), "new"),
        _sentence(before.keys() - after.keys(), "gone"),
    ]
    if not any(said):
        return "no exercise changed, only what stands around them"
    around = before[AROUND] != after[AROUND]
    rest = "the others are as they were" + (", what stands around them is not" if around else "")
    return "; ".join([*filter(None, said), rest])


def _by_exercise(stub: str) -> dict[str, dict[str, str]]:
    """Number to the exercise's definitions by name, as source; the rest under AROUND."""
    lines, nodes = stub.splitlines(), _parse(stub)
    exercises: dict[str, dict[str, str]] = {AROUND: {}}
    for row, node in enumerate(nodes):
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        numbers = NUMBER.findall(source) if isinstance(node, Definition) else []
        for number in numbers or [AROUND]:
            exercises.setdefault(number, {})[getattr(node, "name", f"line {row}")] = source
    return exercises if nodes else {}


def _definitions(text: str) -> dict[str, Definition]:
    return {node.name: node for node in _parse(text) if isinstance(node, Definition)}


def _parse(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError):  # a learner's file may hold anything
        return []


def _asks_otherwise(mine: Definition | None, new: Definition) -> bool:
    """Whether the learner wrote to another signature or text; a docstring may be left out."""
    if mine is None:
        return False
    texts = {ast.get_docstring(node) for node in (mine, new)} - {None}
    return len(texts) > 1 or _arguments(mine) != _arguments(new)


def _arguments(node: Definition) -> str:
    return ", ".join(
        map(ast.unparse, node.bases if isinstance(node, ast.ClassDef) else [node.args])
    )


def _sentence(numbers: set[str], what: str) -> str:
    """ "exercises 2.1 and 2.4 changed", or "" for none."""
    if not numbers:
        return ""
    *first, last = sorted(numbers, key=lambda number: [*map(int, number.split("."))])
    listed = f"{', '.join(first)} and {last}" if first else last
    verb = "" if what == "changed" else "are " if first else "is "
    return f"exercise{'s' if first else ''} {listed} {verb}{what}"


def only_run(mine: bytes, other: bytes) -> bool:
    """Tell whether two notebooks have the same cells: the same kinds and sources in that order.

    Empty cells at the end do not count: JupyterLab adds one when the last cell is run.
    """
    cells = _cells(mine)
    return cells is not None and cells == _cells(other)


def _cells(notebook: bytes) -> list[tuple[str, str]] | None:
    """Kinds and sources of a notebook's cells; None if it is no notebook."""
    try:
        cells = json.loads(notebook)["cells"]
        found = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return None
    while found and not found[-1][1].strip():
        found.pop()
    return found

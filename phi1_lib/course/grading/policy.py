"""What an exercise may use, found in the source text; nothing is run.

A learner may use the standard library, the packages that the course's own file imports at its top,
and what the exercise's mark allows. What counts for an exercise is what its functions refer to:
helpers, classes and other names of the file are followed. An import that only another exercise
uses does not count, nor does one that nobody uses. Statements that run on import and bind no name
count for every exercise of the file.

This keeps an honest learner honest, in every way of grading, and says so in words. It is no guard
against someone who hides: that is what isolation is for (`remote.py`).
"""

import ast
import functools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.course.grading.forbidden import forbidden_names, hidden_lookups, own_names

# Modules of the standard library through which any other can be had without naming it.
REACHING_MODULES = {
    *("builtins", "code", "codeop", "ctypes", "imp", "importlib", "pkgutil", "runpy"),
    *("subprocess", "zipimport"),
}
REACHING_NAMES = {"__builtins__", "__import__", "__loader__", "compile", "eval", "exec", "globals"}
REACHING_ATTRIBUTES = {
    *("__builtins__", "__globals__", "__import__", "__loader__", "__subclasses__"),
    *("f_builtins", "f_globals", "f_locals", "import_module"),
}
COURSE = "phi1_lib"


@dataclass(frozen=True)
class Rule:
    """What one exercise asks.

    number: such as "1.4".
    functions: names that its tests take from the submission.
    allows: modules it may import besides the file's own, such as "phi1_lib.attention".
    forbids: names of functions it must do without, such as "softmax".
    """

    number: str
    functions: frozenset[str]
    allows: frozenset[str] = frozenset()
    forbids: frozenset[str] = frozenset()


@functools.lru_cache(2)  # a tree can take a thousand times the memory of its text
def _parse(text: str) -> ast.Module | None:
    """The syntax tree of a submission; None where there is none.

    Loading says why it is no Python. One that is nested too deeply may load all the same: how deep
    is too deep depends on how deep the caller is.
    """
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.lru_cache(64)
def top_imports(text: str) -> frozenset[str]:
    """What a file imports at its top: packages, but single modules of this library's."""
    tree = _parse(text)
    names = set()
    for node in tree.body if tree else ():
        for module in _imported(node):
            names.add(module if module.split(".")[0] == COURSE else module.split(".")[0])
    return frozenset(names)


def course_imports(grader: Path) -> frozenset[str]:
    """What the file of a grader's exercises imports at its top, as the course wrote it.

    The worked solution beside the grader's folder says so; where a class has taken the solutions
    away, the grader's own imports do.
    """
    solution = grader.parent.parent / "solutions" / grader.name.removeprefix("test_")
    if solution.is_file():
        return top_imports(solution.read_text(encoding="utf-8"))
    found = top_imports(grader.read_text(encoding="utf-8"))
    return frozenset(name for name in found if name.split(".")[0] not in (COURSE, "pytest"))


@functools.lru_cache(16)
def graded_functions(grader: str) -> dict[str, frozenset[str]]:
    """For each test of a grader's text, the names it takes from `submission`, by helpers too."""
    bindings = _Bindings(ast.parse(grader))
    found = {}
    for name in bindings.names:
        if name.startswith("test_"):
            nodes = bindings.reached([name])
            found[name] = frozenset(
                part.attr
                for node in nodes
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == "submission"
            )
    return found


@functools.lru_cache(128)
def violation(text: str, rule: Rule, allowed: frozenset[str]) -> str | None:
    """The first line that breaks the rule, with the remedy; None if none does.

    Args:
        text: of the submission. None is found in one that is no Python: loading it says why. In
            one too deeply nested to be looked at, that is what is found.
        allowed: what the course's file imports.
    """
    tree = _parse(text)
    if tree is None:
        return _too_deep(text)
    may = allowed | rule.allows
    bindings = _Bindings(tree)
    found = set()
    for node in [*bindings.reached(rule.functions), *bindings.loose]:
        found.update(_findings(node, rule, may, bindings))
    return min(found)[1] if found else None


def _too_deep(text: str) -> str | None:
    try:
        ast.parse(text)
    except (RecursionError, MemoryError):
        return "the file is nested too deeply for Python to read: write it in simpler steps"
    except (SyntaxError, ValueError):
        pass
    return None


def foreign_lines(text: str, allowed: frozenset[str]) -> list[int]:
    """Lines of module-level imports of what no exercise may use without asking."""
    tree = _parse(text)
    if tree is None:
        return []
    return sorted(
        node.lineno
        for node in _module_level(tree.body)
        if any(not _may_import(module, allowed) for module in _imported(node))
    )


# --- One statement -----------------------------------------------------------------------------


def _findings(
    node: ast.AST, rule: Rule, may: frozenset[str], bindings: "_Bindings"
) -> Iterator[tuple[int, str]]:
    """(line, message) of everything in a statement that breaks the rule."""
    own = {part.id for part in ast.walk(node) if _is_stored(part)} | {
        part.arg for part in ast.walk(node) if isinstance(part, ast.arg)
    }
    names = own | bindings.names.keys()
    for part in ast.walk(node):
        line = getattr(part, "lineno", 0)
        for module in _imported(part):
            if module.split(".")[0] in REACHING_MODULES:
                yield line, _hides(line, f"imports {module}", rule)
            elif not _may_import(module, may):
                yield line, f"line {line} imports {module}; {_asks(rule)}"
        if isinstance(part, ast.Name) and part.id in REACHING_NAMES - names:
            yield line, _hides(line, f"uses {part.id}", rule)
        if isinstance(part, ast.Attribute) and _is_reaching(part):
            yield line, _hides(line, f"uses {part.attr}", rule)
    if rule.forbids:
        for line, name in forbidden_names(node, rule.forbids, names, bindings.own):
            without = f"exercise {rule.number} asks you to do without it"
            yield line, f"line {line} uses {name}; {without}"
        for line, name in hidden_lookups(node, bindings.own):
            yield line, _hides(line, f"uses {name} with no plain name", rule)


def _asks(rule: Rule) -> str:
    return f"exercise {rule.number} asks you to write it: remove the import"


def _hides(line: int, what: str, rule: Rule) -> str:
    asks = f"exercise {rule.number} asks for plain code: remove it"
    return f"line {line} {what}, which hides what is used; {asks}"


def _is_stored(part: ast.AST) -> bool:
    return isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)


def _is_reaching(part: ast.Attribute) -> bool:
    of = getattr(part.value, "id", getattr(part.value, "attr", ""))  # `sys`, or `torch.sys`
    return (part.attr == "modules" and of == "sys") or part.attr in REACHING_ATTRIBUTES


def _imported(node: ast.AST) -> list[str]:
    """Full names of the modules that a statement imports; a relative one begins with a dot."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = "." * node.level + (node.module or "")
    if module == "sys" and any(alias.name == "modules" for alias in node.names):
        return ["importlib"]  # the same thing by another name
    if module == COURSE:  # `from phi1_lib import attention` names a module
        return [f"{module}.{alias.name}" for alias in node.names]
    return [module]


def _may_import(module: str, allowed: Iterable[str]) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names:
        return True
    return any(module == name or module.startswith(name + ".") for name in allowed)


# --- Which statements count --------------------------------------------------------------------


class _Bindings:
    """The module-level names of a file: `names` by name, and the statements that bind none."""

    def __init__(self, tree: ast.Module) -> None:
        self.own = own_names(tree)
        self.names: dict[str, list[ast.AST]] = {}
        self.fills: dict[str, list[ast.AST]] = {}
        self.loose: list[ast.AST] = []
        for node in _module_level(tree.body):
            bound = _bound(node)
            for name in bound:
                self.names.setdefault(name, []).append(node)
            if not bound or _sets_elsewhere(node):
                self.loose.append(node)
            for name in _filled(node) - bound:
                self.fills.setdefault(name, []).append(node)
        for part in ast.walk(tree):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                for inner in ast.walk(part):
                    for name in inner.names if isinstance(inner, ast.Global) else ():
                        self.names.setdefault(name, []).append(part)

    def reached(self, names: Iterable[str]) -> list[ast.AST]:
        """The statements that bind the names, and those they refer to in turn."""
        found: dict[int, ast.AST] = {}
        waiting, seen = list(names), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            binds = self.names.get(name, [])
            if any(isinstance(node, ast.Assign | ast.AnnAssign) for node in binds):
                binds = binds + self.fills.get(name, [])
            for node in binds:
                node = _single_import(node, name)
                if id(node) not in found:
                    found[id(node)] = node
                    waiting += [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        return list(found.values())


def _single_import(node: ast.AST, name: str) -> ast.AST:
    """Of `import a, b` the part that binds the name."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return node
    names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) == name]
    fields = {"names": names, "lineno": node.lineno}
    if isinstance(node, ast.ImportFrom):
        return ast.ImportFrom(module=node.module, level=node.level, **fields)
    return ast.Import(**fields)


def _module_level(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements of a module that are no blocks, and the heads of those that are."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
            continue
        if isinstance(node, ast.If) and _is_never_run(node.test):
            yield from _module_level(node.orelse)
            continue
        blocks = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
        handlers = [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]
        if not blocks and not handlers:
            yield node
            continue
        yield from (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
        yield from (
            part for item in getattr(node, "items", ()) for part in ast.iter_child_nodes(item)
        )
        yield from _module_level(blocks)
        for handler in handlers:
            yield from _module_level(handler.body)


def _is_never_run(test: ast.expr) -> bool:
    """`if __name__ == "__main__"` and `if TYPE_CHECKING`."""
    names = {part.id for part in ast.walk(test) if isinstance(part, ast.Name)}
    return bool(names & {"__name__", "TYPE_CHECKING"}) and not names - {"__name__", "TYPE_CHECKING"}


def _bound(node: ast.AST) -> set[str]:
    """Names that a module-level statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names} - {"*"}
    return {part.id for part in ast.walk(node) if _is_stored(part)}


def _filled(node: ast.AST) -> set[str]:
    """Names whose objects a binding statement may fill, as in `_ = table.update(f=mine)`.

    Not functions: what they do when they are called counts where they are called.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    called = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    stored = [
        part
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store)
    ]
    targets = [part.value for part in [*called, *stored] if hasattr(part, "value")]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _sets_elsewhere(node: ast.AST) -> bool:
    """Whether an assignment changes something else too, as in `torch.softmax = mine`."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)

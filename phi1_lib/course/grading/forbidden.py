"""Where a statement uses a name that its exercise asks to do without.

`softmax` is meant wherever it comes from: `torch.softmax`, `x.softmax`, an import of it, its name
as text (for `getattr`), and its relatives in a package (`torch._softmax`, `gumbel_softmax`). A
learner's own function, variable or method may have the name.

Looking a name up by a computed text is taken for hiding. There are more ways to hide (a class of
one's own that lends its method's name, a search through what a package's object refers to), and no
reading of the text finds all: they earn that exercise's points until a person looks.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

LOOKUPS = {"getattr": 1, "attrgetter": 0, "methodcaller": 0}  # which argument is the name


@dataclass(frozen=True)
class Own:
    """What a file's names stand for.

    imported: names that imports bind, anywhere in it.
    classes: its own classes, and what methods call their object.
    attributes: names of methods and attributes that the file defines.
    star: whether it imports `*`, after which a name may be the package's.
    """

    imported: frozenset[str]
    classes: frozenset[str]
    attributes: frozenset[str]
    star: bool


def own_names(tree: ast.Module) -> Own:
    """What the names of a file stand for."""
    imported, classes, attributes = set(), {"self", "cls"}, set()
    for part in ast.walk(tree):
        if isinstance(part, ast.Import | ast.ImportFrom):
            imported |= {alias.asname or alias.name.split(".")[0] for alias in part.names}
        elif isinstance(part, ast.ClassDef):
            classes.add(part.name)
            attributes |= {inner.name for inner in part.body if isinstance(inner, ast.FunctionDef)}
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            attributes.add(part.attr)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            attributes.add(part.target.id)  # a field of a dataclass
    star = "*" in imported
    return Own(frozenset(imported), frozenset(classes), frozenset(attributes), star)


def forbidden_names(
    node: ast.AST, forbids: frozenset[str], names: set[str], own: Own
) -> Iterator[tuple[int, str]]:
    """(line, name) of every use of a forbidden name in a statement.

    Args:
        names: what the file or the statement binds: these are the learner's own.
    """
    remarks = {id(part.value) for part in ast.walk(node) if isinstance(part, ast.Expr)}
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and id(part) in remarks:
            continue  # a docstring
        if isinstance(part, ast.Name) and part.id in names and not own.star:
            continue
        for name in sorted(_mentions(part, own)):
            if name in forbids or (_is_packages(part, own) and _relatives(name) & forbids):
                yield getattr(part, "lineno", 0), name


def hidden_lookups(node: ast.AST, own: Own) -> Iterator[tuple[int, str]]:
    """(line, what) of look-ups by something other than a written name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and part.args:
            name = getattr(part.func, "id", getattr(part.func, "attr", ""))
            texts = part.args[LOOKUPS[name] :] if name in LOOKUPS else []
            computed = not all(isinstance(text, ast.Constant) for text in texts[:1])
            if computed or (name == "vars" and _root(part.args[0]) in own.imported):
                yield part.lineno, name
        elif isinstance(part, ast.Attribute) and part.attr in ("__dict__", "__getattribute__"):
            if _root(part) in own.imported:
                yield part.lineno, part.attr


def _mentions(part: ast.AST, own: Own) -> set[str]:
    """Names that a node uses: an attribute, a name, an imported name, a string that is a name."""
    if isinstance(part, ast.Attribute):
        mine = _root(part) in own.classes and part.attr in own.attributes
        return set() if mine else {part.attr}
    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
        return {part.id}
    if isinstance(part, ast.Import | ast.ImportFrom):
        return {alias.name for alias in part.names}
    if isinstance(part, ast.Constant) and isinstance(part.value, str):
        return {part.value}
    return set()


def _is_packages(part: ast.AST, own: Own) -> bool:
    """Whether a node's name is sure to be a package's."""
    if isinstance(part, ast.Attribute):
        return _root(part) in own.imported
    return isinstance(part, ast.ImportFrom)


def _relatives(name: str) -> set[str]:
    """`_safe_softmax` is a relative of `softmax`."""
    return {name.strip("_"), *name.split("_")}


def _root(node: ast.AST) -> str:
    """The name that a chain of attributes and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return getattr(node, "id", "")

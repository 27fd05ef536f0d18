"""Putting a notebook cell's function into an exercise file: text in, text out.

What a cell brings along:

- the exercise's function, with its decorators and the comments inside; the docstring of the file
  stays when the new function has none;
- every other function and class of the cell, and every statement that binds a name which these
  read, such as a constant;
- every import, once, after the file's own.

Anything else in the cell (a call to try the function, a print) stays in the notebook.
"""

import ast
import builtins
from collections.abc import Collection, Iterable

from phi1_lib.course.source_text import (
    Definition,
    Import,
    Source,
    bound_names,
    ended,
    first_row,
    parse,
    read_names,
)

FIRST_LINE = "# %%solve\n"  # stands where the magic stood, so that line numbers are the notebook's
CELL = "this cell"


def splice(
    text: str, cell: str, functions: Collection[str], others: Collection[str], name: str
) -> str:
    """Return the exercise file's text with the cell's functions in place of the old ones.

    Args:
        text: the exercise file as it is.
        cell: the notebook cell, without its `%%solve` line.
        functions: names that the exercise asks for; all must be in the cell and in the file.
        others: names that belong to other exercises, or to the file as it was given.
        name: the exercise file in messages.

    Raises:
        ValueError: the cell or the file does not parse, a function is missing from either, or the
            cell uses a name that means something else in the file. Messages name lines and names.
    """
    new, old = parse(FIRST_LINE + cell, CELL), parse(text, name)
    _require_definitions(new, old, functions, name)
    companions, imports = _taken_along(new, functions)
    brought = {*functions}.union(*map(bound_names, companions))
    for node in companions:
        if _is_there(old, node):
            companions = [other for other in companions if other is not node]
        else:
            _check_companion(old, node, brought, others, name)
    order = sorted(functions, key=lambda function: new.definition(function).lineno)
    for function in order:
        node = new.definition(function)
        block = _with_old_docstring(new, node, old, old.definition(function))
        for companion in reversed([n for n in companions if n.lineno < node.lineno]):
            old, block = _placed(old, companion, new.part(companion), block, before=True)
        if function == order[-1]:
            for companion in [n for n in companions if n.lineno > node.lineno]:
                old, block = _placed(old, companion, new.part(companion), block, before=False)
        companions = [n for n in companions if n.lineno > node.lineno]
        old = parse(old.replaced(old.definition(function), block), name)
    result = parse(_with_imports(old, imports, {*functions, *others}, name), name).text
    return _with_mark_of(text, result)


def restore(text: str, before: str, after: str, functions: Iterable[str], name: str) -> str:
    """Return `text` with what one splice replaced as it was before that splice.

    When nothing else was changed since, that is the whole of `before`.

    Args:
        text: the file as it is now.
        before, after: the file before and after that splice.
        functions: the exercise's functions.
        name: the file in messages.

    Raises:
        ValueError: the file does not parse, or a function is gone from it.
    """
    if text == after:
        return before
    now, then, spliced = (parse(t, name) for t in (text, before, after))
    for bound in dict.fromkeys([*_changed_names(then, spliced), *functions]):
        node, was = now.binder(bound), then.binder(bound)
        if node is None or was is None:
            raise ValueError(f"{name} has no {bound} to put back")
        now = parse(now.replaced(node, then.part(was)), name)
    return _with_mark_of(text, now.text)


def left_in_notebook(cell: str, functions: Collection[str]) -> list[int]:
    """The lines of the cell (its `%%solve` line is 1) whose statements stay in the notebook."""
    new = parse(FIRST_LINE + cell, CELL)
    companions, imports = _taken_along(new, functions)
    taken = [*companions, *imports, *(new.definition(function) for function in functions)]
    return [node.lineno for node in new.body if node not in taken]


def needed_from_file(text: str, cell: str, known: Collection[str], name: str) -> list[str]:
    """Statements of the file that define what the cell reads and the notebook lacks, in order.

    The file's imports are not the notebook's: `Tensor` in a signature would be a NameError there.

    Args:
        known: the notebook's names.
    """
    new, old = parse(FIRST_LINE + cell, CELL), parse(text, name)
    known = {*known, *dir(builtins)}.union(*map(bound_names, new.body))
    wanted = set().union(*map(read_names, new.body)) - known
    found: list[ast.stmt] = []
    while wanted:
        known |= wanted
        nodes = [node for node in map(old.binder, sorted(wanted)) if node and node not in found]
        found += nodes
        wanted = set().union(*map(read_names, nodes)) - known
    return [old.part(node) for node in sorted(found, key=lambda node: node.lineno)]


def unknown_names(text: str, functions: Collection[str], name: str) -> list[str]:
    """Names that the functions read and that neither the file nor Python defines."""
    source = parse(text, name)
    known = {*dir(builtins), "__name__", "__file__"}.union(*map(bound_names, source.body))
    reads = (read_names(source.definition(function)) for function in functions)
    return sorted(set().union(*reads) - known)


def _with_mark_of(text: str, result: str) -> str:
    return "\ufeff" + result if text.startswith("\ufeff") else result


def _require_definitions(new: Source, old: Source, functions: Collection[str], name: str) -> None:
    for function in functions:
        if new.definition(function) is None:
            found = [node.name for node in new.body if isinstance(node, Definition)]
            raise ValueError(
                f"this cell does not define {function}, which the exercise asks for; it defines "
                f"{', '.join(found) or 'no function'}"
            )
        if old.definition(function) is None:
            raise ValueError(
                f"{name} has no function {function} at its left margin; `phi1 reset` restores it"
            )


def _taken_along(new: Source, functions: Collection[str]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements that the exercise's functions bring with them, and the imports."""
    imports = [node for node in new.body if isinstance(node, Import)]
    rest = [node for node in new.body if node not in imports]
    taken = [node for node in rest if isinstance(node, Definition)]
    found = taken
    while found:
        needed = set().union(*map(read_names, taken))
        found = [node for node in rest if node not in taken and bound_names(node) & needed]
        taken += found
    return [n for n in rest if n in taken and not bound_names(n) & set(functions)], imports


def _is_there(old: Source, node: ast.stmt) -> bool:
    return any(ast.dump(node) == ast.dump(other) for other in old.body)


def _check_companion(
    old: Source, node: ast.stmt, brought: set[str], others: Collection[str], name: str
) -> None:
    """Raise when a companion would change what other parts of the file rely on."""
    names = bound_names(node)
    for taken in sorted(names & {*others, *dir(builtins)}):
        whose = name if taken in others else "Python"
        raise ValueError(
            f"line {node.lineno} of this cell defines {taken}, which has another meaning in "
            f"{whose}; give yours another name"
        )
    there = {old.binder(bound) for bound in names} - {None}
    if not there:
        return
    affected = set(names)
    for _ in old.body:  # as often as a chain of uses can be long
        users = [n for n in old.body if read_names(n) & affected]
        affected = affected.union(*map(bound_names, users))
    affected -= brought
    if affected or len(there) > 1 or bound_names(*there) != names:
        users = f", which {', '.join(sorted(affected))} uses too" if affected else ""
        raise ValueError(
            f"line {node.lineno} of this cell changes {', '.join(sorted(names))} of {name}{users}; "
            "give yours another name, or change it in the file"
        )


def _placed(old: Source, node: ast.stmt, part: str, block: str, before: bool) -> tuple[Source, str]:
    """Put a companion in its old place in the file, else beside the function's block."""
    place = next(filter(None, map(old.binder, sorted(bound_names(node)))), None)
    if place is not None:
        return parse(old.replaced(place, part), CELL), block
    return old, f"{part}\n\n{block}" if before else f"{block}\n\n{part}"


def _with_old_docstring(new: Source, node: Definition, old: Source, was: Definition) -> str:
    """The text of a new definition, with the old one's docstring when it has none."""
    if ast.get_docstring(node) is not None or ast.get_docstring(was) is None:
        return new.part(node)
    docstring = was.body[0]
    shared = [n for n in ast.walk(was) if isinstance(n, ast.stmt) and n is not docstring]
    if any(n.lineno in (docstring.lineno, docstring.end_lineno) for n in shared):
        return new.part(node)  # on one line with other code: not one of our stubs
    kept = old.lines[docstring.lineno - 1 : docstring.end_lineno]
    first, end = new.rows(node)
    body = first_row(node.body[0])
    line, column = new.lines[body].encode("utf-8"), node.body[0].col_offset  # counted in bytes
    indent = line[:column].decode("utf-8")
    if indent.strip():  # the body stands on the signature's line
        head = [*new.lines[first:body], indent.rstrip() + "\n"]
        tail = [" " * 4 + line[column:].decode("utf-8"), *new.lines[body + 1 : end]]
        indent = " " * 4
    else:
        while new.lines[body - 1].strip()[:1] in ("", "#"):
            body -= 1
        head, tail = new.lines[first:body], new.lines[body:end]
    return ended("".join([*head, indent + kept[0].lstrip(), *kept[1:], *tail]))


def _with_imports(old: Source, imports: list[ast.stmt], taken: set[str], name: str) -> str:
    """The file's text with the imports that it lacks after its own."""
    own = [single for node in old.body if isinstance(node, Import) for single in _singles(node)]
    known = {ast.unparse(single) for single in own}
    lines = []
    for single in (single for node in imports for single in _singles(node)):
        line = ast.unparse(single)
        if line not in known:
            _check_import(old, own, single, line, taken, name)
            known.add(line)
            lines.append(line + "\n")
    if not lines:
        return old.text
    top = next((i for i, n in enumerate(old.body) if isinstance(n, Definition)), len(old.body))
    above = [node.end_lineno for node in old.body[:top] if isinstance(node, Import)]
    row = max(above, default=0)
    if not above and ast.get_docstring(ast.Module(old.body, [])) is not None:
        row = old.body[0].end_lineno
        lines = ["\n", *lines]
    return "".join([*old.lines[:row], old.in_own_ends("".join(lines)), *old.lines[row:]])


def _singles(node: ast.stmt) -> list[ast.stmt]:
    """An import as one statement a name."""
    if isinstance(node, ast.Import):
        return [ast.Import([alias]) for alias in node.names]
    return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]


def _check_import(
    old: Source, own: list[ast.stmt], node: ast.stmt, line: str, taken: set[str], name: str
) -> None:
    """Raise when an import would change what a name of the file means."""
    [bound] = bound_names(node)
    if isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.level):
        raise ValueError(f"`{line}` cannot go into {name}; leave it out")
    if bound == "*":
        raise ValueError(f"`{line}` hides which names it brings; import what you need by name")
    # `import torch.nn` beside `import torch` gives `torch` no other meaning.
    plain = [n for n in (*own, node) if isinstance(n, ast.Import) and not n.names[0].asname]
    same = node in plain and any(bound in bound_names(n) for n in plain if n is not node)
    if bound in {*taken, *dir(builtins)} or (old.binder(bound) is not None and not same):
        raise ValueError(
            f"`{line}` gives {bound} another meaning than it has in {name}; import it under "
            f"another name, such as my_{bound}"
        )


def _changed_names(before: Source, after: Source) -> list[str]:
    """Names that both texts bind, but not alike; imports aside."""
    changed = []
    for name in sorted(set().union(*map(bound_names, before.body))):
        was, now = before.binder(name), after.binder(name)
        if now is not None and not isinstance(was, Import) and ast.dump(was) != ast.dump(now):
            changed.append(name)
    return changed

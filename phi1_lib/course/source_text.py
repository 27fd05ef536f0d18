"""Python text whose statements can be found, read and replaced without touching the rest.

Places come from parsing (`ast`), names from Python's own symbol tables; text is cut by lines, so
whatever is not replaced stays as it is, byte for byte.
"""

import ast
import io
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = ast.Import | ast.ImportFrom
_OWN_SCOPE = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Source:
    """A text without byte order mark, its lines with their ends, and its statements."""

    text: str
    lines: list[str] = field(repr=False)
    body: list[ast.stmt] = field(repr=False)

    def definition(self, name: str) -> Definition | None:
        """The last top-level function or class of a name: the one that counts."""
        found = [n for n in self.body if isinstance(n, Definition) and n.name == name]
        return found[-1] if found else None

    def binder(self, name: str) -> ast.stmt | None:
        """The last top-level statement that gives a name its meaning."""
        found = [node for node in self.body if name in bound_names(node)]
        return found[-1] if found else None

    def rows(self, node: ast.stmt) -> tuple[int, int]:
        """First line (from 0) and the line after the last, decorators and last comments included.

        A comment after the last statement belongs to a definition as long as it is indented.
        """
        end = node.end_lineno
        if isinstance(node, Definition):
            for row in range(end, len(self.lines)):
                line = self.lines[row]
                if line.strip() and not (line[0] in " \t" and line.lstrip().startswith("#")):
                    break
                if line.strip():
                    end = row + 1
        return first_row(node), end

    def part(self, node: ast.stmt) -> str:
        """The text of a statement, ended by a newline."""
        first, end = self.rows(node)
        return ended("".join(self.lines[first:end]))

    def replaced(self, node: ast.stmt, block: str) -> str:
        """The text with one statement replaced by `block`, in the text's own line ends.

        Raises:
            ValueError: the statement shares a line with another.
        """
        first, end = self.rows(node)
        for other in self.body:
            if other is not node and first_row(other) < end and other.end_lineno > first:
                raise ValueError(f"line {first + 1} holds two statements; write one a line")
        return "".join([*self.lines[:first], self.in_own_ends(block), *self.lines[end:]])

    def in_own_ends(self, block: str) -> str:
        """`block` with the line ends that the text's first line has."""
        first = self.lines[0] if self.lines else ""
        newline = "\r\n" if first.endswith("\r\n") else "\n"
        return "".join(line.rstrip("\r\n") + newline for line in split_lines(block))


def parse(text: str, name: str) -> Source:
    """Parse Python; `name` stands in the message.

    Raises:
        ValueError: it is no Python; the message names the line and shows it.
    """
    text = text.removeprefix("\ufeff")
    lines = split_lines(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # running the code gives them, once is enough
            body = ast.parse(text).body
            compile(text, name, "exec", dont_inherit=True)  # a `return` at the left margin
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte
        row = getattr(error, "lineno", None) or 1
        shown = f": {lines[row - 1].strip()}" if row <= len(lines) else ""
        reason = getattr(error, "msg", None) or str(error)
        raise ValueError(f"{name}, line {row}: {reason}{shown}") from None
    return Source(text, lines, body)


def split_lines(text: str) -> list[str]:
    """Lines as Python counts them, ends kept; `str.splitlines` cuts at more characters."""
    return io.StringIO(text, newline="").readlines()


def ended(text: str) -> str:
    """`text` with a newline at its end."""
    return text if text.endswith(("\n", "\r")) else text + "\n"


def first_row(node: ast.stmt) -> int:
    """The first line of a statement, counted from 0, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1


def bound_names(node: ast.AST) -> set[str]:
    """The names that a top-level statement gives a meaning to."""
    if isinstance(node, Definition):
        return {node.name}
    if isinstance(node, Import):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, _OWN_SCOPE):
        return set()
    return set().union(*map(bound_names, ast.iter_child_nodes(node)))


def read_names(node: ast.stmt) -> set[str]:
    """The module's names that a statement reads, now or when what it defines is called."""
    return set(_global_reads(symtable.symtable(ast.unparse(node), "statement", "exec")))


def _global_reads(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _global_reads(inner)

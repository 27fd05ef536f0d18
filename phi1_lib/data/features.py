"""What the quality filter sees of a snippet: named statistics of its code, and its words.

phi-1 gives its classifier the output embedding of a pretrained code model (paper, section 2.1).
This first edition needs no model: it counts things that a reader could count by hand, and that
follow the faults the paper names. Free names measure "not self-contained", the share of literals
finds tables and constants, the share of docstrings and comments finds what is explained.
"""

import ast
import builtins
import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

_WORD = re.compile(r"[^\W\d]\w*")
# "HTTPServer2_name" -> HTTP, Server, name. Digits and underscores only separate.
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_BUILTINS = frozenset(dir(builtins))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_NESTING = (*_FUNCTIONS, ast.ClassDef, ast.If, ast.For, ast.While, ast.With, ast.Try)
_BRANCHES = (ast.If, ast.For, ast.While, ast.IfExp, ast.comprehension, ast.ExceptHandler)
# Nodes that give something a name, and the field that holds it.
_NAMING = {
    ast.arg: "arg",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
}
_COUNTED_WORDS = tuple("def class import return for while if raise assert self".split())


def code_statistics(text: str) -> dict[str, float]:
    """Measure a snippet of Python code.

    Args:
        text: a snippet; an indented one (a method cut from its class) is moved to the margin first.

    Returns:
        The same keys for every text. Shares are between 0 and 1; "per line" counts lines that are
        not blank. What needs a syntax tree is 0 where Python's parser refuses the text, and
        `parses` is then 0 too.
    """
    return {**_layout(text), **_word_statistics(text), **_tree_statistics(text)}


def statistics_matrix(texts: Iterable[str]) -> np.ndarray:
    """Return the statistics of each text as a row, float32 (texts, len(STATISTICS))."""
    rows = [list(code_statistics(text).values()) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(STATISTICS))


def word_pieces(text: str) -> Iterator[str]:
    """Yield each word of a text in lower case, and the parts of a word made of several.

    >>> list(word_pieces("getMaxValue(max_value)"))
    ['getmaxvalue', 'get', 'max', 'value', 'max_value', 'max', 'value']
    """
    for word in _WORD.findall(text):
        yield word.lower()
        pieces = _PIECE.findall(word)
        if len(pieces) > 1:
            for piece in pieces:
                yield piece.lower()


def _layout(text: str) -> dict[str, float]:
    """Measure the lines, blank ones left out."""
    lines = [line for line in text.split("\n") if line.strip()]
    stripped = [line.lstrip() for line in lines]
    lengths = [len(line) for line in lines] or [0]
    indentations = [len(line) - len(line.lstrip()) for line in lines] or [0]
    count = max(len(lines), 1)
    return {
        "lines": len(lines),
        "mean_line_length": sum(lengths) / count,
        "longest_line": max(lengths),
        "first_indentation": indentations[0],
        "mean_indentation": sum(indentations) / count,
        "comment_share": sum(line[0] == "#" for line in stripped) / count,
        "decorators_per_line": sum(line[0] == "@" for line in stripped) / count,
        "doctests_per_line": sum(line.startswith(">>>") for line in stripped) / count,
        "comma_end_share": sum(line.rstrip()[-1] == "," for line in lines) / count,
    }


def _word_statistics(text: str) -> dict[str, float]:
    """Count words as written, wherever they stand: code, comments and docstrings alike."""
    words = Counter(_WORD.findall(text))
    total = max(words.total(), 1)
    lines = max(sum(bool(line.strip()) for line in text.split("\n")), 1)
    per_line = {f"{word}_per_line": words[word] / lines for word in _COUNTED_WORDS}
    return per_line | {
        "different_word_share": len(words) / total,
        "mean_word_length": sum(len(word) * n for word, n in words.items()) / total,
        "builtin_share": sum(n for word, n in words.items() if word in _BUILTINS) / total,
        "capital_share": sum(n for word, n in words.items() if word[0].isupper()) / total,
        "private_share": sum(n for word, n in words.items() if word[0] == "_") / total,
    }


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a plain string, and the like
            return ast.parse(textwrap.dedent(text) if text[:1].isspace() else text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # a piece that begins in the middle of a block, Python 2, a null byte


def _walk(tree: ast.AST) -> Iterator[tuple[ast.AST, int]]:
    """Yield each node with the number of blocks (definitions, loops, tests) it stands in.

    `ast.walk` gives no depth and visits the context and operator nodes too, at twice the time.
    """
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        inner = depth + isinstance(node, _NESTING)
        for name in node._fields:
            value = getattr(node, name, None)
            if value.__class__ is list:
                stack += [(item, inner) for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                stack.append((value, inner))


def _tree_statistics(text: str) -> dict[str, float]:
    """Measure the syntax tree: what is defined, explained, nested, and used but from elsewhere."""
    tree = _parse(text)
    counts: Counter[type] = Counter()
    stored, loaded = set(), Counter()
    deepest = branches = docstring_characters = documented = annotated = 0
    for node, depth in _walk(tree) if tree else ():
        kind = node.__class__
        counts[kind] += 1
        deepest = max(deepest, depth)
        if kind is ast.Name:
            if node.ctx.__class__ is ast.Load:
                loaded[node.id] += 1
            else:
                stored.add(node.id)
        elif kind is ast.alias:
            stored.add((node.asname or node.name).split(".")[0])
        elif kind in _NAMING:
            stored.add(getattr(node, _NAMING[kind]))
        if kind is ast.arg:
            annotated += node.annotation is not None
        elif isinstance(node, (*_DEFINITIONS, ast.Module)):
            docstring = ast.get_docstring(node, clean=False)
            docstring_characters += len(docstring or "")
            documented += docstring is not None and kind is not ast.Module
        branches += isinstance(node, _BRANCHES)
    free = {name for name in loaded if name not in stored and name not in _BUILTINS}
    nodes = max(counts.total(), 1)
    functions = counts[ast.FunctionDef] + counts[ast.AsyncFunctionDef]
    definitions = functions + counts[ast.ClassDef]
    body = tree.body if tree else []
    return {
        "parses": float(tree is not None),
        "nesting": deepest,
        "functions": functions,
        "classes": counts[ast.ClassDef],
        "one_function": float(len(body) == 1 and isinstance(body[0], _FUNCTIONS)),
        "documented_share": documented / max(definitions, 1),
        "docstring_share": docstring_characters / max(len(text), 1),
        "annotated_share": annotated / max(counts[ast.arg], 1),
        "free_names": len(free),
        "free_name_share": sum(loaded[name] for name in free) / max(loaded.total(), 1),
        "branch_share": branches / nodes,
        "call_share": counts[ast.Call] / nodes,
        "attribute_share": counts[ast.Attribute] / nodes,
        "literal_share": counts[ast.Constant] / nodes,
        "arithmetic_share": (counts[ast.BinOp] + counts[ast.Compare]) / nodes,
        "assignment_share": (counts[ast.Assign] + counts[ast.AugAssign]) / nodes,
    }


STATISTICS: tuple[str, ...] = tuple(code_statistics(""))
"""The names of the statistics, in the order of the columns of `statistics_matrix`."""

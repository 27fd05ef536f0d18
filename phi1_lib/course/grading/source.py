"""A submission's file: read without trusting it, made a module, and its errors in a line."""

import ast
import itertools
import os
import stat
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
MAX_TEXT = 300
MAX_LINE = 100
LEFT_THE_PROCESS = "your code ended the Python process (sys.exit or os._exit)"
EXCUSE = "__missing__"
_module_numbers = itertools.count()


class SubmissionError(Exception):
    """A submission's file cannot be graded; the text says why, and names the file."""


class MissingNameError(AttributeError):
    """A grader asked for a function that the submission does not define."""


class Submission(types.ModuleType):
    """The learner's module; a name that it lacks is explained."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing_name(Path(self.__file__).name, name)


def missing_name(file: str, name: str) -> MissingNameError:
    """The error of a submission without the function that a test calls."""
    return MissingNameError(f"{file} has no {name}: was it renamed, or its `def` removed?")


def read_source(path: Path) -> str:
    """Read the text of a submission.

    A link is not followed and nothing but an ordinary file is opened, so that no submission can
    stand for a file of the course, or keep the grader waiting.

    Raises:
        SubmissionError: no ordinary file of at most `MAX_BYTES` bytes of UTF-8 without null bytes.
    """
    name = path.name
    kind = _kind(path)
    if kind is not None:
        raise SubmissionError(f"{name} is {kind}: hand in the file itself")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SubmissionError(f"{name} is no ordinary file: hand in the file itself")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SubmissionError(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise SubmissionError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB")
    if b"\0" in data:
        raise SubmissionError(f"{name} holds null bytes: it is no Python text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SubmissionError(f"{name} is not UTF-8 text: save it as UTF-8") from None


def _kind(path: Path) -> str | None:
    """What stands at `path` if it is no ordinary file, in words."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise SubmissionError(f"there is no {path.name} in {path.parent}") from None
    except OSError as error:
        raise SubmissionError(f"{path.name} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(mode):
        return None
    names = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
    return names.get(stat.S_IFMT(mode), "no ordinary file")


def load_module(path: Path, text: str, missing: Sequence[int] = ()) -> Submission:
    """Run a submission's text as a module of its own, in this process.

    Compiled here, not imported: an import could take stale bytecode of an edit a second ago.
    The caller takes it out of `sys.modules` again.

    Args:
        path: the file's, for messages.
        text: what to run.
        missing: lines with imports that may fail; what they import then fails when it is used.

    Raises:
        SubmissionError: the text is no Python; names the line.
    """
    module = Submission(f"submission_{next(_module_numbers)}_{path.stem}")
    module.__file__ = str(path)
    tree = _compile(text, path, ast.PyCF_ONLY_AST)
    if missing:
        tree = ast.fix_missing_locations(_ExcuseImports(missing).visit(tree))
        module.__dict__[EXCUSE] = Missing
    code = _compile(tree, path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _compile(text: str | ast.Module, path: Path, flags: int = 0) -> Any:
    try:
        return compile(text, str(path), "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        raise SubmissionError(f"{path.name}, line {error.lineno}: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError):
        raise SubmissionError(f"{path.name} is nested too deeply for Python to read") from None


class Missing:
    """Stands for something that cannot be imported here; any use of it says so."""

    def __init__(self, name: str) -> None:
        self.__dict__["name"] = name

    def _fail(self, *args, **kwargs):
        raise ModuleNotFoundError(f"No module named {self.__dict__['name']!r} here")

    __getattr__ = __call__ = __getitem__ = __iter__ = _fail


class _ExcuseImports(ast.NodeTransformer):
    """Puts `try` around the imports on some lines, with `Missing` where one fails.

    An exercise that uses a package it must not use fails by itself; the others of its file are to
    be graded as if that line were not there.
    """

    def __init__(self, lines: Sequence[int]) -> None:
        self.lines = set(lines)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        if node.lineno not in self.lines or any(alias.name == "*" for alias in node.names):
            return node
        excuses = []
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            module = getattr(node, "module", None) or alias.name
            excuses.append(f"{name} = {EXCUSE}({module!r})")
        handler = ast.parse("try: pass\nexcept ImportError:\n " + "\n ".join(excuses)).body[0]
        for part in ast.walk(handler):
            if hasattr(part, "lineno"):
                part.lineno = part.end_lineno = node.lineno
        handler.body = [node]
        return handler

    visit_ImportFrom = visit_Import


def learner_line(error: BaseException, path: Path) -> int | None:
    """The last line of the learner's file that an error passed through."""
    line = getattr(error, "learner_line", None)  # an isolated submission says it itself
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def explain(error: BaseException, path: Path, text: str) -> str:
    """What a learner reads about an error in their code: its kind, its text and their line."""
    if isinstance(error, SubmissionError | MissingNameError):
        return str(error)
    if type(error).__name__ == "SystemExit":  # an isolated one is a stand-in
        message = LEFT_THE_PROCESS
    else:
        words = (str(error).strip().splitlines() or [""])[0]
        message = f"{type(error).__name__}: {shorten(words, MAX_TEXT)}".removesuffix(": ")
    line = learner_line(error, path)
    lines = text.splitlines()
    if line is None or not 1 <= line <= len(lines):
        return message
    return f"{message} (line {line} of {path.name}: {shorten(lines[line - 1].strip(), MAX_LINE)})"


def shorten(text: str, length: int) -> str:
    """The text in one line of printable characters, cut to at most `length` of them."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 3] + "..."

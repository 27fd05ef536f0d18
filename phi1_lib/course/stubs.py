"""The learner's stub files, generated from the worked solutions.

A solution file marks what the learner writes:

    # BEGIN SOLUTION 1.1
    return sorted(counts)
    # END SOLUTION

In the stub the marked lines become `raise NotImplementedError("Exercise 1.1")`, at the marker's
indentation; everything else is copied. Run `python -m phi1_lib.course.stubs` (or `make stubs`)
after a solution changed.
"""

import argparse
import ast
import re
import sys
from pathlib import Path

BEGIN = re.compile(r"^(?P<indent> *)# BEGIN SOLUTION (?P<number>\d+\.\d+)$")
END = re.compile(r"^ *# END SOLUTION$")
FILES = "ch[0-9][0-9]_*.py"


def _raise_line(number: str) -> str:
    return f'raise NotImplementedError("Exercise {number}")'


def exercise_numbers(solution: str) -> list[str]:
    """Return the numbers of the exercises that a solution's text marks, in order, each once."""
    found = (BEGIN.match(line) for line in solution.splitlines())
    return list(dict.fromkeys(match["number"] for match in found if match))


def stub_text(solution: str, name: str = "the solution") -> str:
    """Return the text of the stub for a solution's text; `name` stands in error messages.

    Raises:
        ValueError: a marker is not closed, not opened, or stands inside another.
    """
    lines: list[str] = []
    open_number = None
    for row, line in enumerate(solution.splitlines(), start=1):
        begin = BEGIN.match(line)
        if begin and open_number is None:
            open_number = begin["number"]
            lines.append(begin["indent"] + _raise_line(open_number))
        elif begin:
            raise ValueError(f"{name}, line {row}: the solution of {open_number} is not closed yet")
        elif END.match(line):
            if open_number is None:
                raise ValueError(f"{name}, line {row}: END SOLUTION without a BEGIN before it")
            open_number = None
        elif open_number is None:
            lines.append(line)
    if open_number is not None:
        raise ValueError(f"{name}: the solution of {open_number} has no END SOLUTION")
    return "\n".join(lines) + "\n"


def is_unsolved(text: str, stub: str) -> bool:
    """Tell whether a learner's file still leaves open all that the new stub leaves open.

    A function that the file does not have yet counts as open.
    """
    try:
        written = _functions(text)
    except SyntaxError:
        return False
    return all(
        "raise NotImplementedError" in written.get(name, body)
        for name, body in _functions(stub).items()
        if "raise NotImplementedError" in body
    )


def _functions(text: str) -> dict[str, str]:
    """The source of every function and class at the top level, by name."""
    nodes = (ast.FunctionDef, ast.ClassDef)
    tops = [node for node in ast.parse(text).body if isinstance(node, nodes)]
    return {node.name: ast.get_source_segment(text, node) or "" for node in tops}


def write_stubs(solutions: Path, exercises: Path, force: bool = False) -> list[Path]:
    """Write a stub file for each solution file; return those whose text changed.

    Raises:
        ValueError: a file holds answers and `force` is off, or a marker is wrong. Nothing is
            written then.
    """
    changed: dict[Path, str] = {}
    for source in sorted(solutions.glob(FILES)):
        solution = source.read_text(encoding="utf-8")
        stub = stub_text(solution, source.name)
        target = exercises / source.name
        old = target.read_text(encoding="utf-8") if target.exists() else None
        if old is not None and old != stub and not force and not is_unsolved(old, stub):
            raise ValueError(
                f"{target} holds answers; keep a copy of it elsewhere, then add --force "
                "(make stubs ARGS=--force)"
            )
        if old != stub:
            changed[target] = stub
    exercises.mkdir(parents=True, exist_ok=True)
    for target, stub in changed.items():
        temporary = target.with_suffix(".py.tmp")
        temporary.write_text(stub, encoding="utf-8")
        temporary.replace(target)
    return list(changed)


def main(arguments: list[str] | None = None) -> int:
    """Write the stubs of the tree in the current folder."""
    parser = argparse.ArgumentParser(description="Write exercises/ from solutions/.")
    parser.add_argument("--force", action="store_true", help="also overwrite files with answers")
    options = parser.parse_args(arguments)
    try:
        changed = write_stubs(Path("solutions"), Path("exercises"), options.force)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for target in changed:
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

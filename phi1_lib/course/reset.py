"""`phi1 reset 2.1`: an exercise's stub comes back, after the learner's version was set aside.

The stub is made from the course's solution, so after an update it is the new edition's. The rest of
the file stays byte for byte; what the stub needs and the file lacks (an import, given code) comes
with it.
"""

from pathlib import Path

from phi1_lib.course.exercises import Exercise
from phi1_lib.course.solve import held, kept_path, last_number, shown_path, write_whole
from phi1_lib.course.source_text import Definition, Import, Source, ended, first_row, parse
from phi1_lib.course.splice import unknown_names
from phi1_lib.course.stubs import stub_text


def reset_exercise(exercise: Exercise, whole: bool = False) -> Path | None:
    """Put the stub of one exercise back into the learner's file.

    Args:
        exercise: whose functions are restored.
        whole: write the whole file anew, all of its exercises as stubs; also for a file that is no
            Python any more.

    Returns:
        The copy of the file as it was, in `exercises/.kept/`; None when there was no file, or when
        it holds the stub already and stays as it is.

    Raises:
        ValueError: the file is no Python (say `whole`), or its folder cannot be written. Nothing is
            changed then.
    """
    stub = stub_text(exercise.solution.read_text(encoding="utf-8"), exercise.solution.name)
    with held(exercise):
        if not exercise.stub.exists():
            write_whole(exercise.stub, stub)
            return None
        before = exercise.stub.read_bytes()
        after = stub.encode() if whole else _with_stub(before, exercise, stub)
        if after == before:
            return None
        number = last_number(exercise) + 1
        kept = kept_path(exercise, number, "reset")
        kept.write_bytes(before)  # a new name, and nothing is replaced before it is there
        write_whole(exercise.stub, after.decode("utf-8"))
        return kept


def _with_stub(before: bytes, exercise: Exercise, stub: str) -> bytes:
    """The learner's file with the exercise's functions as they are in `stub`."""
    name = shown_path(exercise.stub)
    try:
        text = before.decode("utf-8")
        own = parse(text, name)
    except ValueError as error:
        reason = f"{name} is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
        raise ValueError(
            f"{reason}. Mend this first; or run phi1 reset {exercise.number} --file, which sets "
            "the whole file aside and writes a fresh one with the stubs of all its exercises"
        ) from None
    fresh = parse(stub, exercise.solution.name)
    for function in exercise.functions:
        own = _with_definition(own, fresh, function, name)
    own = _with_what_is_missing(own, fresh, exercise.functions, name)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    return (mark + own.text).encode("utf-8")


def _with_definition(own: Source, fresh: Source, function: str, name: str) -> Source:
    part = fresh.part(fresh.definition(function))
    there = own.definition(function)
    if there is not None:
        return parse(own.replaced(there, part), name)
    return parse(ended(own.text) + own.in_own_ends(f"\n\n{part}"), name)


def _with_what_is_missing(
    own: Source, fresh: Source, functions: tuple[str, ...], name: str
) -> Source:
    """Add the stub's statements for names that the functions read and that nothing defines."""
    wanted = [*functions]
    while True:
        unknown = unknown_names(own.text, wanted, name)
        needed = [fresh.binder(word) for word in unknown if fresh.binder(word)]
        if not needed:
            return own
        node = min(needed, key=lambda statement: statement.lineno)
        imports = [
            n.end_lineno for n in own.body if isinstance(n, Import) and isinstance(node, Import)
        ]
        row = max(imports, default=min(first_row(own.definition(word)) for word in functions))
        block = fresh.part(node) + ("" if imports else "\n\n")
        own = parse("".join([*own.lines[:row], own.in_own_ends(block), *own.lines[row:]]), name)
        wanted += [node.name] if isinstance(node, Definition) else []

"""`use("2.3")`: the learner's function where it passes its checks, else the library's.

The library's stand beside this file, chapter by chapter: the exercise's signature, written with
`phi1_lib`. The tests grade each of them as an answer. An exercise whose function the library has no
use for is not listed.
"""

import sys
from collections.abc import Callable

from phi1_lib.course.exercises import Exercise, find_course, get_exercise
from phi1_lib.course.twins import (
    ch01_tokenizer,
    ch02_attention,
    ch03_flash_attention,
    ch04_model,
    ch06_generation,
)

TWINS: dict[str, Callable] = {
    **ch01_tokenizer.TWINS,
    **ch02_attention.TWINS,
    **ch03_flash_attention.TWINS,
    **ch04_model.TWINS,
    **ch06_generation.TWINS,
}


class NoTwinError(ValueError):
    """There is nothing to use: one line in a notebook, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def use(number: str, seconds: float = 30.0) -> Callable:
    """Return your function of an exercise if it passes its checks, else the library's.

    It prints which of the two you get. Your file is taken as it is saved.

    Args:
        number: of the exercise, such as "2.3".
        seconds: for the check; a check that takes longer counts as not passed.

    Raises:
        NoTwinError: there is no such exercise, or the library has no counterpart of it.
    """
    from phi1_lib.course.checks import check

    try:
        exercise = get_exercise(find_course(), number)
    except ValueError as error:
        raise NoTwinError(str(error)) from None
    if number not in TWINS:
        raise NoTwinError(
            f"exercise {number} has no counterpart in the library, so there is nothing to take in "
            "place of an answer; call your own function"
        )
    try:
        [checked] = check([exercise], seconds)
        if checked.solved:
            function = _own(exercise)
            print(f"exercise {number}: yours")
            return function
        failing = len(checked.rows) - checked.passed
        reason = f"{failing} of {len(checked.rows)} checks fail; %check {number} shows them"
        reason = reason if checked.written else "yours is not written yet"
    except (ValueError, TimeoutError, RuntimeError) as error:
        reason = str(error)
    print(f"exercise {number}: the library's, because {reason}")
    return TWINS[number]


def _own(exercise: Exercise) -> Callable:
    """The learner's function, from the saved file, as a module of its own."""
    from phi1_lib.course.grading.source import load_module, read_source

    module = load_module(exercise.stub, read_source(exercise.stub))
    del sys.modules[module.__name__]
    return getattr(module, exercise.functions[-1])

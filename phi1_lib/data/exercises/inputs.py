"""Inputs that tell a specification from its near misses."""

from random import Random
from typing import Any

from phi1_lib.data.exercises.interpreter import interpret
from phi1_lib.data.exercises.spec import LETTERS, Spec, near_misses

MAX_TRIES = 60  # random inputs tried before a specification is given up
MORE_INPUTS = 2  # random inputs beyond those that were needed

# Always asked: nothing at all, one value, duplicates, negative numbers, zero, spaces.
EDGES: dict[str, tuple[Any, ...]] = {
    "numbers": ([], [0], [-4, 7, 7, -4]),
    "characters": ("", "a B1"),
    "words": ("", "a", "bad  bad To"),
    "range": (0, 1),
    "digits": (0, 7),
    "divisors": (1, 12),
    "value": (0, -3),
}


def separating_inputs(spec: Spec, random: Random) -> list[Any] | None:
    """Return edge cases and random inputs on which every near miss gives itself away at least once.

    A random input is kept only if it exposes a near miss that those before it did not; two more are
    added at the end. Returns None if some near miss stays hidden: it asks for the same thing.
    """
    hidden = list(near_misses(spec))
    inputs: list[Any] = []

    def exposes(argument: Any) -> bool:
        answer = interpret(spec, argument)
        left = [miss for miss in hidden if interpret(miss, argument) == answer]
        found = len(left) < len(hidden)
        hidden[:] = left
        return found

    for argument in EDGES[spec.source]:
        exposes(argument)
        inputs.append(argument)
    for _ in range(MAX_TRIES):
        if not hidden:
            break
        argument = random_input(spec, random)
        if exposes(argument):
            inputs.append(argument)
    if hidden:
        return None
    inputs += [random_input(spec, random) for _ in range(MORE_INPUTS)]
    return [argument for i, argument in enumerate(inputs) if argument not in inputs[:i]]


def random_input(spec: Spec, random: Random) -> Any:
    """Draw one argument, with values close to the specification's constants."""
    numbers = [c + step for c in spec.constants if isinstance(c, int) for step in (-1, 0, 1)]
    letters = [
        chr(ord(c) + step) for c in spec.constants if isinstance(c, str) for step in (-1, 0, 1)
    ]
    if spec.source == "numbers":
        return [_number(numbers, random) for _ in range(random.randint(3, 7))]
    if spec.source == "value":
        return _number(numbers, random)
    if spec.source == "range":
        return random.randint(2, 15)
    if spec.source == "digits":
        digits = [str(random.choice([*numbers, random.randint(0, 9)])) for _ in range(4)]
        return int("".join(digits)[: random.randint(2, 5)])
    if spec.source == "divisors":
        return random.choice((6, 18, 20, 24, 28, 30, 36, 42, 60, 72, 84, 90, random.randint(2, 99)))
    if spec.source == "characters":
        pool = ["aeiouAEIOU", LETTERS, "BCDRST", "0123456789", " -", *([letters] * 2)]
        return "".join(_letter(pool, random) for _ in range(random.randint(4, 9)))
    return " ".join(_word(numbers, letters, random) for _ in range(random.randint(2, 5)))


def _number(near: list[int], random: Random) -> int:
    if near and random.random() < 0.5:
        return random.choice(near) * random.choice((1, 1, 1, 1, 2, -1))
    return random.randint(-12, 12)


def _letter(pool: list, random: Random) -> str:
    return random.choice(random.choice([letters for letters in pool if letters]))


def _word(lengths: list[int], letters: list[str], random: Random) -> str:
    size = random.choice([*lengths, random.randint(1, 7)])
    pool = [LETTERS, "aeiou", letters, letters]
    word = "".join(_letter(pool, random) for _ in range(max(1, size)))
    return random.choice((word, word, word.capitalize(), word.upper()))

"""The meaning of a specification, computed directly on values.

This is the reference that printed solutions are executed against. It shares no code with `phrases`
and `printer` (a test checks the imports): a mistake made in one place is found by the other.
"""

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

from phi1_lib.data.exercises.spec import Part, Spec

# Predicates and transforms: of a value and the part's constant.
_TRUTH: dict[str, Callable[[Any, Any], bool]] = {
    "every": lambda value, _: True,
    "even": lambda value, _: value & 1 == 0,
    "odd": lambda value, _: value & 1 == 1,
    "positive": lambda value, _: value > 0,
    "negative": lambda value, _: value < 0,
    "not_negative": lambda value, _: value >= 0,
    "not_positive": lambda value, _: value <= 0,
    "greater": lambda value, limit: value > limit,
    "less": lambda value, limit: value < limit,
    "at_least": lambda value, limit: value >= limit,
    "at_most": lambda value, limit: value <= limit,
    "other_than": lambda value, other: value != other,
    "divisible": lambda value, by: value == value // by * by,
    "not_divisible": lambda value, by: value != value // by * by,
    "vowel": lambda char, _: char in set("aeiouAEIOU"),
    "consonant": lambda char, _: char.isalpha() and char not in set("aeiouAEIOU"),
    "upper": lambda char, _: "A" <= char <= "Z",
    "lower": lambda char, _: "a" <= char <= "z",
    "letter": lambda char, _: "a" <= char.casefold() <= "z",
    "digit": lambda char, _: "0" <= char <= "9",
    "letter_or_digit": lambda char, _: char.isalnum(),
    "not_space": lambda char, _: char > " ",
    "equal": lambda char, other: char == other,
    "unequal": lambda char, other: char != other,
    "before": lambda char, other: ord(char) < ord(other),
    "after": lambda char, other: ord(char) > ord(other),
    "longer": lambda word, size: len(word) > size,
    "shorter": lambda word, size: len(word) < size,
    "not_shorter": lambda word, size: len(word) >= size,
    "not_longer": lambda word, size: len(word) <= size,
    "of_length": lambda word, size: len(word) == size,
    "starts": lambda word, char: word.find(char) == 0,
    "ends": lambda word, char: word[-1:] == char,
    "contains": lambda word, char: word.count(char) > 0,
    "lacks": lambda word, char: word.count(char) == 0,
}
_CHANGE: dict[str, Callable[[Any, Any], Any]] = {
    "same": lambda value, _: value,
    "square": lambda value, _: value**2,
    "cube": lambda value, _: value**3,
    "double": lambda value, _: value + value,
    "times": lambda value, factor: sum([value] * factor),
    "plus": lambda value, other: value - -other,
    "minus": lambda value, other: value + -other,
    "absolute": lambda value, _: max(value, -value),
    "negate": lambda value, _: 0 - value,
    "halve": lambda value, _: value >> 1,
    "halve_up": lambda value, _: (value + 1) >> 1,
    "modulo": lambda value, by: value - value // by * by,
    "floor_divide": lambda value, by: value // by,
    "char_upper": lambda char, _: char.swapcase() if char.islower() else char,
    "char_lower": lambda char, _: char.swapcase() if char.isupper() else char,
    "char_twice": lambda char, _: char + char,
    "word_upper": lambda word, _: "".join(map(str.upper, word)),
    "word_lower": lambda word, _: "".join(map(str.lower, word)),
    "capitalized": lambda word, _: word[:1].upper() + word[1:].lower(),
    "reversed": lambda word, _: "".join(reversed(word)),
    "first_letter": lambda word, _: word[:1],
    "last_letter": lambda word, _: word[-1:],
    "length": lambda word, _: sum(1 for _ in word),
}
_TOGETHER: dict[str, Callable[[list], Any]] = {
    "sum": sum,
    "product": prod,
    "largest": lambda values: sorted(values)[-1] if values else 0,
    "smallest": lambda values: sorted(values)[0] if values else 0,
    "first_one": lambda values: values[0] if values else 0,
    "last_one": lambda values: values[-1] if values else 0,
    "list": lambda values: values,
    "backwards": lambda values: values[::-1],
    "sorted": sorted,
    "distinct": lambda values: sorted(set(values)),
    "join": "".join,
    "join_spaces": " ".join,
    "count": len,
    "distinct_count": lambda values: len(set(values)),
}


def _values(source: str, argument: Any) -> list:
    """The values that a scan goes through."""
    if source == "words":
        return argument.split()
    if source == "range":
        return list(range(1, argument + 1))
    if source == "digits":
        return [ord(char) - ord("0") for char in str(argument)]
    if source == "divisors":
        return _divisors(argument)
    return list(argument)


@lru_cache(maxsize=1_000)
def _divisors(number: int) -> list[int]:
    return [low for low in range(1, number + 1) if number % low == 0]


def interpret(spec: Spec, argument: Any) -> Any:
    """Return the right answer to `spec` for one argument.

    Args:
        spec: what is asked; near misses that cannot be printed have a meaning here, too.
        argument: a list of ints ("numbers"), a string ("characters", "words") or an int.
    """
    if spec.source == "value":
        part = spec.transform if _holds(spec.predicate, argument) else spec.last
        return _CHANGE[part.name](argument, part.constant)
    values = _values(spec.source, argument)
    if spec.last.name in ("some", "all"):
        held = [_holds(spec.predicate, value) for value in values]
        return True in held if spec.last.name == "some" else False not in held
    change, constant = _CHANGE[spec.transform.name], spec.transform.constant
    kept = [change(value, constant) for value in values if _holds(spec.predicate, value)]
    return _TOGETHER[spec.last.name](kept)


def _holds(predicate: Part, value: Any) -> bool:
    return _TRUTH[predicate.name](value, predicate.constant)

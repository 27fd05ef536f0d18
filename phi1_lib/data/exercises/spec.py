"""What an exercise asks, as plain data: a source of values and the parts that work on them.

Every exercise has one of two shapes:

- a scan: take the values of `source`, keep those that satisfy `predicate`, change each by
  `transform`, put them together by `last` (an aggregate);
- a choice (`source` is "value"): change the number by `transform` if it satisfies `predicate`,
  otherwise by `last` (another transform, without a constant).

The tables say which parts exist, which values they take and give, which constants they may carry,
and which other parts are near misses: an exercise is kept only if its inputs tell it from them. The
meaning of a part stands in `interpreter`, its wording in `phrases`, its code in `printer`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from random import Random

INTS = (2, 3, 4, 5, 6, 7, 8, 9)
LENGTHS = (2, 3, 4, 5, 6)
LETTERS = tuple("abcdeilmnorst")

Combination = tuple[str, str, str, str]  # source, predicate, transform, last


@dataclass(frozen=True)
class Part:
    """One building block, by name, with its constant if it has one."""

    name: str
    constant: int | str | None = None


@dataclass(frozen=True)
class Spec:
    """What one exercise asks."""

    source: str
    predicate: Part
    transform: Part
    last: Part

    @property
    def combination(self) -> Combination:
        """The parts without their constants: what the test split shares none of."""
        return self.source, self.predicate.name, self.transform.name, self.last.name

    @property
    def constants(self) -> tuple[int | str, ...]:
        """All constants, in order."""
        parts = (self.predicate, self.transform, self.last)
        return tuple(part.constant for part in parts if part.constant is not None)


@dataclass(frozen=True)
class Kind:
    """What a part fits: the type of value it takes and gives, its constants, its near misses."""

    takes: str  # "int", "char", "word"; an aggregate may also take "any"
    gives: str = ""  # transforms only: the type that an aggregate then takes
    constants: tuple[int | str, ...] = ()
    near: tuple[str, ...] = ()
    bare: bool = False  # aggregates that ask nothing of the values: no transform fits


@dataclass(frozen=True)
class Source:
    """Where values come from: the argument, its Python type, and the type of the values."""

    argument: str
    hint: str
    values: str
    family: str  # "list", "string" or "number"
    without: tuple[str, ...] = ()  # parts that ask nothing here, or are no near misses here


NO_NEGATIVES = ("positive", "negative", "absolute")
INCREASING = ("sorted", "first_one", "last_one")  # the values come in order already
SOURCES: dict[str, Source] = {
    "numbers": Source("numbers", "list[int]", "int", "list"),
    "characters": Source("text", "str", "char", "string"),
    "words": Source("text", "str", "word", "string"),
    "range": Source("n", "int", "int", "number", NO_NEGATIVES + INCREASING),
    "digits": Source("n", "int", "int", "number", NO_NEGATIVES),
    "divisors": Source("n", "int", "int", "number", NO_NEGATIVES + INCREASING),
    "value": Source("n", "int", "int", "number"),
}

PREDICATES: dict[str, Kind] = {
    "every": Kind("any"),
    "even": Kind("int", near=("odd",)),
    "odd": Kind("int", near=("even",)),
    "positive": Kind("int", near=("not_negative",)),
    "negative": Kind("int", near=("not_positive",)),
    "greater": Kind("int", constants=INTS, near=("at_least", "less")),
    "less": Kind("int", constants=INTS, near=("at_most", "greater")),
    "at_least": Kind("int", constants=INTS, near=("greater", "at_most")),
    "at_most": Kind("int", constants=INTS, near=("less", "at_least")),
    "divisible": Kind("int", constants=INTS[1:], near=("not_divisible",)),
    "not_divisible": Kind("int", constants=INTS[1:], near=("divisible",)),
    "other_than": Kind("int", constants=INTS, near=("greater", "less")),
    "vowel": Kind("char", near=("consonant",)),
    "upper": Kind("char", near=("lower", "letter")),
    "lower": Kind("char", near=("upper", "letter")),
    "letter": Kind("char", near=("digit", "letter_or_digit")),
    "digit": Kind("char", near=("letter", "letter_or_digit")),
    "not_space": Kind("char", near=("letter_or_digit",)),
    "unequal": Kind("char", constants=LETTERS, near=("equal",)),
    "before": Kind("char", constants=LETTERS[2:], near=("after",)),
    "after": Kind("char", constants=LETTERS[2:], near=("before",)),
    "longer": Kind("word", constants=LENGTHS, near=("not_shorter", "shorter")),
    "shorter": Kind("word", constants=LENGTHS, near=("not_longer", "longer")),
    "of_length": Kind("word", constants=LENGTHS, near=("not_shorter", "not_longer")),
    "starts": Kind("word", constants=LETTERS, near=("ends", "contains")),
    "ends": Kind("word", constants=LETTERS, near=("starts", "contains")),
    "contains": Kind("word", constants=LETTERS, near=("lacks", "starts")),
    "lacks": Kind("word", constants=LETTERS, near=("contains",)),
}
# Near misses that are no exercise themselves: only the interpreter knows them.
NEAR_PREDICATES = (
    "not_negative",
    "not_positive",
    "consonant",
    "letter_or_digit",
    "equal",
    "not_shorter",
    "not_longer",
)

TRANSFORMS: dict[str, Kind] = {
    "same": Kind("any"),
    "square": Kind("int", "int", near=("cube", "double")),
    "cube": Kind("int", "int", near=("square",)),
    "times": Kind("int", "int", INTS, near=("plus",)),
    "plus": Kind("int", "int", INTS, near=("minus", "times")),
    "minus": Kind("int", "int", INTS, near=("plus",)),
    "absolute": Kind("int", "int", near=("same", "negate")),
    "negate": Kind("int", "int", near=("same", "absolute")),
    "halve": Kind("int", "int", near=("same", "halve_up")),
    "modulo": Kind("int", "int", INTS[1:], near=("floor_divide",)),
    "char_upper": Kind("char", "char", near=("same", "char_lower")),
    "char_lower": Kind("char", "char", near=("same", "char_upper")),
    "char_twice": Kind("char", "char", near=("same",)),
    "word_upper": Kind("word", "word", near=("same", "capitalized")),
    "word_lower": Kind("word", "word", near=("same", "capitalized")),
    "capitalized": Kind("word", "word", near=("same", "word_upper", "word_lower")),
    "reversed": Kind("word", "word", near=("same",)),
    "first_letter": Kind("word", "word", near=("last_letter",)),
    "last_letter": Kind("word", "word", near=("first_letter",)),
    "length": Kind("word", "int"),
}
NEAR_TRANSFORMS = ("double", "halve_up", "floor_divide")

AGGREGATES: dict[str, Kind] = {
    "sum": Kind("int", near=("product", "count")),
    "product": Kind("int", near=("sum",)),
    "largest": Kind("int", near=("smallest", "last_one")),
    "smallest": Kind("int", near=("largest", "first_one")),
    "list": Kind("any", near=("sorted", "backwards")),
    "sorted": Kind("any", near=("list", "backwards", "distinct")),
    "join": Kind("char", near=("join_spaces",)),
    "join_spaces": Kind("word", near=("join",)),
    "count": Kind("any", near=("distinct_count",), bare=True),
    "some": Kind("any", near=("all",), bare=True),
    "all": Kind("any", near=("some",), bare=True),
}
NEAR_AGGREGATES = ("last_one", "first_one", "backwards", "distinct", "distinct_count")


def combinations(family: str) -> list[Combination]:
    """All (source, predicate, transform, last) of a family whose parts fit together."""
    found = []
    for name, source in SOURCES.items():
        if source.family != family:
            continue
        predicates = [p for p, kind in PREDICATES.items() if kind.takes in ("any", source.values)]
        transforms = [t for t, kind in TRANSFORMS.items() if kind.takes in ("any", source.values)]
        lasts = transforms if name == "value" else list(AGGREGATES)
        for parts in product(predicates, transforms, lasts):
            if not set(parts) & set(source.without) and _fits(source, *parts):
                found.append((name, *parts))
    return found


def _fits(source: Source, predicate: str, transform: str, last: str) -> bool:
    """Whether parts that take the source's values also fit each other."""
    if last in TRANSFORMS:  # a choice; its second branch has no constant, to keep it short
        plain = not TRANSFORMS[last].constants
        return plain and predicate != "every" and "same" != transform != last
    kind = AGGREGATES[last]
    if kind.bare:
        return transform == "same" and predicate != "every"
    if predicate == "every" and transform == "same" and last in ("list", "join", "join_spaces"):
        return False  # nothing is asked
    return kind.takes in ("any", TRANSFORMS[transform].gives or source.values)


def with_constants(combination: Combination, random: Random) -> Spec:
    """Draw a constant for each part that carries one."""
    source, predicate, transform, last = combination
    parts = []
    for table, name in ((PREDICATES, predicate), (TRANSFORMS, transform), (last_table(last), last)):
        choices = table[name].constants
        parts.append(Part(name, random.choice(choices) if choices else None))
    return Spec(source, *parts)


def last_table(last: str) -> dict[str, Kind]:
    """The table that the third part comes from."""
    return TRANSFORMS if last in TRANSFORMS else AGGREGATES


def near_misses(spec: Spec) -> Iterator[Spec]:
    """The specifications one small mistake away: a constant off by one, or a neighbouring part."""
    for where, table in (
        ("predicate", PREDICATES),
        ("transform", TRANSFORMS),
        ("last", last_table(spec.last.name)),
    ):
        part = getattr(spec, where)
        if isinstance(part.constant, int):
            changed = [Part(part.name, part.constant + step) for step in (-1, 1)]
        elif isinstance(part.constant, str):
            changed = [Part(part.name, chr(ord(part.constant) + step)) for step in (-1, 1)]
        else:
            changed = []
        near = [n for n in table[part.name].near if n not in SOURCES[spec.source].without]
        changed += [Part(name, part.constant) for name in near]
        for other in changed:
            yield replace(spec, **{where: other})

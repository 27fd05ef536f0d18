"""The English of an exercise: a specification as the sentence of its docstring."""

from random import Random

from phi1_lib.data.exercises.spec import SOURCES, Part, Spec

# Source: what its values are called (one, many), and where they are.
_NOUN = {
    "numbers": ("number", "numbers", ""),
    "characters": ("character", "characters", " in text"),
    "words": ("word", "words", " in text"),
    "range": ("number", "numbers", " from 1 to n"),
    "digits": ("digit", "digits", " of n"),
    "divisors": ("divisor", "divisors", " of n"),
}

# Predicate: before the noun, after the noun, as a clause about one value. Where several wordings
# stand, one is drawn. `{c}` is the constant.
_BEFORE = {"even": "even", "odd": "odd", "positive": "positive", "negative": "negative"}
_INSTEAD = {
    "vowel": "vowels",
    "upper": "upper-case letters",
    "lower": "lower-case letters",
    "letter": "letters",
    "digit": "digits",
}
_AFTER = {
    "greater": ("greater than {c}", "above {c}"),
    "less": ("less than {c}", "below {c}"),
    "at_least": ("at least {c}",),
    "at_most": ("at most {c}",),
    "divisible": ("divisible by {c}",),
    "not_divisible": ("not divisible by {c}",),
    "other_than": ("different from {c}",),
    "not_space": ("other than spaces",),
    "unequal": ('other than "{c}"',),
    "before": ('before "{c}"',),
    "after": ('after "{c}"',),
    "longer": ("longer than {c}", "with more than {c} letters"),
    "shorter": ("shorter than {c}", "with fewer than {c} letters"),
    "of_length": ("of length {c}", "with exactly {c} letters"),
    "starts": ('starting with "{c}"',),
    "ends": ('ending with "{c}"',),
    "contains": ('with the letter "{c}"', 'containing "{c}"'),
    "lacks": ('without the letter "{c}"', 'not containing "{c}"'),
}
_CLAUSE = {
    "even": "is even",
    "odd": "is odd",
    "positive": "is positive",
    "negative": "is negative",
    "greater": "is greater than {c}",
    "less": "is less than {c}",
    "at_least": "is at least {c}",
    "at_most": "is at most {c}",
    "divisible": "is divisible by {c}",
    "not_divisible": "is not divisible by {c}",
    "other_than": "is different from {c}",
    "vowel": "is a vowel",
    "upper": "is an upper-case letter",
    "lower": "is a lower-case letter",
    "letter": "is a letter",
    "digit": "is a digit",
    "not_space": "is not a space",
    "unequal": 'is not "{c}"',
    "before": 'comes before "{c}"',
    "after": 'comes after "{c}"',
    "longer": "is longer than {c}",
    "shorter": "is shorter than {c}",
    "of_length": "has length {c}",
    "starts": 'starts with "{c}"',
    "ends": 'ends with "{c}"',
    "contains": 'contains "{c}"',
    "lacks": 'does not contain "{c}"',
}

# Transform: after a list of values, and of the one number n.
_CHANGED = {
    "same": ("", "n"),
    "square": ("each squared", "n squared"),
    "cube": ("each cubed", "n cubed"),
    "times": ("each times {c}", "n times {c}"),
    "plus": ("each plus {c}", "n plus {c}"),
    "minus": ("each minus {c}", "n minus {c}"),
    "absolute": ("each in absolute value", "the absolute value of n"),
    "negate": ("each negated", "n negated"),
    "halve": ("each halved, rounded down", "n halved, rounded down"),
    "modulo": ("each modulo {c}", "n modulo {c}"),
    "char_upper": ("each in upper case", ""),
    "char_lower": ("each in lower case", ""),
    "char_twice": ("each written twice", ""),
    "word_upper": ("each in upper case", ""),
    "word_lower": ("each in lower case", ""),
    "capitalized": ("each capitalized", ""),
    "reversed": ("each reversed", ""),
    "first_letter": ("each cut to its first letter", ""),
    "last_letter": ("each cut to its last letter", ""),
    "length": ("each replaced by its length", ""),
}

# Aggregate: of values, and of "them".
_RESULT = {
    "sum": ("the sum of {values}", "their sum"),
    "product": ("the product of {values}", "their product"),
    "largest": ("the largest of {values} (0 if none)", "the largest (0 if none)"),
    "smallest": ("the smallest of {values} (0 if none)", "the smallest (0 if none)"),
    "list": ("the list of {values}", "the list"),
    "sorted": ("the sorted list of {values}", "the sorted list"),
    "join": ("the string of {values}", "the string"),
    "join_spaces": ("{values}, joined by spaces", "them joined by spaces"),
    "count": ("the number of {values}", "how many there are"),
}


def sentence(spec: Spec, random: Random) -> str:
    """Say what is asked, in one of several wordings."""
    verb = random.choice(("Return", "Return", "Find", "Compute"))
    if spec.source == "value":
        change, otherwise = (_fill(_CHANGED[p.name][1], p) for p in (spec.transform, spec.last))
        clause = _fill(_CLAUSE[spec.predicate.name], spec.predicate)
        if random.random() < 0.5:
            return f"{verb} {change} if n {clause}, otherwise {otherwise}."
        return f"If n {clause}, return {change}, otherwise {otherwise}."
    if spec.last.name in ("some", "all"):
        one, _, where = _NOUN[spec.source]
        word = random.choice(("any", "some") if spec.last.name == "some" else ("every", "each"))
        clause = _fill(_CLAUSE[spec.predicate.name], spec.predicate)
        return f"Return whether {word} {one}{where} {clause}."
    values = _values(spec, random)
    if each := _fill(_CHANGED[spec.transform.name][0], spec.transform):
        values = f"{values}, {each}"
    of_values, of_them = _RESULT[spec.last.name]
    if random.random() < 0.6:
        return f"{verb} {of_values.format(values=values)}."
    return f"Take {values}{',' * bool(each)} and return {of_them}."


def _values(spec: Spec, random: Random) -> str:
    """The values that satisfy the predicate: "the even numbers"."""
    name = spec.predicate.name
    _, many, where = _NOUN[spec.source]
    if name in _AFTER:
        after = _fill(random.choice(_AFTER[name]), spec.predicate)
        that_are = "that are " if SOURCES[spec.source].family == "number" else ""
        return f"the {many}{where} {that_are}{after}"
    if name in _INSTEAD:
        return f"the {_INSTEAD[name]}{where}"
    before = f"{_BEFORE[name]} " if name in _BEFORE else ""
    return f"the {before}{many}{where}"


def _fill(words: str, part: Part) -> str:
    return words.format(c=part.constant)

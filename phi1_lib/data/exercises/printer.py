"""The Python of an exercise: a specification as a prompt and a solution.

Nothing here computes an answer: whether what is printed is right, `generate` finds out by running
it against `interpreter`.
"""

from random import Random

from phi1_lib.data.exercises.phrases import sentence
from phi1_lib.data.exercises.spec import SOURCES, TRANSFORMS, Part, Spec

# Source: the loop variable and what it runs over.
_LOOP = {
    "numbers": ("x", "numbers"),
    "characters": ("c", "text"),
    "words": ("w", "text.split()"),
    "range": ("i", "range(1, n + 1)"),
    "digits": ("d", "map(int, str(n))"),
    "divisors": ("d", "range(1, n + 1)"),
}

# `{x}` is the value, `{c}` the constant.
_CONDITION = {
    "every": "",
    "even": "{x} % 2 == 0",
    "odd": "{x} % 2 == 1",
    "positive": "{x} > 0",
    "negative": "{x} < 0",
    "greater": "{x} > {c}",
    "less": "{x} < {c}",
    "at_least": "{x} >= {c}",
    "at_most": "{x} <= {c}",
    "divisible": "{x} % {c} == 0",
    "not_divisible": "{x} % {c} != 0",
    "other_than": "{x} != {c}",
    "vowel": '{x}.lower() in "aeiou"',
    "upper": "{x}.isupper()",
    "lower": "{x}.islower()",
    "letter": "{x}.isalpha()",
    "digit": "{x}.isdigit()",
    "not_space": '{x} != " "',
    "unequal": '{x} != "{c}"',
    "before": '{x} < "{c}"',
    "after": '{x} > "{c}"',
    "longer": "len({x}) > {c}",
    "shorter": "len({x}) < {c}",
    "of_length": "len({x}) == {c}",
    "starts": '{x}.startswith("{c}")',
    "ends": '{x}.endswith("{c}")',
    "contains": '"{c}" in {x}',
    "lacks": '"{c}" not in {x}',
}
_EXPRESSION = {
    "same": "{x}",
    "square": "{x} * {x}",
    "cube": "{x} ** 3",
    "times": "{x} * {c}",
    "plus": "{x} + {c}",
    "minus": "{x} - {c}",
    "absolute": "abs({x})",
    "negate": "-{x}",
    "halve": "{x} // 2",
    "modulo": "{x} % {c}",
    "char_upper": "{x}.upper()",
    "char_lower": "{x}.lower()",
    "char_twice": "{x} * 2",
    "word_upper": "{x}.upper()",
    "word_lower": "{x}.lower()",
    "capitalized": "{x}.capitalize()",
    "reversed": "{x}[::-1]",
    "first_letter": "{x}[0]",
    "last_letter": "{x}[-1]",
    "length": "len({x})",
}

# Aggregate: the whole result from an iterable of values; empty where only a loop will do.
_WHOLE = {
    "sum": "sum({values})",
    "product": "",
    "largest": "max({values}, default=0)",
    "smallest": "min({values}, default=0)",
    "list": "{values}",
    "sorted": "sorted({values})",
    "join": '"".join({values})',
    "join_spaces": '" ".join({values})',
    "count": "len({values})",
}
# Aggregate: a loop's start, its step, and what it returns.
_STEPS = {
    "sum": ("total = 0", "total += {value}", "total"),
    "product": ("result = 1", "result *= {value}", "result"),
    "largest": ("result = []", "result.append({value})", "max(result, default=0)"),
    "smallest": ("result = []", "result.append({value})", "min(result, default=0)"),
    "list": ("result = []", "result.append({value})", "result"),
    "sorted": ("result = []", "result.append({value})", "sorted(result)"),
    "join": ('result = ""', "result += {value}", "result"),
    "join_spaces": ("result = []", "result.append({value})", '" ".join(result)'),
    "count": ("count = 0", "count += 1", "count"),
}


def function_name(spec: Spec) -> str:
    """A name that says the constants: sum_even, count_vowel, list_less_3_plus_4, square_if_odd.

    That they stand in the name and again in the docstring matters more than it seems. Copying a
    constant is what a small model learns last, and its most frequent mistake: each repetition is
    one more place to learn it.
    """
    if spec.source == "value":
        return f"{_slug(spec.transform)}_if_{_slug(spec.predicate)}"
    what = spec.source if spec.predicate.name == "every" else _slug(spec.predicate)
    change = "" if spec.transform.constant is None else f"_{_slug(spec.transform)}"
    return f"{spec.last.name}_{what}{change}"


def _slug(part: Part) -> str:
    return part.name if part.constant is None else f"{part.name}_{part.constant}"


def print_prompt(spec: Spec, random: Random) -> str:
    """The signature and the docstring; it ends right after the closing quotes."""
    source = SOURCES[spec.source]
    head = f"def {function_name(spec)}({source.argument}: {source.hint}) -> {_result_hint(spec)}:"
    return f'{head}\n    """{sentence(spec, random)}"""'


def print_solution(spec: Spec, random: Random) -> str:
    """The body: a comprehension, a loop, or a list made first. Newlines begin and end it."""
    if spec.source == "value":
        lines = _choice(spec, random)
    elif spec.last.name in ("some", "all"):
        lines = _quantifier(spec, random)
    elif _WHOLE[spec.last.name] and random.random() < 0.55:
        lines = _comprehension(spec, two_lines=random.random() < 0.25)
    else:
        lines = _loop(spec)
    return "".join(f"\n    {line}" for line in lines) + "\n"


def _choice(spec: Spec, random: Random) -> list[str]:
    condition = _fill(_CONDITION[spec.predicate.name], "n", spec.predicate)
    change, otherwise = (
        _fill(_EXPRESSION[part.name], "n", part) for part in (spec.transform, spec.last)
    )
    if random.random() < 0.5:
        return [f"return {change} if {condition} else {otherwise}"]
    return [f"if {condition}:", f"    return {change}", f"return {otherwise}"]


def _quantifier(spec: Spec, random: Random) -> list[str]:
    name, values = _LOOP[spec.source]
    condition = _fill(_CONDITION[spec.predicate.name], name, spec.predicate)
    divisor = f"n % {name} == 0" if spec.source == "divisors" else ""
    if spec.last.name == "some" and random.random() < 0.5:
        both = " and ".join(filter(None, (divisor, condition)))
        return [
            f"for {name} in {values}:",
            f"    if {both}:",
            "        return True",
            "return False",
        ]
    function = "any" if spec.last.name == "some" else "all"
    return [f"return {function}({_clauses(condition, name, values, divisor)})"]


def _comprehension(spec: Spec, two_lines: bool) -> list[str]:
    name, values = _LOOP[spec.source]
    value = _fill(_EXPRESSION[spec.transform.name], name, spec.transform)
    condition = _condition(spec)
    whole = _WHOLE[spec.last.name]
    if value == name and not condition:  # sum(numbers), not sum(x for x in numbers)
        return [f"return {whole.format(values=values)}"]
    clauses = _clauses(value, name, values, condition)
    if two_lines and whole != "{values}":
        return [f"values = [{clauses}]", f"return {whole.format(values='values')}"]
    # A list where the function takes a second argument, or asks for a length.
    as_list = spec.last.name in ("largest", "smallest", "list", "count")
    return [f"return {whole.format(values=f'[{clauses}]' if as_list else clauses)}"]


def _loop(spec: Spec) -> list[str]:
    name, values = _LOOP[spec.source]
    value = _fill(_EXPRESSION[spec.transform.name], name, spec.transform)
    start, step, result = _STEPS[spec.last.name]
    body = [step.format(value=value)]
    if condition := _condition(spec):
        body = [f"if {condition}:", f"    {body[0]}"]
    return [
        start,
        f"for {name} in {values}:",
        *(f"    {line}" for line in body),
        f"return {result}",
    ]


def _clauses(value: str, name: str, values: str, condition: str) -> str:
    return f"{value} for {name} in {values}" + (f" if {condition}" if condition else "")


def _condition(spec: Spec) -> str:
    """The condition on the loop variable; divisors are the range's numbers that divide n."""
    name, _ = _LOOP[spec.source]
    condition = _fill(_CONDITION[spec.predicate.name], name, spec.predicate)
    divisor = f"n % {name} == 0" if spec.source == "divisors" else ""
    return " and ".join(filter(None, (divisor, condition)))


def _fill(code: str, name: str, part: Part) -> str:
    return code.format(x=name, c=part.constant)


def _result_hint(spec: Spec) -> str:
    """The type of the result, as the signature states it."""
    last = spec.last.name
    if last in ("some", "all"):
        return "bool"
    if last in ("join", "join_spaces"):
        return "str"
    if last in ("list", "sorted"):
        gives = TRANSFORMS[spec.transform.name].gives or SOURCES[spec.source].values
        return "list[int]" if gives == "int" else "list[str]"
    return "int"

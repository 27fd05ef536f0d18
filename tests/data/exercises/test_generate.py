"""The exercises: splits, execution, near misses, and bugs planted in each half of the pair."""

import ast
import inspect
import os
import subprocess
import sys
from collections import Counter, defaultdict
from random import Random

import pytest

from phi1_lib.data.exercises import generate, inputs, interpreter, phrases, printer
from phi1_lib.data.exercises.generate import exercise_pairs, generate_exercises
from phi1_lib.data.exercises.interpreter import interpret
from phi1_lib.data.exercises.spec import (
    AGGREGATES,
    NEAR_AGGREGATES,
    NEAR_PREDICATES,
    NEAR_TRANSFORMS,
    PREDICATES,
    SOURCES,
    TRANSFORMS,
    Part,
    Spec,
    combinations,
    near_misses,
)
from phi1_lib.sandbox import run_programs

TRAIN, TEST = exercise_pairs(1_500, 150, seed=5)


def combination_parts(pairs):
    return {part for spec, _ in pairs for part in enumerate(spec.combination)}


def test_counts_shares_and_names():
    for pairs, count, name in ((TRAIN, 1_500, "train"), (TEST, 150, "test")):
        assert len(pairs) == count
        assert [p.task_id for _, p in pairs] == [f"exercise/{name}/{i}" for i in range(count)]
        families = Counter(SOURCES[spec.source].family for spec, _ in pairs)
        assert families == {"list": 0.6 * count, "string": 0.2 * count, "number": 0.2 * count}
        assert len({(p.prompt, p.canonical_solution) for _, p in pairs}) == count


def test_splits_share_no_combination_and_training_holds_every_part():
    train = {spec.combination for spec, _ in TRAIN}
    assert not train & {spec.combination for spec, _ in TEST}
    assert combination_parts(TEST) <= combination_parts(TRAIN)
    assert not {p.prompt for _, p in TRAIN} & {p.prompt for _, p in TEST}


@pytest.mark.parametrize("seed", range(5))
def test_a_few_hundred_exercises_hold_every_part(seed):
    train, test = exercise_pairs(300, 30, seed)
    assert combination_parts(test) <= combination_parts(train)


def test_a_prompt_asks_for_one_thing():
    # A docstring that fits two specifications would be a question without one right answer.
    asked = defaultdict(set)
    for spec, problem in TRAIN + TEST:
        words = problem.prompt.split('"""')[1]
        asked[SOURCES[spec.source].hint, words].add(spec)
    assert [specs for specs in asked.values() if len(specs) > 1] == []


def test_same_seed_same_exercises_whatever_the_hash_seed():
    code = (
        "import hashlib\nfrom phi1_lib.data.exercises import generate_exercises\n"
        "text = repr(generate_exercises(60, 20, 1))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1 and len(digests.pop()) == 65
    assert generate_exercises(40, 20, 1) == generate_exercises(40, 20, 1)
    assert generate_exercises(40, 20, 1) != generate_exercises(40, 20, 2)


def test_test_exercises_do_not_depend_on_the_number_of_training_exercises():
    assert generate_exercises(0, 30, 4)[1] == generate_exercises(200, 30, 4)[1]


def test_text_has_the_agreed_shape():
    for _, problem in TRAIN + TEST:
        assert problem.prompt.endswith('"""')
        assert problem.canonical_solution.startswith("\n    ")
        assert problem.canonical_solution.endswith("\n")
        text = problem.prompt + problem.canonical_solution
        (function,) = ast.parse(text).body
        assert function.name == problem.entry_point
        assert ast.get_docstring(function).endswith(".")
        assert "\n\n" not in text and max(map(len, text.splitlines())) <= 125


def test_text_is_short():
    lengths = [len(problem.prompt + problem.canonical_solution) for _, problem in TRAIN]
    assert 150 < sum(lengths) / len(lengths) < 220 and max(lengths) < 340


def test_solutions_pass_and_the_empty_body_fails_in_the_sandbox():
    problems = [problem for _, problem in TRAIN[:40] + TEST[:20]]
    results = run_programs([p.program(p.canonical_solution) for p in problems], timeout_s=20.0)
    assert [result.status for result in results] == ["passed"] * 60
    results = run_programs([p.program("") for p in problems], timeout_s=20.0)
    assert [result.status for result in results] == ["failed"] * 60


def passes(program: str) -> bool:
    try:
        exec(compile(program, "test", "exec"), {})  # our own printer's code
    except Exception:
        return False
    return True


def test_near_misses_fail_when_printed_and_run():
    checked = 0
    for spec, problem in TRAIN[:400]:
        for miss in near_misses(spec):
            try:
                body = printer.print_solution(miss, Random(0))
            except KeyError:  # known to the interpreter only
                continue
            checked += 1
            assert not passes(problem.program(body)), (spec, miss, problem.test)
    assert checked > 600


def test_constants_off_by_one_are_near_misses_of_every_constant():
    for spec, _ in TRAIN[:300]:
        misses = {m.constants for m in near_misses(spec) if m.combination == spec.combination}
        assert len(misses) == 2 * len(spec.constants)


def test_inputs_cover_the_edges():
    for spec, problem in TRAIN[:300]:
        for edge in inputs.EDGES[spec.source]:
            assert f"candidate({edge!r})" in problem.test
    numbers = inputs.EDGES["numbers"]
    assert [] in numbers and any(len(set(v)) < len(v) and min(v) < 0 for v in numbers)


def test_a_part_that_asks_nothing_is_dropped():
    random = Random(0)
    same = Spec("numbers", Part("positive"), Part("absolute"), Part("sum"))
    assert inputs.separating_inputs(same, random) is None
    asks = Spec("numbers", Part("odd"), Part("absolute"), Part("sum"))
    assert inputs.separating_inputs(asks, random) is not None


# One pool of specifications that holds every part, for the planted bugs.
POOL = {spec: None for spec, _ in TRAIN}


def found_in(name: str, where: tuple[str, ...]) -> bool:
    """Whether no exercise with that part can be made any more."""
    for spec in POOL:
        if any(getattr(spec, field).name == name for field in where):
            random = Random(0)
            test = generate.print_test(spec, random)
            if test is None:  # it now means the same as a near miss: no such exercise is made
                return True
            for _ in range(6):  # several styles of solution
                try:
                    generate._print_and_run(spec, test, random)
                except RuntimeError:
                    return True
    return False


CHANGED_CODE = [
    *((printer._CONDITION, name, f"not ({code})") for name, code in printer._CONDITION.items()),
    *((printer._EXPRESSION, name, f"({code}) * 2") for name, code in printer._EXPRESSION.items()),
    *((printer._WHOLE, name, f"[{code}]") for name, code in printer._WHOLE.items() if code),
    *((printer._STEPS, name, (a, b, f"[{c}]")) for name, (a, b, c) in printer._STEPS.items()),
]
CHANGED_CODE = [row for row in CHANGED_CODE if row[1] != "every"]


@pytest.mark.parametrize(
    ("table", "name", "wrong"), CHANGED_CODE, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_bug_planted_in_the_printer_is_found(monkeypatch, table, name, wrong):
    monkeypatch.setitem(table, name, wrong)
    assert found_in(name, ("predicate", "transform", "last"))


CHANGED_MEANING = [
    *(
        (interpreter._TRUTH, name, lambda right: lambda v, c: not right(v, c))
        for name in PREDICATES
    ),
    *(
        (interpreter._CHANGE, name, lambda right: lambda v, c: right(v, c) * 2)
        for name in TRANSFORMS
    ),
    *(
        (interpreter._TOGETHER, name, lambda right: lambda values: right(values[1:]))
        for name in AGGREGATES
        if name not in ("some", "all")
    ),
]


@pytest.mark.parametrize(
    ("table", "name", "spoil"), CHANGED_MEANING, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_bug_planted_in_the_interpreter_is_found(monkeypatch, table, name, spoil):
    monkeypatch.setitem(table, name, spoil(table[name]))
    assert found_in(name, ("predicate", "transform", "last"))


def test_a_planted_bug_stops_the_generator(monkeypatch):
    monkeypatch.setitem(printer._CONDITION, "greater", "{x} >= {c}")
    with pytest.raises(RuntimeError, match="printed and interpreted differently"):
        exercise_pairs(300, 0, seed=0)


def test_interpreter_and_printer_share_no_code():
    for module, others in ((interpreter, (printer, phrases)), (printer, (interpreter,))):
        imported = {
            node.module
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, ast.ImportFrom)
        }
        assert not imported & {other.__name__ for other in others}


def test_every_part_has_words_code_and_meaning():
    for name in PREDICATES:
        worded = name in phrases._AFTER or name in phrases._INSTEAD or name in phrases._BEFORE
        assert name == "every" or (worded and name in phrases._CLAUSE)
        assert name in printer._CONDITION and name in interpreter._TRUTH
    for name in TRANSFORMS:
        assert name in phrases._CHANGED and name in printer._EXPRESSION
        assert name in interpreter._CHANGE
    for name in set(AGGREGATES) - {"some", "all"}:
        assert name in phrases._RESULT and name in printer._WHOLE and name in printer._STEPS
    assert set(NEAR_PREDICATES) == set(interpreter._TRUTH) - set(PREDICATES)
    assert set(NEAR_TRANSFORMS) == set(interpreter._CHANGE) - set(TRANSFORMS)
    assert set(NEAR_AGGREGATES) == set(interpreter._TOGETHER) - set(AGGREGATES)
    for table in (PREDICATES, TRANSFORMS, AGGREGATES):
        used = {part for spec, _ in TRAIN for part in spec.combination}
        assert set(table) <= used


# Docstrings read by hand: what each says, as Python written for this test.
READ_BY_HAND = [
    (
        Spec("numbers", Part("greater", 3), Part("square"), Part("sum")),
        {
            "the sum of the numbers greater than 3, each squared.",
            "the sum of the numbers above 3, each squared.",
            "Take the numbers greater than 3, each squared, and return their sum.",
            "Take the numbers above 3, each squared, and return their sum.",
        },
        lambda numbers: sum(x**2 for x in numbers if x > 3),
    ),
    (
        Spec("digits", Part("odd"), Part("same"), Part("count")),
        {
            "the number of the odd digits of n.",
            "Take the odd digits of n and return how many there are.",
        },
        lambda n: len([d for d in str(n) if d in "13579"]),
    ),
    (
        Spec("words", Part("starts", "b"), Part("reversed"), Part("join_spaces")),
        {
            'the words in text starting with "b", each reversed, joined by spaces.',
            'Take the words in text starting with "b", each reversed, '
            "and return them joined by spaces.",
        },
        lambda text: " ".join(w[::-1] for w in text.split() if w[0] == "b"),
    ),
    (
        Spec("characters", Part("vowel"), Part("same"), Part("some")),
        {
            "whether any character in text is a vowel.",
            "whether some character in text is a vowel.",
        },
        lambda text: bool(set(text) & set("aeiouAEIOU")),
    ),
    (
        Spec("divisors", Part("divisible", 4), Part("minus", 2), Part("largest")),
        {
            "the largest of the divisors of n that are divisible by 4, each minus 2 (0 if none).",
            "Take the divisors of n that are divisible by 4, each minus 2, "
            "and return the largest (0 if none).",
        },
        lambda n: max([d - 2 for d in range(4, n + 1, 4) if n % d == 0], default=0),
    ),
    (
        Spec("range", Part("at_most", 5), Part("times", 3), Part("list")),
        {
            "the list of the numbers from 1 to n that are at most 5, each times 3.",
            "Take the numbers from 1 to n that are at most 5, each times 3, and return the list.",
        },
        lambda n: [3, 6, 9, 12, 15][: max(n, 0)],
    ),
    (
        Spec("value", Part("negative"), Part("plus", 4), Part("halve")),
        {
            "n plus 4 if n is negative, otherwise n halved, rounded down.",
            "If n is negative, return n plus 4, otherwise n halved, rounded down.",
        },
        lambda n: n + 4 if n < 0 else n // 2,
    ),
]


@pytest.mark.parametrize(("spec", "wordings", "meaning"), READ_BY_HAND)
def test_docstrings_read_by_hand(spec, wordings, meaning):
    random = Random(0)
    said = {phrases.sentence(spec, random) for _ in range(200)}
    for verb in ("Return ", "Find ", "Compute "):
        said = {words.removeprefix(verb) for words in said}
    assert said == wordings
    for _ in range(200):
        argument = inputs.random_input(spec, random)
        assert interpret(spec, argument) == meaning(argument), argument


def test_more_than_exist():
    few = [("numbers", "even", "same", "sum")]
    with pytest.raises(ValueError, match="train list: 900 exercises asked for, .* different exist"):
        generate._take(900, "train list", few, Random(0))


def test_negative_counts():
    with pytest.raises(ValueError, match="train=-1"):
        generate_exercises(-1, 0)


def test_nothing_asked_is_no_combination():
    assert ("numbers", "every", "same", "list") not in combinations("list")
    assert not [c for c in combinations("number") if c[0] == "value" and c[2] == c[3]]

"""Makes the training and the test exercises, and keeps none that it has not executed.

A specification is drawn, inputs are found that tell it from every near miss, `interpreter` computes
the right answers, which become the tests, the problem is printed, and the whole program is run. A
specification that no input tells from a near miss is dropped: there a part asks nothing
positive numbers, each in absolute value").
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from phi1_lib.data.exercises.inputs import separating_inputs
from phi1_lib.data.exercises.interpreter import interpret
from phi1_lib.data.exercises.printer import function_name, print_prompt, print_solution
from phi1_lib.data.exercises.spec import Combination, Spec, combinations, with_constants
from phi1_lib.data.problems import Problem

SHARES = {"list": 0.6, "string": 0.2, "number": 0.2}  # of the exercises
HELD_OUT = 0.15  # of the combinations of each family
GIVE_UP_COMBINATION = 4  # failed specifications, with none that worked, before a combination is out
GIVE_UP_FAMILY = 25  # rounds over all combinations that brought nothing new


def generate_exercises(train: int, test: int, seed: int = 0) -> tuple[list[Problem], list[Problem]]:
    """Make `train` and `test` different exercises, every one executed.

    The text to train on is `prompt + canonical_solution`. The splits share no combination of parts
    (source, predicate, transform, aggregate), while each part of a test exercise occurs in
    training, given a few hundred training exercises. Test exercises depend on `test` and `seed`
    alone, so that training sets of several sizes are compared on the same ones.

    Raises:
        ValueError: a count is negative, or so many different exercises do not exist.
        RuntimeError: a printed solution and the interpreter disagree: a mistake in this package.
    """
    pairs = exercise_pairs(train, test, seed)
    return tuple([problem for _, problem in split] for split in pairs)


def exercise_pairs(
    train: int, test: int, seed: int = 0
) -> tuple[list[tuple[Spec, Problem]], list[tuple[Spec, Problem]]]:
    """As `generate_exercises`, with the specification of each exercise."""
    if train < 0 or test < 0:
        raise ValueError(f"train={train}, test={test}: a number of exercises is at least 0")
    splits = {family: split_combinations(family, seed) for family in SHARES}
    made = []
    for which, (name, count) in enumerate((("train", train), ("test", test))):
        pairs = []
        for family, wanted in _shares(count).items():
            random = Random(f"{seed}/{name}/{family}")
            pairs += _take(wanted, f"{name} {family}", splits[family][which], random)
        Random(f"{seed}/{name}/order").shuffle(pairs)
        made.append([(spec, _named(problem, name, i)) for i, (spec, problem) in enumerate(pairs)])
    return made[0], made[1]


def split_combinations(family: str, seed: int) -> tuple[list[Combination], list[Combination]]:
    """Divide a family's combinations into those of training and those held out, by seed alone."""
    order = combinations(family)
    Random(f"{seed}/split/{family}").shuffle(order)
    held_out = round(HELD_OUT * len(order))
    train, test = order[held_out:], order[:held_out]
    parts = {part for combination in train for part in enumerate(combination)}
    assert all(set(enumerate(combination)) <= parts for combination in test), (family, seed)
    return train, test


def _shares(count: int) -> dict[str, int]:
    """How many exercises each family gets."""
    shares = {family: round(share * count) for family, share in SHARES.items()}
    shares["list"] = count - shares["string"] - shares["number"]
    return shares


def _take(
    wanted: int, label: str, held: list[Combination], random: Random
) -> list[tuple[Spec, Problem]]:
    """Make `wanted` different exercises, going through the combinations round after round."""
    pairs: list[tuple[Spec, Problem]] = []
    seen: set[tuple[str, str]] = set()
    made: Counter[Combination] = Counter()
    failed: Counter[Combination] = Counter()
    tests: dict[Spec, str | None] = {}
    idle = 0
    rounds = _rounds(held, made, random)
    while len(pairs) < wanted:
        before = len(pairs)
        for combination in next(rounds):
            if len(pairs) == wanted:
                break
            if not made[combination] and failed[combination] >= GIVE_UP_COMBINATION:
                continue
            spec = with_constants(combination, random)
            if spec not in tests:
                tests[spec] = print_test(spec, random)
            if tests[spec] is None:
                failed[combination] += 1
                continue
            made[combination] += 1
            problem = _print_and_run(spec, tests[spec], random)
            text = (problem.prompt, problem.canonical_solution)
            if text not in seen:
                seen.add(text)
                pairs.append((spec, problem))
        idle = idle + 1 if len(pairs) == before else 0
        if idle == GIVE_UP_FAMILY:
            raise ValueError(f"{label}: {wanted} exercises asked for, {len(pairs)} different exist")
    return pairs


def _rounds(
    held: list[Combination], made: Counter[Combination], random: Random
) -> Iterator[Iterator[Combination]]:
    """Endless rounds over the combinations; the first begins with some that cover every part."""
    yield _covering_first(held, made)
    while True:
        yield iter(random.sample(held, len(held)))


def _covering_first(held: list[Combination], made: Counter[Combination]) -> Iterator[Combination]:
    covered: set[tuple[int, str]] = set()
    later = []
    for combination in held:
        parts = set(enumerate(combination))
        if parts <= covered:
            later.append(combination)
            continue
        yield combination
        if made[combination]:
            covered |= parts
    yield from later


def print_test(spec: Spec, random: Random) -> str | None:
    """Write `check(candidate)` with the interpreter's answers; None if no inputs suffice."""
    inputs = separating_inputs(spec, random)
    if inputs is None:
        return None
    lines = [
        f"    assert candidate({argument!r}) == {interpret(spec, argument)!r}\n"
        for argument in inputs
    ]
    return "def check(candidate):\n" + "".join(lines)


def _print_and_run(spec: Spec, test: str, random: Random) -> Problem:
    problem = Problem(
        task_id="exercise",
        prompt=print_prompt(spec, random),
        entry_point=function_name(spec),
        canonical_solution=print_solution(spec, random),
        test=test,
    )
    program = problem.program(problem.canonical_solution)
    try:
        # In this process, and not in the sandbox: every character of the program was written by
        # `printer` and `print_test`, none by a model, and a child for each would take minutes.
        exec(compile(program, "exercise", "exec"), {})
    except Exception as error:
        raise RuntimeError(
            f"{spec} is printed and interpreted differently ({error!r}):\n{program}"
        ) from error
    return problem


def _named(problem: Problem, split: str, number: int) -> Problem:
    return replace(problem, task_id=f"exercise/{split}/{number}")

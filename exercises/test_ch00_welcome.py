"""Grades chapter 00. The right answers are worked out by hand, or as fractions."""

import math
from fractions import Fraction
from random import Random

import pytest

# (steps, sequences a step, tokens a sequence, parameters) and tokens for each parameter
SMALL = ((10, 4, 8, 128), 2.5)
LONG = ((1000, 16, 256, 1 << 20), 3.90625)
HUNGRY = ((3, 5, 7, 210), 0.5)


def expect(submission, case: tuple[tuple[int, int, int, int], float]) -> None:
    """Fail unless the function gives the case's answer; name the mistake that it looks like."""
    (steps, batch_size, context_length, parameters), right = case
    found = submission.tokens_per_parameter(steps, batch_size, context_length, parameters)
    if found is None:
        pytest.fail("your function returned None: is there a `return`?", pytrace=False)
    if isinstance(found, bool) or not isinstance(found, int | float):
        kind = type(found).__name__
        pytest.fail(f"your function returned a {kind}; a number is asked", pytrace=False)
    if math.isclose(found, right):  # whoever divides first meets other last digits
        return
    tokens = right * parameters
    mistakes = [
        (parameters / tokens, "these are parameters for each token: divide the other way round"),
        (tokens, "these are all tokens of the run; share them out over the parameters"),
        (
            tokens / context_length / parameters,
            "you counted sequences: each of them has context_length tokens",
        ),
        (
            tokens / batch_size / parameters,
            "you counted one sequence a step: a step reads batch_size of them",
        ),
        (tokens / steps / parameters, "these are the tokens of one step: a run has many"),
        (tokens // parameters, "the fraction is missing: `//` drops it, `/` keeps it"),
        (round(right), "the result is rounded: return it as it is"),
        (round(right, 2), "the result is rounded: return it as it is"),
    ]
    for wrong, message in mistakes:
        if math.isclose(found, wrong):
            pytest.fail(message, pytrace=False)
    pytest.fail(
        f"{steps} steps of {batch_size} sequences of {context_length} tokens, {parameters} "
        f"parameters: you returned {found}, right is {right}",
        pytrace=False,
    )


@pytest.mark.exercise("0.1", points=1, minutes=2, difficulty=1, section="How to work")
def test_the_example(submission):
    expect(submission, SMALL)


@pytest.mark.exercise("0.1")
def test_a_longer_run(submission):
    expect(submission, LONG)


@pytest.mark.exercise("0.1")
def test_fewer_tokens_than_parameters(submission):
    expect(submission, HUNGRY)


@pytest.mark.exercise("0.1")
def test_a_drawn_run(submission, seed):
    steps, batch_size, context_length, parameters = Random(seed).sample(range(3, 300), 4)
    right = Fraction(steps * batch_size * context_length, parameters)
    expect(submission, ((steps, batch_size, context_length, parameters), float(right)))

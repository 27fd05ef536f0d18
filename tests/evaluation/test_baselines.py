"""The copied nearest solution, against TF-IDF and cosine written out in Python."""

import math
from collections import Counter

import pytest

from phi1_lib.data.exercises.generate import generate_exercises
from phi1_lib.data.problems import Problem
from phi1_lib.evaluation import nearest_solution, nearest_solutions
from phi1_lib.evaluation.baselines import split_words

TRAIN, TEST = generate_exercises(300, 40, seed=3)


def tfidf(prompt: str) -> dict[str, float]:
    """count x (1 + ln((1 + prompts) / (1 + prompts with the word))), scaled to length 1."""
    words = Counter(split_words(prompt))
    with_it = Counter(word for p in TRAIN for word in set(split_words(p.prompt)))
    known = {word: n for word, n in words.items() if word in with_it}
    weights = {w: n * (1 + math.log((1 + len(TRAIN)) / (1 + with_it[w]))) for w, n in known.items()}
    length = math.hypot(*weights.values())
    return {word: weight / length for word, weight in weights.items()}


def test_equals_the_definition():
    vectors = [tfidf(problem.prompt) for problem in TRAIN]
    problems = TEST[:10]
    for problem, solution in zip(problems, nearest_solutions(problems, TRAIN), strict=True):
        query = tfidf(problem.prompt)
        cosines = [sum(query[w] * v.get(w, 0.0) for w in query) for v in vectors]
        best = max(cosines)
        assert (
            solution
            == TRAIN[next(i for i, c in enumerate(cosines) if c > best - 1e-8)].canonical_solution
        )


def test_a_training_prompt_gets_its_own_solution():
    prompts = {p.prompt: p for p in reversed(TRAIN)}  # the first of equal prompts wins
    for problem in list(prompts.values())[:20]:
        assert nearest_solution(problem, TRAIN) == problem.canonical_solution


def test_words_unknown_to_training():
    stranger = Problem("t", "ÄÖ", "f", "", "")
    assert nearest_solution(stranger, TRAIN) == TRAIN[0].canonical_solution


def test_nothing_to_copy():
    with pytest.raises(ValueError, match="no training problems"):
        nearest_solution(TEST[0], [])

"""The copied nearest solution, against scikit-learn's TF-IDF and cosine."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from phi1_lib.data.exercises.generate import generate_exercises
from phi1_lib.data.problems import Problem
from phi1_lib.evaluation import nearest_solution, nearest_solutions
from phi1_lib.evaluation.baselines import split_words

TRAIN, TEST = generate_exercises(300, 40, seed=3)


def test_equals_scikit_learn():
    vectorizer = TfidfVectorizer(tokenizer=split_words, token_pattern=None, lowercase=False)
    train = vectorizer.fit_transform(problem.prompt for problem in TRAIN)
    cosines = (vectorizer.transform(p.prompt for p in TEST) @ train.T).toarray()
    for i, solution in enumerate(nearest_solutions(TEST, TRAIN)):
        best = np.flatnonzero(cosines[i] > cosines[i].max() - 1e-8)
        assert solution == TRAIN[best[0]].canonical_solution


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

"""What a score must beat: answers that need no model.

The nearest training solution, copied: if a test set were only the training set reworded, this would
score well. What a model scores above it, it composed.
"""

import re
from collections.abc import Sequence

from phi1_lib.data.problems import Problem


def nearest_solutions(problems: Sequence[Problem], train_problems: Sequence[Problem]) -> list[str]:
    """Answer each problem with the solution of the training problem whose prompt is most like it.

    Likeness is the cosine of TF-IDF vectors over the words, numbers and signs of the prompt (name,
    types, docstring); of equals, the first wins. The solution is copied as it is.

    Returns:
        One completion a problem, in the order of `problems`.

    Raises:
        ValueError: there are no training problems.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not train_problems:
        raise ValueError("no training problems to copy from")
    vectorizer = TfidfVectorizer(analyzer=split_words)
    train = vectorizer.fit_transform(problem.prompt for problem in train_problems)
    cosines = vectorizer.transform(problem.prompt for problem in problems) @ train.T  # sparse
    # Rounded, so that equal prompts are equal whatever the order of their sums.
    nearest = [int(row.toarray().round(9).argmax()) for row in cosines]
    return [train_problems[index].canonical_solution for index in nearest]


def nearest_solution(problem: Problem, train_problems: Sequence[Problem]) -> str:
    """The same for one problem; `nearest_solutions` is much quicker for many."""
    return nearest_solutions([problem], train_problems)[0]


def split_words(prompt: str) -> list[str]:
    """Split a prompt into lower-case words, numbers and signs; names part at underscores.

    >>> split_words("def sum_even(x: int)")
    ['def', 'sum', 'even', '(', 'x', ':', 'int', ')']
    """
    return re.findall(r"[a-z]+|[0-9]+|[^\w\s]", prompt.lower())

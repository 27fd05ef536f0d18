"""What a score must beat: answers that need no model.

The nearest training solution, copied: if a test set were only the training set reworded, this would
score well. What a model scores above it, it composed.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

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
    index = _Index(train_problems)
    nearest = [train_problems[index.nearest(problem.prompt)] for problem in problems]
    return [problem.canonical_solution for problem in nearest]


def nearest_solution(problem: Problem, train_problems: Sequence[Problem]) -> str:
    """The same for one problem; `nearest_solutions` is much quicker for many."""
    return nearest_solutions([problem], train_problems)[0]


def split_words(prompt: str) -> list[str]:
    """Split a prompt into lower-case words, numbers and signs; names part at underscores.

    >>> split_words("def sum_even(x: int)")
    ['def', 'sum', 'even', '(', 'x', ':', 'int', ')']
    """
    return re.findall(r"[a-z]+|[0-9]+|[^\w\s]", prompt.lower())


class _Index:
    """TF-IDF vectors of the training prompts, stored by word: which prompts, with what weight.

    Weights are scikit-learn's defaults: count x (1 + ln((1 + prompts) / (1 + prompts with it))),
    each vector scaled to length 1.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("no training problems to copy from")
        counts = [Counter(split_words(problem.prompt)) for problem in problems]
        prompts_with = Counter(word for count in counts for word in count)
        self.size = len(problems)
        self.idf = {
            word: 1 + np.log((1 + self.size) / (1 + with_it))
            for word, with_it in prompts_with.items()
        }
        entries: dict[str, tuple[list[int], list[float]]] = {word: ([], []) for word in self.idf}
        for number, count in enumerate(counts):
            for word, weight in self.vector(count).items():
                entries[word][0].append(number)
                entries[word][1].append(weight)
        self.entries = {word: (np.array(n), np.array(w)) for word, (n, w) in entries.items()}

    def vector(self, count: Mapping[str, int]) -> dict[str, float]:
        """Weights of the known words of one prompt, of length 1."""
        weights = {word: n * self.idf[word] for word, n in count.items() if word in self.idf}
        length = sum(weight * weight for weight in weights.values()) ** 0.5
        return {word: weight / length for word, weight in weights.items()}

    def nearest(self, prompt: str) -> int:
        """Index of the training prompt with the largest cosine."""
        cosines = np.zeros(self.size)
        for word, weight in self.vector(Counter(split_words(prompt))).items():
            numbers, weights = self.entries[word]
            cosines[numbers] += weight * weights  # a prompt occurs once in a word's list
        return int(cosines.round(9).argmax())

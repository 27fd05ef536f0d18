"""The exercise of chapter 00: two minutes, to learn the way of working.

Write your answer in place of `raise NotImplementedError`, save the file, and run `%check 0.1` in
the chapter, or `pytest exercises --exercise 0.1` in a terminal. Or write the function in the
chapter, in a cell that begins with `%%solve 0.1`: it comes into this file by itself.
"""


def tokens_per_parameter(
    steps: int, batch_size: int, context_length: int, parameters: int
) -> float:
    """Exercise 0.1: How much does a parameter read?

    A training run makes `steps` steps. In each step the model reads `batch_size` sequences of
    `context_length` tokens. Return how many tokens it reads in the whole run for each of its
    `parameters`. Do not round.

        tokens_per_parameter(10, 4, 8, 128) -> 2.5
    """
    raise NotImplementedError("Exercise 0.1")

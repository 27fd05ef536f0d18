"""A programming problem with its tests: what evaluation runs and what exercises are made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem, with the fields of HumanEval (github.com/openai/human-eval).

    Attributes:
        task_id: unique name, such as "HumanEval/0".
        prompt: the code to be continued: imports, signature and docstring.
        entry_point: name of the function that the tests call.
        canonical_solution: a continuation of `prompt` that passes the tests.
        test: code that defines `check(candidate)`, which raises when the candidate is wrong.
    """

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str

    def program(self, completion: str) -> str:
        """Return the whole program that tests `completion`, as OpenAI's harness composes it.

        The program ends without an exception exactly when the completion passes. It is code that
        nobody has read: run it with `phi1_lib.sandbox.run_program` only.
        """
        return f"{self.prompt}{completion}\n{self.test}\ncheck({self.entry_point})"

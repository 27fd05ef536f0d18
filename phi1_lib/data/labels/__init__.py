"""The labels that teach the quality filter: references to snippets, never the text itself.

`educational_value.jsonl` says which lines of which file of which distribution were read,
what they were worth to a student, and the SHA-256 of the text. The text is looked up in the
learner's own environment. `RUBRIC.md` says what the labels 0 to 5 mean and how they were
given.
"""

import hashlib
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path

from phi1_lib.data.jsonl import read_jsonl

LABELS = Path(__file__).with_name("educational_value.jsonl")

EDUCATIONAL = 3
"""The lowest label that counts as educational: shows a basic concept well enough to learn from."""

# Why a label could not be resolved, as it is counted.
NOT_INSTALLED = "distribution is not installed"
NO_FILE = "file is missing or is not UTF-8 text"
OTHER_TEXT = "lines hold another text (another version?)"


@dataclass(frozen=True)
class Label:
    """One judgement about the lines `first` to `last` (counted from 1, both included) of a file.

    `distribution`, `version` and `path` are as in `Document.meta` of the local corpus; `sha256` is
    of the snippet's text in UTF-8, as `split_snippets` gives it. `stratum` says how it was drawn:
    "uniform" from all snippets, or "documented" from self-contained functions with a docstring.
    """

    distribution: str
    version: str
    path: str
    first: int
    last: int
    sha256: str
    stratum: str
    label: int
    reason: str
    label_2: int | None = None  # from the second pass, on a part of the snippets

    def __post_init__(self) -> None:
        for value in (self.label, self.label_2):
            if value is not None and value not in range(6):
                raise ValueError(f"label={value!r} of {self.path}: must be a whole number, 0 to 5")
        if not 1 <= self.first <= self.last:
            raise ValueError(f"lines {self.first}-{self.last} of {self.path}: not a range from 1")


@dataclass(frozen=True)
class LabelledSnippet:
    """A text found in this environment, with the reference that it was found by."""

    text: str
    reference: Label

    @property
    def label(self) -> int:
        """Educational value, 0 to 5."""
        return self.reference.label


def load_labels(path: str | Path = LABELS) -> list[Label]:
    """Read labels from a JSON Lines file; by default those that ship with the library.

    Raises:
        ValueError: a line is not a label; the file and the line's number are named.
    """
    names = {field.name for field in fields(Label)}
    labels = []
    for number, row in enumerate(read_jsonl(path), 1):
        if set(row) != names:
            wrong = ", ".join(sorted(set(row) ^ names))
            raise ValueError(f"{path}, label {number}: unknown or missing field: {wrong}")
        try:
            labels.append(Label(**row))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, label {number}: {error}") from None
    return labels


def resolve_labels(
    labels: Iterable[Label],
) -> tuple[list[LabelledSnippet], list[tuple[Label, str]]]:
    """Look up the labelled texts in this environment.

    A distribution may be installed at another version than the one that was read: the same lines
    are tried, and the hash decides. A label is never attached to a text that nobody read.

    Returns:
        (the labels with their texts, the others each with the reason), both in the given order.
    """
    resolved, unresolved = [], []
    files: dict[tuple[str, str], list[str] | str] = {}
    for label in labels:
        key = label.distribution, label.path
        if key not in files:
            files[key] = _read_lines(*key)
        lines = files[key]
        if isinstance(lines, str):
            unresolved.append((label, lines))
            continue
        text = "\n".join(lines[label.first - 1 : label.last]) + "\n"
        if hashlib.sha256(text.encode("utf-8")).hexdigest() == label.sha256:
            resolved.append(LabelledSnippet(text, label))
        else:
            unresolved.append((label, OTHER_TEXT))
    return resolved, unresolved


def _read_lines(distribution: str, path: str) -> list[str] | str:
    """Return the lines of an installed file, or the reason why there are none."""
    if distribution == "stdlib":
        location = Path(sysconfig.get_path("stdlib"), path)
    else:
        try:
            location = Path(str(metadata.distribution(distribution).locate_file(path)))
        except metadata.PackageNotFoundError:
            return NOT_INSTALLED
    try:
        # As the local corpus reads files: no byte order mark, every line end a "\n".
        return location.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        return NO_FILE


def agreement(labels: Iterable[Label]) -> dict[str, float]:
    """Compare the two passes on the snippets that were labelled twice.

    Returns:
        `snippets`: how many; `equal`: share with the same label; `within_one`: share at most one
        apart; `same_side`: share on the same side of "educational"; `weighted_kappa`: Cohen's
        kappa with quadratic weights (Cohen 1968), 1 for equal labels, 0 for what chance gives.

    Raises:
        ValueError: no snippet has two labels.
    """
    from sklearn.metrics import cohen_kappa_score

    pairs = [(label.label, label.label_2) for label in labels if label.label_2 is not None]
    if not pairs:
        raise ValueError("no snippet has a label_2: there is nothing to compare")
    first, second = zip(*pairs, strict=True)

    def share(hits: Iterable[bool]) -> float:
        return sum(hits) / len(pairs)

    return {
        "snippets": len(pairs),
        "equal": share(a == b for a, b in pairs),
        "within_one": share(abs(a - b) <= 1 for a, b in pairs),
        "same_side": share((a >= EDUCATIONAL) == (b >= EDUCATIONAL) for a, b in pairs),
        "weighted_kappa": float(cohen_kappa_score(first, second, weights="quadratic")),
    }


def describe_labels(labels: Sequence[Label]) -> str:
    """Return the text of `README.md` here: what was labelled, how, and how passes agree."""
    rows = []
    for stratum in dict.fromkeys(label.stratum for label in labels):
        counts = Counter(label.label for label in labels if label.stratum == stratum)
        educational = sum(n for value, n in counts.items() if value >= EDUCATIONAL)
        cells = [stratum, *(counts[value] for value in range(6)), counts.total(), educational]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    a = agreement(labels)
    distributions = len({label.distribution for label in labels})
    return _README.format(
        count=len(labels),
        distributions=distributions,
        educational=EDUCATIONAL,
        rows="\n".join(rows),
        **a,
    )


_README = """\
# Labels of educational value

{count} snippets from {distributions} distributions (the standard library counts as one), each with
a label of 0 to 5 by [the rubric](RUBRIC.md) and a reason of one line. This page is written by
`python benchmarks/quality_filter.py`.

| stratum | 0 | 1 | 2 | 3 | 4 | 5 | all | educational (at least {educational}) |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

*uniform*: drawn from all snippets of the local corpus with equal chances. *documented*: drawn from
functions with a docstring that use no name from outside, at most six of one distribution. Only the
uniform stratum says how common educational code is; the other is there to give the filter more
examples of it.

**Who labelled.** One annotator, a language model, in one pass under the rubric. No person has
checked the labels: take them as one opinion. {snippets} snippets, drawn at random, were labelled
again (`label_2`), in another order and without a look at the first labels: {equal:.0%} equal,
{within_one:.0%} at most one apart, {same_side:.0%} on the same side of the threshold, Cohen's kappa
with quadratic weights {weighted_kappa:.2f}. The second pass came soon after the first and from the
same model, which may have remembered: read this as an upper bound. It says how steady the
annotator is, not how right.

**What ships.** References only: distribution, version, path, first and last line, SHA-256 of the
text. Whoever has the same version installed has the text; elsewhere the label is unresolved.
"""

"""The quality filter: score snippets for educational value, keep the best.

phi-1 had GPT-4 judge about 100,000 files for "educational value for a student whose goal is to
learn basic coding concepts", trained a random forest on the output embedding of a pretrained code
model to predict the judgement, and kept about 6B of 35B tokens (paper, section 2.1; it gives
neither the forest's settings nor the threshold). Here a forest learns from about two hundred
labels, from word frequencies and simple statistics of the code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from phi1_lib.data.features import statistics_matrix, word_pieces
from phi1_lib.data.labels import EDUCATIONAL, LabelledSnippet

# Ours, chosen before looking at scores: enough for a few hundred labels, and fast.
TREES = 300
WORD_TOPICS = 20  # dimensions that the word frequencies are reduced to
_CHUNK = 5_000  # snippets scored at a time, which bounds the memory


class Scorer(Protocol):
    """What can learn from labelled texts and then score texts; `QualityFilter` is one."""

    def fit(self, texts: Sequence[str], labels: Sequence[int]) -> Self: ...

    def score(self, texts: Sequence[str]) -> np.ndarray: ...


class QualityFilter:
    """A random forest over word frequencies (TF-IDF, reduced by an SVD) and `code_statistics`.

    It is never saved. Fitting it again takes a second or two, and scikit-learn's models are saved
    as pickles, which run whatever code their maker put in when they are loaded.

    Args:
        seed: of the forest and of the SVD. The same seed, texts and labels give the same scores.
        trees: of the forest.
    """

    def __init__(self, seed: int = 0, trees: int = TREES) -> None:
        self.seed = seed
        self.trees = trees
        self._words = self._topics = self._forest = None

    def fit(self, texts: Sequence[str], labels: Sequence[int]) -> Self:
        """Learn from texts with labels 0 to 5, educational from `EDUCATIONAL` on.

        Raises:
            ValueError: the lengths differ, or all labels are on one side of `EDUCATIONAL`.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.feature_extraction.text import TfidfVectorizer

        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts but {len(labels)} labels: must be as many")
        educational = is_educational(labels)
        if len(set(educational)) < 2:
            raise ValueError(
                f"{len(labels)} labels, {educational.sum()} of them educational (at least "
                f"{EDUCATIONAL}): need snippets of both kinds to learn from"
            )
        # `min_df=2`: a word of one snippet alone can only be learned by heart.
        self._words = TfidfVectorizer(analyzer=word_pieces, sublinear_tf=True, min_df=2)
        frequencies = self._words.fit_transform(texts)
        self._topics = TruncatedSVD(min(WORD_TOPICS, frequencies.shape[1]), random_state=self.seed)
        topics = self._topics.fit_transform(frequencies)
        self._forest = RandomForestClassifier(
            n_estimators=self.trees,
            min_samples_leaf=2,
            class_weight="balanced",  # educational snippets are the smaller class
            random_state=self.seed,
        )
        self._forest.fit(np.hstack([topics, statistics_matrix(texts)]), educational)
        return self

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return each text's probability of being educational, float64 (texts,), in [0, 1].

        The probability is among texts mixed as the labels are, half of which were picked because
        they are promising: use it to rank, not to say how common educational code is.

        Raises:
            ValueError: `fit` was not called.
        """
        if self._forest is None:
            raise ValueError("this filter has not learned anything yet: call fit(texts, labels)")
        scores = [np.zeros(0)]
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            topics = self._topics.transform(self._words.transform(chunk))
            features = np.hstack([topics, statistics_matrix(chunk)])
            scores.append(self._forest.predict_proba(features)[:, 1])
        return np.concatenate(scores)


def is_educational(labels: Sequence[int]) -> np.ndarray:
    """Return which labels (0 to 5) count as educational, bool (labels,)."""
    return np.asarray(labels) >= EDUCATIONAL


def keep_best(scores: Sequence[float] | np.ndarray, fraction: float) -> list[int]:
    """Return the indices of the best `fraction` of scores, in their given order.

    Their number is `fraction` of all, rounded to the nearest and at least 1. Of equal scores at the
    border those that come first are kept, so the answer depends on nothing but the arguments.

    Raises:
        ValueError: `fraction` is not above 0 and at most 1, there are no scores, or one is NaN.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction={fraction}: must be above 0 and at most 1")
    if scores.size == 0 or np.isnan(scores).any():
        missing = np.isnan(scores).sum()
        raise ValueError(f"{scores.size} scores, {missing} of them NaN: need at least one number")
    count = max(1, round(fraction * scores.size))
    best = np.argsort(-scores, kind="stable")[:count]  # stable: the first of equals stays first
    return sorted(best.tolist())


class LengthOnly:
    """The baseline that sees nothing of a snippet but how many lines and characters it has."""

    def __init__(self, seed: int = 0, trees: int = TREES) -> None:
        from sklearn.ensemble import RandomForestClassifier

        # Larger leaves than the filter's: with two features, small ones only learn noise.
        self._forest = RandomForestClassifier(
            n_estimators=trees, min_samples_leaf=10, class_weight="balanced", random_state=seed
        )

    def fit(self, texts: Sequence[str], labels: Sequence[int]) -> Self:
        """Learn which lengths are educational; labels 0 to 5 as for `QualityFilter`."""
        self._forest.fit(self._lengths(texts), is_educational(labels))
        return self

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return each text's probability of being educational, float64 (texts,)."""
        return self._forest.predict_proba(self._lengths(texts))[:, 1]

    def _lengths(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[text.count("\n"), len(text)] for text in texts])


@dataclass(frozen=True)
class CrossValidation:
    """Scores that labelled snippets got from scorers that had not seen their distribution.

    Attributes:
        scores: float64 (snippets,), out of fold.
        educational: bool (snippets,), what the scores should tell apart.
        fold: int (snippets,), the fold in which each snippet was held out.
        uniform: bool (snippets,), which snippets are of the uniform sample.
        auc_all: AUC over all snippets. The documented ones were picked as promising, which makes
            this easier than the real task.
        auc: AUC on the uniform sample: the figure to quote.
        resampled: float64 (resamples,), `auc` of bootstrap resamples of the uniform sample. Two
            cross-validations of the same snippets and seed resampled the same snippets, so their
            difference, element by element, is that of a paired bootstrap.
    """

    scores: np.ndarray
    educational: np.ndarray
    fold: np.ndarray
    uniform: np.ndarray
    auc_all: float
    auc: float
    resampled: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of `auc`."""
        return percentile_interval(self.resampled)


def cross_validate(
    snippets: Sequence[LabelledSnippet],
    make_scorer: Callable[[int], Scorer] = QualityFilter,
    *,
    folds: int = 5,
    seed: int = 0,
    shuffle_labels: bool = False,
    resamples: int = 1_000,
) -> CrossValidation:
    """Score each snippet by a scorer that learned from the other folds only.

    A distribution is never on both sides of a fold: its files share names and style, and a scorer
    could recognise the project instead of the quality. The scores of all folds are pooled.

    Args:
        snippets: with their labels.
        make_scorer: makes an unfitted scorer from a seed.
        folds: at least 2, and at most as many as there are distributions.
        seed: of folds, scorers, shuffling and bootstrap.
        shuffle_labels: deal the labels out at random first. There is then nothing to learn, and
            over several seeds the AUC should scatter around 0.5: a check of the procedure itself.
            A single shuffle says little, as few snippets are educational.
        resamples: of the bootstrap.

    Raises:
        ValueError: there are fewer distributions than folds, or no educational snippets to learn
            from.
    """
    from sklearn.model_selection import GroupKFold

    texts = np.array([snippet.text for snippet in snippets], dtype=object)
    labels = np.array([snippet.label for snippet in snippets])
    distributions = [snippet.reference.distribution for snippet in snippets]
    uniform = np.array([snippet.reference.stratum == "uniform" for snippet in snippets])
    if shuffle_labels:
        # Within each stratum, so that the share of educational snippets stays what it was.
        generator = np.random.default_rng(seed)
        for stratum in (uniform, ~uniform):
            labels[stratum] = generator.permutation(labels[stratum])
    scores, fold = np.zeros(len(texts)), np.zeros(len(texts), dtype=int)
    splits = GroupKFold(folds, shuffle=True, random_state=seed)
    for number, (train, test) in enumerate(splits.split(texts, groups=distributions)):
        scores[test] = make_scorer(seed).fit(texts[train], labels[train]).score(texts[test])
        fold[test] = number
    educational = is_educational(labels)
    return CrossValidation(
        scores=scores,
        educational=educational,
        fold=fold,
        uniform=uniform,
        auc_all=auc(educational, scores),
        auc=auc(educational[uniform], scores[uniform]),
        resampled=bootstrap_auc(educational[uniform], scores[uniform], resamples, seed),
    )


def auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve.

    It is the chance that a positive drawn at random scores above a negative, ties counting one half
    (Mann and Whitney's U, divided by the number of pairs).

    Args:
        positive: bool (n,).
        scores: (n,), higher for what is more likely positive.

    Raises:
        ValueError: there is no positive, or no negative.
    """
    positive = np.asarray(positive, dtype=bool)
    scores = np.asarray(scores)
    if positive.all() or not positive.any():
        raise ValueError(f"{positive.sum()} of {positive.size} are positive: need both kinds")
    above = scores[positive][:, None] - scores[~positive][None, :]  # (positives, negatives)
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def bootstrap_auc(
    positive: np.ndarray, scores: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Return the AUC of `resamples` samples drawn with replacement, float64 (resamples,).

    Positives and negatives are drawn apart, each as many as there are, so that every resample has
    both.
    """
    generator = np.random.default_rng(seed)
    yes, no = np.flatnonzero(positive), np.flatnonzero(~positive)
    values = []
    for _ in range(resamples):
        drawn = np.concatenate([generator.choice(yes, yes.size), generator.choice(no, no.size)])
        values.append(auc(positive[drawn], scores[drawn]))
    return np.array(values)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the bounds that leave out (1 - level) / 2 of the values at either end."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

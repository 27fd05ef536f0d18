"""The filter, its folds and its figures. Oracles: scikit-learn's ROC AUC, counts by hand."""

import functools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from phi1_lib.data import quality
from phi1_lib.data.labels import Label, LabelledSnippet, load_labels, resolve_labels
from phi1_lib.data.quality import (
    LengthOnly,
    QualityFilter,
    auc,
    bootstrap_auc,
    cross_validate,
    keep_best,
    percentile_interval,
)

GOOD = '''\
def {0}(values):
    """Sum of {0}."""
    total = {1}
    for value in values:
        total += value
    return total
'''
BAD = "from {0} import thing_{1}\n\nNAME_{1} = '{0}'\nTABLE = [{1}, {1}]\n"


def made_up_snippets(count=60):
    """Snippets of six distributions, good and bad in turn, that words and statistics tell apart."""
    snippets = []
    for i in range(count):
        text = (GOOD if i % 2 else BAD).format(f"name{i}", i)
        reference = Label(
            f"package{i % 6 // 2}", "1", f"{i}.py", 1, 6, "", "uniform", 4 if i % 2 else 1, ""
        )
        snippets.append(LabelledSnippet(text, reference))
    return snippets


@pytest.fixture(scope="module", autouse=True)
def statistics_once():
    """Measure each text once: most of a cross-validation's time, and always the same numbers."""
    matrix = quality.statistics_matrix
    row = functools.cache(lambda text: matrix([text])[0])
    empty = matrix([])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            quality, "statistics_matrix", lambda texts: np.vstack([empty, *map(row, texts)])
        )
        yield


@pytest.fixture(scope="module")
def resolved():
    snippets, _ = resolve_labels(load_labels())
    return snippets


def small_filter(seed):
    return QualityFilter(seed, trees=60)  # a fifth of the time, nearly the same ranking


@pytest.fixture(scope="module")
def validation(resolved):
    return cross_validate(resolved, small_filter, seed=0)


def test_learns_what_is_plain_to_see():
    snippets = made_up_snippets()
    scorer = small_filter(0).fit([s.text for s in snippets], [s.label for s in snippets])
    good, bad = scorer.score([GOOD.format("other", 9), BAD.format("other", 9)])
    assert good > 0.9
    assert bad < 0.1


def test_scores_are_probabilities_in_the_order_of_the_texts(monkeypatch):
    snippets = made_up_snippets()
    texts = [s.text for s in snippets]
    scorer = small_filter(0).fit(texts, [s.label for s in snippets])
    scores = scorer.score(texts)
    assert scores.dtype == np.float64
    assert scores.shape == (60,)
    assert (0 <= scores).all() and (scores <= 1).all()
    monkeypatch.setattr("phi1_lib.data.quality._CHUNK", 7)
    assert np.array_equal(scorer.score(texts), scores)
    assert np.array_equal(scorer.score(texts[::-1]), scores[::-1])
    assert scorer.score([]).shape == (0,)


def test_same_seed_same_scores(resolved):
    texts = [s.text for s in resolved]
    labels = [s.label for s in resolved]
    first, again, other = (
        small_filter(seed).fit(texts[::2], labels[::2]).score(texts[1::2]) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("labels", [[1, 2], [3, 5], [1]])
def test_wrong_labels_are_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        QualityFilter().fit(["a = 1", "b = 2"], labels)


def test_a_filter_that_has_learned_nothing_says_so():
    with pytest.raises(ValueError, match="fit"):
        QualityFilter().score(["a = 1"])


def test_three_is_educational():
    """The threshold itself: 2 is below it, 3 is not."""
    texts = [s.text for s in made_up_snippets()]
    near = small_filter(0).fit(texts, [3 if i % 2 else 2 for i in range(60)]).score(texts)
    far = small_filter(0).fit(texts, [5 if i % 2 else 0 for i in range(60)]).score(texts)
    assert np.array_equal(near, far)


def test_folds_never_split_a_distribution(resolved, validation):
    folds_of = {}
    for snippet, fold in zip(resolved, validation.fold, strict=True):
        folds_of.setdefault(snippet.reference.distribution, set()).add(int(fold))
    assert len(folds_of) >= 5
    assert all(len(folds) == 1 for folds in folds_of.values())
    assert set(validation.fold) == set(range(5))


class Recorder:
    """A scorer that notes what it was shown."""

    def __init__(self, calls):
        self.calls = calls

    def fit(self, texts, labels):
        self.train = set(texts)
        return self

    def score(self, texts):
        self.calls.append((self.train, set(texts)))
        return np.arange(len(texts), dtype=float)


def test_no_text_is_scored_by_who_learned_from_it():
    calls, snippets = [], made_up_snippets()
    cross_validate(snippets, lambda seed: Recorder(calls), folds=3, resamples=1)
    distribution = {s.text: s.reference.distribution for s in snippets}
    assert len(calls) == 3
    for train, test in calls:
        assert {distribution[t] for t in train}.isdisjoint(distribution[t] for t in test)
        assert len(train) + len(test) == 60
    assert sum(len(test) for _, test in calls) == 60


def test_more_folds_than_distributions_are_refused():
    with pytest.raises(ValueError, match="4"):
        cross_validate(made_up_snippets(), small_filter, folds=4)


def test_figures_are_those_of_scikit_learn(resolved, validation):
    labels = np.array([s.label for s in resolved])
    uniform = np.array([s.reference.stratum == "uniform" for s in resolved])
    assert np.array_equal(validation.educational, labels >= 3)
    assert np.array_equal(validation.uniform, uniform)
    expected = roc_auc_score(labels[uniform] >= 3, validation.scores[uniform])
    assert validation.auc == pytest.approx(expected, abs=1e-12)
    assert validation.auc_all == pytest.approx(
        roc_auc_score(labels >= 3, validation.scores), abs=1e-12
    )


def test_auc_equals_scikit_learns_with_ties():
    generator = np.random.default_rng(0)
    for size in (2, 5, 40, 300):
        positive = generator.random(size) < 0.3
        positive[:2] = True, False
        scores = generator.integers(0, 6, size) / 5
        assert auc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    with pytest.raises(ValueError, match="both"):
        auc(np.array([True, True]), np.array([0.1, 0.2]))


def test_bootstrap_scatters_around_the_auc_as_theory_says():
    """Oracle: the standard error of Hanley and McNeil (1982), which holds for such scores."""
    generator = np.random.default_rng(1)
    positive = np.arange(400) < 100
    scores = generator.normal(positive.astype(float))
    values = bootstrap_auc(positive, scores, resamples=600, seed=0)
    a = auc(positive, scores)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + 99 * (q1 - a * a) + 299 * (q2 - a * a)) / (100 * 300))
    assert values.std() == pytest.approx(error, rel=0.25)
    assert values.mean() == pytest.approx(a, abs=error / 3)
    assert np.array_equal(values, bootstrap_auc(positive, scores, resamples=600, seed=0))


def test_percentile_interval():
    assert percentile_interval(np.arange(1001)) == pytest.approx((25, 975))


def test_the_filter_beats_length_on_the_uniform_sample(resolved, validation):
    length = cross_validate(resolved, lambda seed: LengthOnly(seed, trees=60), seed=0)
    assert validation.auc > length.auc
    low, _ = percentile_interval(validation.resampled - length.resampled)
    assert low > 0, "the gain over length could be chance"


def test_nothing_is_learned_from_shuffled_labels(resolved, validation):
    shuffled = np.array(
        [
            cross_validate(
                resolved,
                lambda seed: QualityFilter(seed, trees=15),
                seed=seed,
                shuffle_labels=True,
                resamples=1,
            ).auc
            for seed in range(10)
        ]
    )
    low, high = percentile_interval(shuffled)
    assert low < 0.5 < high
    assert validation.auc > shuffled.max()


def test_shuffling_keeps_how_many_are_educational_in_each_stratum(resolved, validation):
    shuffled = cross_validate(
        resolved, lambda seed: QualityFilter(seed, trees=5), shuffle_labels=True, resamples=1
    )
    for stratum in (validation.uniform, ~validation.uniform):
        assert shuffled.educational[stratum].sum() == validation.educational[stratum].sum()
    assert not np.array_equal(shuffled.educational, validation.educational)


@pytest.mark.parametrize(
    ("scores", "fraction", "kept"),
    [
        ([0.1, 0.9, 0.5, 0.7], 0.5, [1, 3]),
        ([0.1, 0.9, 0.5, 0.7], 1, [0, 1, 2, 3]),
        ([0.1, 0.9, 0.5, 0.7], 0.01, [1]),  # at least one
        ([0.5, 0.5, 0.5, 0.5], 0.5, [0, 1]),  # ties: the first
        ([0.2, 0.5, 0.9, 0.5, 0.5], 0.6, [1, 2, 3]),
        ([0.3], 0.5, [0]),
    ],
)
def test_keep_best(scores, fraction, kept):
    assert keep_best(scores, fraction) == kept
    assert keep_best(np.array(scores), fraction) == kept


@pytest.mark.parametrize(
    ("scores", "fraction"), [([0.5], 0), ([0.5], 1.1), ([], 0.5), ([0.5, float("nan")], 0.5)]
)
def test_keep_best_refuses(scores, fraction):
    with pytest.raises(ValueError):
        keep_best(scores, fraction)

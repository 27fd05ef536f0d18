"""The shipped labels and how they are found. Oracles: hashlib, the corpus itself, scikit-learn."""

import hashlib
import json
import re
import sysconfig
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from phi1_lib.data.documents import Document
from phi1_lib.data.labels import (
    LABELS,
    NO_FILE,
    NOT_INSTALLED,
    OTHER_TEXT,
    Label,
    agreement,
    describe_labels,
    load_labels,
    resolve_labels,
)
from phi1_lib.data.snippets import split_snippets

ROOT = Path(__file__).parents[2]
HEAPQ = Path(sysconfig.get_path("stdlib"), "heapq.py")


@pytest.fixture(scope="module")
def labels():
    return load_labels()


def stdlib_label(first=1, last=3, **changes):
    """A label of lines of the standard library that runs this test."""
    lines = HEAPQ.read_text(encoding="utf-8").split("\n")
    text = "\n".join(lines[first - 1 : last]) + "\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    label = Label("stdlib", "3", "heapq.py", first, last, sha256, "uniform", 3, "a reason")
    return replace(label, **changes)


def installed_version(distribution):
    if distribution == "stdlib":
        return sysconfig.get_python_version()
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def test_what_ships(labels):
    assert len(labels) >= 165
    assert sum(label.stratum == "uniform" for label in labels) >= 105
    assert {label.stratum for label in labels} == {"uniform", "documented"}
    assert {label.label for label in labels} == set(range(6))
    assert len({(label.distribution, label.path, label.first) for label in labels}) == len(labels)
    assert sum(label.label_2 is not None for label in labels) == 30
    for label in labels:
        assert re.fullmatch("[0-9a-f]{64}", label.sha256)
        assert 0 < len(label.reason) <= 120
        assert "\n" not in label.reason
        assert not Path(label.path).is_absolute()


def test_enough_labels_are_of_pinned_versions(labels):
    """Fails when the pins move on: then the labels must be given again for the new versions."""
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, version = re.split("==", line.split(";")[0].strip())
            pins[re.sub(r"[-_.]+", "-", name).lower()] = version
    pinned = [x for x in labels if pins.get(x.distribution) == x.version.split("+")[0]]
    assert len(pinned) >= 150


def test_labels_of_installed_versions_are_resolved(labels):
    same = [label for label in labels if installed_version(label.distribution) == label.version]
    resolved, unresolved = resolve_labels(labels)
    assert [label for label, _ in unresolved if label in same] == []
    assert len(resolved) + len(unresolved) == len(labels)
    assert len(resolved) >= min(150, len(same))
    for snippet in resolved:
        assert hashlib.sha256(snippet.text.encode()).hexdigest() == snippet.reference.sha256


def test_borders_are_those_of_split_snippets(labels):
    """A labelled text is a snippet that the pipeline really scores."""
    resolved, _ = resolve_labels(labels)
    for snippet in resolved[::10]:
        reference = snippet.reference
        if reference.distribution == "stdlib":
            location = Path(sysconfig.get_path("stdlib"), reference.path)
        else:
            location = metadata.distribution(reference.distribution).locate_file(reference.path)
        text = Path(location).read_text(encoding="utf-8-sig")
        snippets = split_snippets(Document(text, "id", "local", "MIT"))
        assert snippet.text in [found.text for found in snippets]


def test_a_right_label_is_resolved_to_its_lines():
    label = stdlib_label(5, 8)
    (snippet,), unresolved = resolve_labels([label])
    lines = HEAPQ.read_text(encoding="utf-8").split("\n")
    assert snippet.text.split("\n") == [*lines[4:8], ""]
    assert (snippet.label, snippet.reference, unresolved) == (3, label, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, OTHER_TEXT),
        ({"first": 2}, OTHER_TEXT),
        ({"last": 4}, OTHER_TEXT),
        ({"first": 10**6, "last": 10**6}, OTHER_TEXT),
        ({"path": "no_such_file.py"}, NO_FILE),
        ({"distribution": "no-such-distribution"}, NOT_INSTALLED),
        ({"distribution": "pytest"}, NO_FILE),
    ],
)
def test_what_does_not_match_is_unresolved_with_its_reason(changes, reason):
    good = stdlib_label()
    bad = replace(good, **changes)
    resolved, unresolved = resolve_labels([bad, good])
    assert [snippet.reference for snippet in resolved] == [good]
    assert unresolved == [(bad, reason)]


def test_another_version_counts_if_the_text_is_the_same():
    resolved, _ = resolve_labels([stdlib_label(version="0.1")])
    assert len(resolved) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 6}, "label=6"),
        ({"label": "3"}, "label='3'"),
        ({"label_2": -1}, "label=-1"),
        ({"first": 0}, "lines 0-3"),
        ({"first": 4, "last": 3}, "lines 4-3"),
        ({"text": "x = 1"}, "text"),
    ],
)
def test_a_wrong_label_is_named(tmp_path, changes, message):
    good = asdict(stdlib_label())
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | changes) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_labels(path)
    assert "labels.jsonl, label 2" in str(error.value)


def test_agreement_by_hand_and_by_scikit_learn():
    pairs = [(0, 0), (1, 2), (3, 3), (5, 4), (2, 3), (2, 4), (4, None)]
    found = agreement([stdlib_label(label=a, label_2=b) for a, b in pairs])
    assert found["snippets"] == 6
    assert found["equal"] == pytest.approx(2 / 6)
    assert found["within_one"] == pytest.approx(5 / 6)
    assert found["same_side"] == pytest.approx(4 / 6)
    first, second = [0, 1, 3, 5, 2, 2], [0, 2, 3, 4, 3, 4]
    kappa = cohen_kappa_score(first, second, weights="quadratic")
    assert found["weighted_kappa"] == pytest.approx(kappa)
    with pytest.raises(ValueError, match="label_2"):
        agreement([stdlib_label()])


def test_the_shipped_readme_is_what_the_code_writes(labels):
    shipped = LABELS.with_name("README.md").read_text(encoding="utf-8")
    assert shipped == describe_labels(labels), "remake it: python benchmarks/quality_filter.py"

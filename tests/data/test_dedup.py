"""Exact duplicates. Oracle: the first occurrences, by `dict.fromkeys`."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.data.dedup import drop_exact_duplicates
from phi1_lib.data.documents import Document


@given(st.lists(st.text(alphabet="ab ", max_size=2)))
def test_keeps_the_first_copy_of_each_text(texts):
    documents = [Document(text, str(i), "s", "MIT") for i, text in enumerate(texts)]
    skipped = Counter()
    kept = list(drop_exact_duplicates(documents, skipped))
    assert [document.text for document in kept] == list(dict.fromkeys(texts))
    assert [document.id for document in kept] == [str(texts.index(d.text)) for d in kept]
    assert skipped["exact duplicate"] == len(texts) - len(kept)


def test_a_space_makes_a_difference_and_broken_text_is_no_error():
    documents = [Document(t, t, "s", "MIT") for t in ("a", "a ", "\ud800")]
    assert list(drop_exact_duplicates(documents)) == documents

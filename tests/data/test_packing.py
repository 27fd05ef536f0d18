"""Packing. Oracle: plain Python lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.data.packing import document_bounds, pack

DOCUMENTS = st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=6)


@given(DOCUMENTS)
def test_each_document_is_followed_by_the_end_of_text(documents):
    packed = np.concatenate(list(pack(documents, 0))).tolist()
    assert packed == [id for document in documents for id in [*document, 0]]


@given(DOCUMENTS)
def test_bounds_cut_packed_ids_into_the_documents(documents):
    ids = np.concatenate(list(pack(documents, 0)))
    bounds = document_bounds(ids, 0)
    assert bounds.dtype == np.int32
    cut = [ids[a:b].tolist() for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    assert cut == [[*document, 0] for document in documents]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([5, 6], [0, 2]),
        ([0], [0, 1]),
        ([0, 0, 7], [0, 1, 2, 3]),
        ([7, 0, 8, 9], [0, 2, 4]),
        ([[5, 0, 6], [7, 8, 0]], [0, 2, 3, 6]),
        ([[5, 6, 6], [7, 8, 8]], [0, 3, 6]),
    ],
)
def test_bounds_of_slices(ids, expected):
    assert document_bounds(np.array(ids), 0).tolist() == expected


def test_no_ids_are_refused():
    with pytest.raises(ValueError, match="ids is empty"):
        document_bounds(np.array([]), 0)

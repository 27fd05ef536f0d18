"""Values on the wire: what goes in comes out, and nothing else ever comes out.

Oracles: Python's and torch's own equality for round trips; for messages that no encoder wrote, the
promise that only `CodecError` is raised.
"""

import json
from collections import Counter, OrderedDict, defaultdict, namedtuple
from enum import IntEnum

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.course.grading import codec


def no_handle(*_):
    raise codec.CodecError("there are no handles here")


def crossed(value: object, **options) -> object:
    """The value after encoding, JSON and decoding."""
    tree = json.loads(json.dumps(codec.Encoder(no_handle, **options).encode(value)))
    return codec.Decoder(no_handle, lambda: None).decode(tree)


NAN = float("nan")
PLAIN = [
    *(None, True, False, 0, -1, 2**63 - 1, 2**63, -(2**99), 0.0, -0.0, 1e-320, float("inf")),
    *("", "née 🙂\0\n", "\ud800", "\ud83d\ude00", b"", b"\0\xff", bytearray(b"ab"), 1 - 2j),
    *([], [1, [2, [True]]], (), (1,), {}, {(1, "a"): [b"x"]}, set(), {1, 2}, frozenset({(1,)})),
    *(range(3, 9, 2), range(0, 10**30), ...),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
@pytest.mark.parametrize("exact", [False, True])
def test_plain_values(value, exact):
    found = crossed(value, exact=exact)
    assert found == value and type(found) is type(value)
    assert repr(found) == repr(value)  # tells -0.0 from 0.0 and True from 1, inside too


def test_order_of_a_dictionary():
    assert list(crossed({"b": 1, "a": 2})) == ["b", "a"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(values)
def test_any_plain_value(value):
    assert repr(crossed(value)) == repr(value)


class Color(IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (Color.RED, 3),
        (numpy.float64(0.5), 0.5),
        (type("S", (str,), {})("s"), "s"),
    ],
    ids=str,
)
def test_subclasses_arrive_as_what_they_derive_from(value, base):
    found = crossed(value)
    assert found == base and type(found) is type(base)


def test_a_subclass_cannot_change_what_is_sent():
    class Liar(dict):
        def items(self):
            return [("lie", 1)]

        __iter__ = keys = values = __len__ = None

    assert crossed(Liar(a=1)) == {"a": 1}


@pytest.mark.parametrize("name", codec.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3)])
def test_tensors(name, shape):
    tensor = (torch.arange(6).resize_(shape) if shape != () else torch.tensor(5)).to(
        getattr(torch, name)
    )
    found = crossed(tensor)
    assert type(found) is torch.Tensor and found.dtype == tensor.dtype
    assert found.shape == tensor.shape and torch.equal(found, tensor)


def test_tensors_in_other_layouts():
    base = torch.arange(6.0).reshape(2, 3)
    for tensor in (base.T, base[:, ::2], base[0].expand(4, 3), torch.tensor([1j]).conj()):
        assert torch.equal(crossed(tensor), tensor)
    assert crossed(torch.tensor([NAN])).isnan().all()
    parameter = torch.nn.Parameter(torch.ones(2))
    assert type(crossed(parameter)) is torch.Tensor and crossed(parameter).requires_grad
    assert not crossed(parameter * 2).requires_grad  # its history stays behind
    assert crossed(torch.bfloat16) is torch.bfloat16
    with pytest.raises(codec.CodecError, match="sparse"):
        crossed(base.to_sparse())


def test_a_tensor_class_of_the_submissions_is_only_numbers():
    class AlwaysClose(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return True

    found = crossed(torch.ones(2).as_subclass(AlwaysClose))
    assert type(found) is torch.Tensor and found.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("array", [numpy.arange(4.0), numpy.zeros((2, 0)), numpy.array(True)])
def test_arrays(array):
    found = crossed(array)
    assert found.dtype == array.dtype and numpy.array_equal(found, array)
    assert type(crossed(numpy.int64(3))) is numpy.int64
    with pytest.raises(codec.CodecError, match="object"):
        crossed(numpy.array([object()]))


def test_what_is_too_large_or_too_deep():
    deep: list = []
    for _ in range(99):
        deep = [deep]
    for value, words in [
        (deep, "60 levels"),
        ([0] * (codec.MAX_ITEMS + 1), "300,000 items"),
        (torch.zeros(2 << 20), "too large"),
        (numpy.zeros(2 << 20), "cannot cross"),
    ]:
        with pytest.raises(codec.CodecError, match=words):
            crossed(value)
    with pytest.raises(codec.CodecError, match="8 MiB"):
        codec.pack({"return": "x" * (9 << 20)})


def test_the_judge_sends_its_own_classes_as_handles():
    class Lookup(dict):
        pass

    def handle(value):
        return ["h", type(value).__name__]

    assert codec.Encoder(handle, exact=True).encode([Lookup(a=1), print]) == [
        "l",
        ["h", "Lookup"],
        ["h", "builtin_function_or_method"],
    ]


# --- What no encoder wrote ---------------------------------------------------------------------

FORGED = [
    *([], [[]], {}, {"a": 1}, ["?"], ["ls"], [1], ["i"], ["i", 5], ["i", "zz"], ["u", "!"]),
    *(["b", "a"], ["b", 7], ["c", "x", 1], ["c", 1], ["d", 1], ["d", ["l"], 1], ["s", ["l"]]),
    *(["r", "1", "2", "0"], ["r", 1], ["D", "Tensor"], ["D", "os"], ["D", []], ["h", 1], ["o", 0]),
    ["T", "float32", [1], "", False],
    ["T", "float32", [-1], "AAAA", False],
    ["T", "float32", [0, 1 << 60], "", False],
    ["T", "float32", ["1"], "AAAAAA==", False],
    ["T", "Tensor", [1], "AAAAAA==", False],
    ["T", "__class__", [1], "AAAAAA==", False],
    ["A", "O", [1], "AAAAAAAAAAA=", False],
    ["A", "f8", [1 << 30], "AAAAAAAAAAA=", False],
    ["A", "V8", [1], "AAAAAAAAAAA=", False],
    ["A", "M8[s]", [1], "AAAAAAAAAAA=", False],
    ["A", [["a", "O"]], [1], "AAAAAAAAAAA=", False],
]


@pytest.mark.parametrize("tree", FORGED, ids=repr)
def test_a_forged_value_is_refused(tree):
    with pytest.raises(codec.CodecError):
        codec.Decoder(no_handle, lambda: None).decode(tree)


letters = st.sampled_from([*"ltsfdhoiubycreTAD", "", "float32", "<f8", "AAAA", "0x1"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | letters,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.builds(lambda letter, parts: [letter, *parts], letters, st.lists(inner, max_size=5))
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=30,
)
SAFE = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set),
    *(frozenset, range, type(...), torch.Tensor, torch.dtype, numpy.ndarray, numpy.generic),
)


@settings(max_examples=400, deadline=None)
@given(trees)
def test_random_json_gives_plain_values_or_a_codec_error(tree):
    try:
        found = codec.Decoder(no_handle, lambda: None).decode(tree)
    except codec.CodecError:
        return
    assert isinstance(found, SAFE)


def test_decoding_can_be_stopped():
    """Keys of one hash make a dictionary quadratic: the caller's clock must be asked."""
    ticks = 0

    def tick():
        nonlocal ticks
        ticks += 1
        if ticks > 5000:
            raise TimeoutError

    same = [["i", hex(i * (2**61 - 1) + 1)] for i in range(1, 4000)]
    with pytest.raises(TimeoutError):
        codec.Decoder(no_handle, tick).decode(["s", *same])


# --- Messages ----------------------------------------------------------------------------------


def reader(data: bytes, step: int = 3):
    """Gives the data in small pieces, as a socket may."""
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        piece = data[position : position + min(size, step)]
        position += len(piece)
        return piece

    return read


def test_messages():
    assert codec.receive(reader(codec.pack({"return": [1, "é"]}))) == {"return": [1, "é"]}
    for data in (b"", b"\0\0", codec.pack({"a": 1})[:-1]):
        with pytest.raises(EOFError):
            codec.receive(reader(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\2{]",
        b"\0\0\0\1\xff",
        b"\0\0\0\2[]",
        (200_000).to_bytes(4, "big") + b"[" * 200_000,
        (9000).to_bytes(4, "big") + b'{"a":' + b"9" * 8994 + b"}",
    ],
    ids=["long", "no JSON", "no text", "no object", "deep", "a long number"],
)
def test_what_is_no_message(data):
    with pytest.raises(codec.CodecError):
        codec.receive(reader(data, step=1 << 20))

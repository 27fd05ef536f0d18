"""Values between the judge and an isolated submission: plain data in JSON, never code.

What comes from a submission can only ever become `None`, bool, int, float, complex, str, bytes,
bytearray, list, tuple, dict, set, frozenset, range, `...`, a torch tensor or dtype, a NumPy array,
or a *handle*: a number that stands for an object which stays in its own process. Subclasses arrive
as what they derive from (a Counter as a dict, a named tuple as a tuple, a Parameter as a tensor).
Tensors lose their history: gradients do not cross.

A message is four bytes of length and that many bytes of JSON. Values that JSON lacks are lists
that begin with a letter.

This file is also loaded by path into the process of the submission, where `phi1_lib` cannot be
read: it imports the standard library, and torch or NumPy only where they are loaded already.
"""

import base64
import json
import math
import struct
import sys
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

MAX_BYTES = 8 << 20  # of one message
MAX_ARRAY_BYTES = 4 << 20  # of the numbers of one tensor
MAX_ITEMS = 300_000  # of all containers of one message
MAX_DEPTH = 60
INT_BITS = 63
DTYPES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()
NUMPY_KINDS = "biufc"
HEADER = struct.Struct(">I")


class CodecError(ValueError):
    """A value that cannot cross, or a message that is none; the text says why."""


class Encoder:
    """Turns values into what JSON can hold.

    Args:
        handle: turns any other object into a JSON value.
        exact: send by value only what has one of the types `BY_VALUE`; objects of a class derived
            from one go to `handle`. (The judge's own objects may refuse what a dictionary allows.)
    """

    def __init__(self, handle: Callable[[object], list], exact: bool = False) -> None:
        self._handle = handle
        self._exact = exact
        self._left = MAX_ITEMS

    def encode(self, value: object, depth: int = 0) -> Any:
        """Return the JSON value. Raises CodecError: too deep, too large, or no way to send it."""
        if depth > MAX_DEPTH:
            raise CodecError(f"a value is nested more than {MAX_DEPTH} levels deep")
        if value is None or isinstance(value, bool):
            return value
        if not self._exact or type(value) in BY_VALUE:
            for letter, kind in CONTAINERS.items():
                if isinstance(value, kind):
                    return [letter, *self._parts(value, kind, depth)]
            for kind, encode in SCALARS.items():
                if isinstance(value, kind):
                    return encode(value)
        array = _encode_array(value)
        return self._handle(value) if array is None else array

    def _parts(self, value: Any, kind: type, depth: int) -> list:
        # The base's own methods: a class derived from it may have changed them.
        self._left -= kind.__len__(value)
        if self._left < 0:
            raise CodecError(f"a value holds more than {MAX_ITEMS:,} items")
        parts = kind.__iter__(value)
        if kind is dict:
            parts = (part for pair in dict.items(value) for part in pair)
        return [self.encode(part, depth + 1) for part in parts]


CONTAINERS = {"l": list, "t": tuple, "d": dict, "s": set, "f": frozenset}


def _encode_int(value: int) -> int | list:
    number = int.__index__(value)
    return number if number.bit_length() <= INT_BITS else ["i", hex(number)]


def _encode_str(value: str) -> str | list:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON would join two halves of a surrogate pair
        return ["u", _text(text.encode("utf-8", "surrogatepass"))]
    return text


SCALARS: dict[type, Callable[[Any], Any]] = {
    int: _encode_int,
    float: float.__float__,
    str: _encode_str,
    bytes: lambda value: ["b", _text(value)],
    bytearray: lambda value: ["y", _text(value)],
    complex: lambda value: ["c", value.real, value.imag],
    range: lambda value: ["r", *map(hex, (value.start, value.stop, value.step))],
    types.EllipsisType: lambda value: ["e"],
}
BY_VALUE = {*CONTAINERS.values(), *SCALARS, Counter, OrderedDict, defaultdict}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _encode_array(value: object) -> list | None:
    """JSON of a tensor, a dtype or a NumPy array or number, or None."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.dtype):
        return ["D", str(value).removeprefix("torch.")]
    if torch is not None and isinstance(value, torch.Tensor):
        return _encode_tensor(torch, value)
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        array = numpy.ascontiguousarray(value).view(numpy.ndarray)
        if array.dtype.kind not in NUMPY_KINDS or array.nbytes > MAX_ARRAY_BYTES:
            raise CodecError(f"an array of {array.dtype} with {array.nbytes:,} bytes cannot cross")
        shape = list(numpy.shape(value))
        return [
            "A",
            array.dtype.str,
            shape,
            _text(array.tobytes()),
            isinstance(value, numpy.generic),
        ]
    return None


def _encode_tensor(torch, value) -> list:
    with torch._C.DisableTorchFunctionSubclass():  # a class derived from Tensor has no say
        name = str(value.dtype).removeprefix("torch.")
        if name not in DTYPES or value.layout != torch.strided or value.device.type != "cpu":
            raise CodecError(f"a {value.layout} tensor of {name} on {value.device} cannot cross")
        if value.numel() * value.element_size() > MAX_ARRAY_BYTES:
            raise CodecError(f"a tensor of shape {tuple(value.shape)} is too large to be graded")
        plain = value.detach().as_subclass(torch.Tensor)
        flat = plain.resolve_conj().resolve_neg().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if len(flat) else b""
        leaf = bool(value.requires_grad and value.is_leaf)
        return ["T", name, list(plain.shape), _text(data), leaf]


class Decoder:
    """Makes values out of JSON; trusts nothing about it.

    Args:
        handle: turns the JSON value of a handle into an object; gets the list after the letter.
        tick: called for every part; may raise to stop.
    """

    def __init__(self, handle: Callable[[str, list], object], tick: Callable[[], None]) -> None:
        self._handle = handle
        self._tick = tick
        self._left = 2 * MAX_ITEMS

    def decode(self, tree: Any, depth: int = 0) -> Any:
        """Return the value. Raises CodecError for anything but an encoder's work."""
        self._left -= 1
        self._tick()
        if depth > MAX_DEPTH or self._left < 0:
            raise CodecError("the value is too deep or too large")
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise CodecError("the message is none of the encoder's")
        letter, parts = tree[0], tree[1:]
        try:
            if letter in "ltsfd":
                return self._container(letter, parts, depth)
            if letter in "ho":
                return self._handle(letter, parts)
            return DECODERS[letter](*parts)
        except CodecError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError):
            raise CodecError("the message is none of the encoder's") from None

    def _container(self, letter: str, parts: list, depth: int) -> Any:
        items = [self.decode(part, depth + 1) for part in parts]
        if letter == "l":
            return items
        if letter == "t":
            return tuple(items)
        if letter == "d":
            found = {}
            for key, value in zip(items[::2], items[1::2], strict=True):
                self._tick()  # keys of one hash make this slow
                found[key] = value
            return found
        members = set()
        for item in items:
            self._tick()
            members.add(item)
        return members if letter == "s" else frozenset(members)


def _number(text: str) -> int:
    return int(text, 16)


def _tensor(name: str, shape: list, text: str, leaf: bool = False):
    import torch

    data, shape = base64.b64decode(text, validate=True), _shape(shape)
    if name not in DTYPES:
        raise CodecError("no such dtype")
    dtype = getattr(torch, name)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise CodecError("the tensor's numbers do not fill its shape")
    if name == "bool":
        data = data.translate(bytes([0]) + bytes([1]) * 255)
    if not data:
        return torch.empty(shape, dtype=dtype)
    tensor = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
    return tensor.requires_grad_() if leaf is True and dtype.is_floating_point else tensor


def _array(dtype: str, shape: list, text: str, single: bool):
    import numpy

    kind = numpy.dtype(str(dtype))
    if kind.kind not in NUMPY_KINDS:
        raise CodecError("no such dtype")
    flat = numpy.frombuffer(base64.b64decode(text, validate=True), kind)
    array = flat.reshape(_shape(shape)).copy()
    return array[()] if single is True else array


def _shape(shape: list) -> list[int]:
    if not isinstance(shape, list) or len(shape) > MAX_DEPTH:
        raise CodecError("no such shape")
    if any(type(size) is not int or not 0 <= size < 1 << 40 for size in shape):
        raise CodecError("no such shape")
    return shape


def _dtype(name: str):
    import torch

    if name not in DTYPES:
        raise CodecError("no such dtype")
    return getattr(torch, name)


DECODERS: dict[str, Callable] = {
    "i": _number,
    "u": lambda text: base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "b": lambda text: base64.b64decode(text, validate=True),
    "y": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "c": lambda real, imag: complex(float(real), float(imag)),
    "r": lambda start, stop, step: range(_number(start), _number(stop), _number(step)),
    "e": lambda: ...,
    "T": _tensor,
    "A": _array,
    "D": _dtype,
}


def pack(message: dict) -> bytes:
    """The bytes of one message. Raises CodecError when it is larger than `MAX_BYTES`."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_BYTES:
        raise CodecError(f"a value takes more than {MAX_BYTES >> 20} MiB to send")
    return HEADER.pack(len(data)) + data


def receive(read: Callable[[int], bytes]) -> dict:
    """Read one message; `read(size)` gives some bytes, at most `size`, and none at the end.

    Raises:
        EOFError: the other side has closed the channel.
        CodecError: what came is no message.
    """
    (length,) = HEADER.unpack(_read_all(read, HEADER.size))
    if length > MAX_BYTES:
        raise CodecError("the message is too long")
    try:
        message = json.loads(_read_all(read, length))
    except (ValueError, RecursionError, MemoryError):
        raise CodecError("the message is no JSON") from None
    if not isinstance(message, dict):
        raise CodecError("the message is none of the encoder's")
    return message


def _read_all(read: Callable[[int], bytes], size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = read(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)

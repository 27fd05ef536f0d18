"""What graders of tensors say: right within rounding, a known mistake by its name, or neither."""

import math

import pytest
import torch

from phi1_lib.course.grading.tensors import close, expect

RIGHT = torch.tensor([1.0, -2.0, 4.0])
MISTAKES = [(RIGHT.flip(0), "this is the order of the end"), (-RIGHT, "the sign is lost")]


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_rounding_is_forgiven_and_no_more(size):
    ulp = 4 * size * torch.finfo(torch.float32).eps  # one unit of the largest value
    right = (RIGHT * size).double()
    assert close(right + 60 * ulp, right) and not close(right + 70 * ulp, right)


def test_infinities_and_nan_are_compared_as_they_are():
    right = torch.tensor([0.0, -math.inf, math.nan])
    assert close(right.clone(), right)
    assert not close(torch.tensor([0.0, 0.0, math.nan]), right)
    assert not close(torch.tensor([1e-3, -math.inf, math.nan]), right)
    assert not close(right[:2], right)
    assert close(right[1:2], right[1:2])  # nothing finite to measure by


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "your function returned None: is there a `return`?"),
        ([1.0, -2.0, 4.0], "the sum is a list, not a tensor"),
        (RIGHT[:2], "the sum has shape (2,); it should be (3,)"),
        (RIGHT.int(), "the sum has dtype torch.int32: it should hold floating-point numbers"),
        (RIGHT.flip(0), "this is the order of the end"),
        (-RIGHT, "the sign is lost"),
        (RIGHT + 1, "add what was asked"),
        (RIGHT * math.nan, "there are nan in the sum; add what was asked"),
    ],
)
def test_each_failure_has_its_words(found, message):
    with pytest.raises(pytest.fail.Exception) as failure:
        expect(found, RIGHT, MISTAKES, "add what was asked", "the sum")
    assert str(failure.value) == message


def test_the_right_answer_passes_in_any_floating_dtype():
    for dtype in (torch.float32, torch.float64):
        expect(RIGHT.to(dtype), RIGHT, MISTAKES, "add what was asked")

"""The check of what the course assumes. Oracle: Python and PyTorch run the questions' own code."""

import contextlib
import io
import math
import posixpath
import re

import pytest
import torch

from phi1_lib.course import quiz
from phi1_lib.course.quiz import NOT_YET, OPEN, QUESTIONS, RIGHT, assess, summary

ALL_RIGHT = {number: question.right for number, question in enumerate(QUESTIONS, 1)}
PRINTING = [question for question in QUESTIONS if question.text == "What does this print?"]


def by_topic(topic):
    return next(question for question in QUESTIONS if question.topic == topic)


def right_choice(question):
    return question.choices[question.letters.index(question.right)]


@pytest.fixture
def shown(monkeypatch):
    """What the quiz displays, as a list of dictionaries from format to text."""
    outputs = []
    monkeypatch.setattr(quiz, "display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.mark.parametrize("question", PRINTING, ids=lambda q: q.topic)
def test_the_right_choice_is_what_python_prints(question):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(question.code, {})
    assert right_choice(question) == printed.getvalue().strip()
    assert len(set(question.choices)) == len(question.choices)


def test_the_gradient_question():
    names = {}
    question = by_topic("gradients")
    exec(question.code, names)
    assert names["x"].grad == 6
    little = 1e-3
    growth = (3 + little) ** 2 - 3**2
    assert growth / little == pytest.approx(6, rel=1e-3)
    assert "6 times that little" in right_choice(question)
    assert torch.is_tensor(names["y"]) and names["y"] != 6  # "y is 6 at this place" is wrong


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_the_logarithm_question(base):
    question = by_topic("logarithms and probability")
    ratio = math.log(1 / 8, base) / math.log(1 / 2, base)
    assert right_choice(question) == f"the second is {ratio:.0f} times the first"


def test_the_path_question():
    question = by_topic("paths")
    target = re.search(r"course/exercises/\S+\.py", question.text)[0]
    leads = [
        posixpath.normpath(posixpath.join("course/chapters", choice)) == target
        for choice in question.choices
    ]
    assert leads.count(True) == 1
    assert question.choices[leads.index(True)] == right_choice(question)


def test_ten_questions_each_with_a_pointer():
    assert len(QUESTIONS) == 10
    assert len({question.topic for question in QUESTIONS}) == 10
    for question in QUESTIONS:
        assert question.right in question.letters
        assert question.url.startswith("https://") and "“" in question.source
    assert len({question.right for question in QUESTIONS}) == 4  # no letter is safe to guess


def test_all_right():
    assert assess(ALL_RIGHT) == [RIGHT] * 10
    assert summary(assess(ALL_RIGHT)).startswith("10 of 10 right: nothing")


def test_a_gap_names_topic_and_chapter():
    statuses = assess(ALL_RIGHT | {6: "d", 10: "?"})
    assert statuses[5] == NOT_YET and statuses[9] == OPEN and statuses.count(RIGHT) == 8
    assert summary(statuses) == (
        "8 of 10 right. To read before chapter 02: shapes and broadcasting; "
        "before chapter 14: paths."
    )


def test_letters_are_read_kindly():
    given = {1: " C ", 2: "b)", 3: "C.", 4: "", 5: "?"}
    assert assess(given) == [RIGHT, RIGHT, RIGHT, OPEN, OPEN] + [OPEN] * 5


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({11: "a"}, "there is no question 11: their numbers are 1 to 10"),
        ({0: "a"}, "there is no question 0"),
        ({"1": "a"}, "there is no question '1'"),
        ({3: "e"}, "the answer to question 3 is 'e': write one of a, b, c, d"),
        ({3: "cd"}, "the answer to question 3 is 'cd'"),
        ({3: 2}, "the answer to question 3 is 2"),
    ],
)
def test_what_cannot_be_read_is_named(answers, message, shown, capsys):
    with pytest.raises(ValueError, match=re.escape(message)):
        assess(answers)
    quiz.check_prerequisites(answers)
    assert message in capsys.readouterr().out  # a line, not a traceback
    assert shown == []


def test_questions_are_shown_in_both_formats(shown):
    quiz.prerequisites()
    [data] = shown
    assert data["text/html"].count("<li") == 10
    assert "n * n for n" in data["text/html"] and "n * n for n" in data["text/plain"]
    assert "&quot;utf-8&quot;" in data["text/html"]
    for question in QUESTIONS:
        for choice in question.choices:
            assert choice in data["text/plain"]


def test_the_table_points_to_a_text_for_each_gap_and_to_no_other(shown):
    quiz.check_prerequisites(ALL_RIGHT | {2: "a"})
    [data] = shown
    page = data["text/html"]
    assert page.count("<a href=") == 1 and QUESTIONS[1].url in page
    assert page.count('<th scope="row"') == 10 and page.count('scope="col"') == 4
    assert data["text/plain"].count("not yet") == 1
    assert data["text/plain"].startswith("9 of 10 right. To read before chapter 01: compre")
    assert QUESTIONS[1].source in data["text/plain"]
    assert QUESTIONS[0].source not in data["text/plain"]


def test_nothing_answered_is_no_result(shown):
    quiz.check_prerequisites({number: "?" for number in ALL_RIGHT})
    [data] = shown
    assert "of 10" not in data["text/plain"]
    assert data["text/plain"].startswith("Nothing is answered yet")


def test_no_format_loads_anything_or_gives_an_answer_away(shown):
    quiz.prerequisites()
    quiz.check_prerequisites({})
    for data in shown:
        assert not re.search(r"<(img|script|link|iframe)\b|\bsrc=", data["text/html"])
    assert "scope" in shown[1]["text/html"]
    for question in QUESTIONS:
        assert right_choice(question) not in shown[1]["text/plain"]

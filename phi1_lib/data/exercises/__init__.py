"""Small verified exercises: a specification, printed as a problem, checked by execution.

`spec` says what can be asked, `phrases` and `printer` write it as English and as Python,
`interpreter` computes the right answers without looking at either, `generate` makes the two splits.
"""

from phi1_lib.data.exercises.generate import generate_exercises

__all__ = ["generate_exercises"]

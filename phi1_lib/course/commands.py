"""The classroom's part of the `phi1` command: grade, progress, update, reset."""

from pathlib import Path
from typing import Annotated

import typer

classroom = typer.Typer()

# Not "[default: ...]": in a help text brackets are markup, and what stands in them is not shown.
Course = Annotated[
    Path | None, typer.Option("--course", help="The course's folder (default: the one you are in).")
]


@classroom.command()
def grade(
    submissions: Annotated[
        Path, typer.Argument(metavar="SUBMISSIONS", help="A folder with one folder a student.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="The table; .json and .html are laid beside it.")
    ] = Path("grades.csv"),
    chapter: Annotated[
        list[str] | None, typer.Option("--chapter", help="Only chapter 2, say (repeatable).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws other hidden cases.")] = 0,
    workers: Annotated[int, typer.Option(help="Submissions graded at the same time.")] = 2,
    test_seconds: Annotated[float, typer.Option(help="How long one test may take.")] = 10.0,
    course: Course = None,
) -> None:
    """Grade a folder of submissions by the course's tests, each in the sandbox.

    A student's folder holds the chapters' files (ch02_attention.py, ...),
    directly or in a folder exercises/. Run the same command again to go on
    after a stop, or when files changed: only those are graded anew.
    """
    from phi1_lib.course.exercises import find_course
    from phi1_lib.course.grading.grade import grade_submissions

    grades = grade_submissions(
        submissions,
        out,
        exercises=find_course(course) / "exercises",
        chapters=tuple(chapter or ()),
        seed=seed,
        workers=workers,
        test_seconds=test_seconds,
    )
    typer.echo(f"{len(grades)} students: {out}, and beside it .json and .html")


@classroom.command()
def progress(course: Course = None) -> None:
    """Show what you have solved, tried and looked up."""
    from rich.console import Console

    from phi1_lib.course.exercises import find_course
    from phi1_lib.course.progress import progress_table

    Console().print(progress_table(find_course(course)))


@classroom.command()
def update(
    source: Annotated[
        str | None,
        typer.Option("--from", help="A folder or address (default: where the clone came from)."),
    ] = None,
    course: Course = None,
) -> None:
    """Bring a new edition of the course; your chapters and answers stay as they are."""
    from phi1_lib.course.exercises import find_course
    from phi1_lib.course.update import report, update_course

    typer.echo(report(update_course(find_course(course), source)))


@classroom.command()
def reset(
    number: Annotated[str, typer.Argument(metavar="N.n", help="The exercise, such as 2.1.")],
    whole: Annotated[
        bool, typer.Option("--file", help="Set the whole file aside and write all its stubs anew.")
    ] = False,
    course: Course = None,
) -> None:
    """Restore an exercise's stub, after setting your version aside."""
    from phi1_lib.course.exercises import find_course, get_exercise
    from phi1_lib.course.reset import reset_exercise
    from phi1_lib.course.solve import shown_path

    exercise = get_exercise(find_course(course), number)
    kept = reset_exercise(exercise, whole=whole)
    what = f"Every exercise of {shown_path(exercise.stub)}" if whole else f"Exercise {number}"
    yours = f"; your version is kept in {kept}" if kept else ""
    typer.echo(f"{what} is a stub {'again' if kept else 'now'}{yours}")

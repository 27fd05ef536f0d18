"""How long does grading take: a class of 100, and one check?

    python benchmarks/grading.py

Grades 100 submissions of chapter 02 in the sandbox with two workers, times the judge behind
`%check` on every exercise, cold (a new process) and warm, prints the report, and writes it to
benchmarks/results/grading.json.
"""

import argparse
import runpy
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from record import conditions, write_result

from phi1_lib.course.exercises import Exercise, all_exercises
from phi1_lib.course.grading.grade import grade_submissions
from phi1_lib.course.grading.worker import Judge
from phi1_lib.course.stubs import stub_text
from phi1_lib.sandbox import confine

ROOT = Path(__file__).resolve().parents[1]
STEM = "ch02_attention"
MIX = {"right": 60, "stub": 20, "wrong": 10, "endless loop": 5, "crash": 5}
WORKERS = 2
TEST_SECONDS = 10.0
WARM_CHECKS = 3
MEASURED = ("phi1_lib", "exercises", "solutions")
PACKAGES = ("torch", "pytest")
# What an answer does in place of its work: in functions of five exercises, or on import.
CRASHES = {
    "exits on import": "import os\nos._exit(0)\n",
    "aborts on import": "import os\nos.abort()\n",
    "sys.exit on import": "import sys\nsys.exit(0)\n",
    "exits in a function": "def softmax(*arguments):\n    import os\n    os._exit(0)\n",
    "aborts in a function": "def attention_scores(*arguments):\n    import os\n    os.abort()\n",
}


def class_of_100(exercises: list[Exercise]) -> list[tuple[str, str]]:
    """Return the kind and the text of each submission, as `MIX` says."""
    solution = (ROOT / "solutions" / f"{STEM}.py").read_text(encoding="utf-8")
    known = runpy.run_path(str(ROOT / "tests" / "wrong_answers" / f"{STEM}.py"))["WRONG_ANSWERS"]
    spread = known[:: len(known) // MIX["wrong"]][: MIX["wrong"]]
    loops = [exercise.functions[0] for exercise in exercises[: MIX["endless loop"]]]
    texts = [("right", solution)] * MIX["right"] + [("stub", stub_text(solution))] * MIX["stub"]
    texts += [("wrong", f"{solution}\n\n{code}") for _, _, code, _ in spread]
    texts += [
        ("endless loop", f"{solution}\n\ndef {name}(*arguments):\n    while True:\n        pass\n")
        for name in loops
    ]
    texts += [("crash", f"{solution}\n\n{code}") for code in CRASHES.values()]
    assert Counter(kind for kind, _ in texts) == Counter(MIX)
    return texts


def time_the_class(exercises: list[Exercise]) -> dict[str, Any]:
    """Grade the class and return the seconds, and what each kind earned on average."""
    texts = class_of_100(exercises)
    with tempfile.TemporaryDirectory() as folder:
        submissions = Path(folder) / "submissions"
        for number, (_, text) in enumerate(texts):
            student = submissions / f"student-{number:03d}"
            student.mkdir(parents=True)
            (student / f"{STEM}.py").write_text(text, encoding="utf-8")
        start = time.perf_counter()
        grades = grade_submissions(
            submissions,
            Path(folder) / "grades.csv",
            exercises=ROOT / "exercises",
            workers=WORKERS,
            test_seconds=TEST_SECONDS,
        )
        seconds = time.perf_counter() - start
    by_kind = {kind: [] for kind in MIX}
    for (kind, _), grade in zip(texts, grades, strict=True):
        by_kind[kind].append(grade)
    return {
        "chapter": STEM,
        "submissions": len(texts),
        "mix": MIX,
        "workers": WORKERS,
        "test_seconds": TEST_SECONDS,
        "seconds": round(seconds, 1),
        "of_each_kind": {
            kind: {
                "mean_points": round(statistics.mean(g.total for g in found), 2),
                "out_of": found[0].out_of,
                "mean_seconds": round(statistics.mean(g.seconds for g in found), 2),
            }
            for kind, found in by_kind.items()
        },
    }


def time_checks(exercises: list[Exercise]) -> dict[str, Any]:
    """Time `Judge.grade` on every exercise: the first of a new process, and later ones."""
    found = {}
    for exercise in exercises:
        with Judge() as judge:
            seconds = []
            for _ in range(1 + WARM_CHECKS):
                start = time.perf_counter()
                rows = judge.grade(exercise.grader, ROOT / "solutions", exercise.number)
                seconds.append(time.perf_counter() - start)
                assert all(row.status == "passed" for row in rows), exercise.number
        found[exercise.number] = {
            "cold_s": round(seconds[0], 2),
            "warm_s": round(statistics.median(seconds[1:]), 3),
        }
    return {
        "warm_checks": WARM_CHECKS,
        "median_cold_s": round(statistics.median(f["cold_s"] for f in found.values()), 2),
        "median_warm_s": round(statistics.median(f["warm_s"] for f in found.values()), 3),
        "slowest_warm_s": max(f["warm_s"] for f in found.values()),
        "of_each_exercise": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    exercises = all_exercises(ROOT)
    report = conditions(__file__, MEASURED, PACKAGES) | {"sandbox": confine.level()}
    report["checks"] = time_checks(exercises)
    report["class"] = time_the_class([e for e in exercises if e.solution.stem == STEM])
    write_result("grading", report)


if __name__ == "__main__":
    main()

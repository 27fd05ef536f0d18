"""`phi1 update`: a new edition of the course comes into a clone that a learner has worked in.

For each path that the new edition changes, with old = the edition both have in common:

- the learner left it as it was: it becomes the new edition's (or goes, if that dropped it);
- a chapter was run but its cells are as they were: likewise, and the run version is set aside;
- both changed it: the learner's stays, the new edition's is laid beside (`name.new.py`).

Everything else of the learner's is left alone. Afterwards HEAD is at the new edition (after the
learner's own commits: at a merge of both), so that `git status` shows what is the learner's.

Nothing is lost when this is killed: what is replaced is in git or was set aside first, files
appear by renaming, HEAD moves last, and the next run finishes the edition that was begun.
"""

from phi1_lib.course.update.bring import update_course
from phi1_lib.course.update.report import Kept, Update, report

__all__ = ["Kept", "Update", "report", "update_course"]

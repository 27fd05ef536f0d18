"""The text after an update, whole: what a learner reads and does next."""

from pathlib import Path

from phi1_lib.course.update import Kept, Update, report

NOTE = "exercise 2.4 changed; the others are as they were"


def test_all_that_can_happen():
    update = Update(
        root=Path("phi1"),
        before="v1 (2026-10-02)",
        after="v2 (2026-11-20)",
        added=("chapters/03_flash.ipynb",),
        changed=("chapters/01_tokenizer.ipynb", "constraints.txt"),
        gone=("phi1_lib/old.py",),
        kept=(
            Kept("chapters/02_attention.ipynb", "chapters/02_attention.new.ipynb"),
            Kept("exercises/ch02 b.py", "exercises/ch02 b.new.py", NOTE),
            Kept("phi1_lib/gone.py", ""),
        ),
        set_aside=(".kept/update-0123456789/chapters/01_tokenizer.ipynb",),
        untouched=("README.md",),
        own_commits=True,
        resumed=True,
    )
    assert report(update).splitlines() == [
        "The course is now the edition v2 (2026-11-20); it was v1 (2026-10-02).",
        "This finished an update that was interrupted.",
        "4 files brought up to date: 2 changed, 1 new, 1 gone.",
        "New chapters: chapters/03_flash.ipynb",
        "",
        "Both you and the new edition changed these. Yours stay as they are:",
        "  chapters/02_attention.ipynb",
        "    new edition's: chapters/02_attention.new.ipynb",
        "  exercises/ch02 b.py",
        "    new edition's: exercises/ch02 b.new.py",
        f"    {NOTE}",
        "  phi1_lib/gone.py",
        "    not in the new edition any more",
        "  Outside chapters/ and exercises/ the new edition counts on its own versions.",
        "",
        "Replaced by the new edition; your version is kept in:",
        "  .kept/update-0123456789/chapters/01_tokenizer.ipynb",
        "",
        "1 file that you changed and the new edition does not: unchanged.",
        "Your own commits stay; the newest commit merges the new edition into them.",
        "",
        "What to do next:",
        "  1. make lab (installs what the new edition needs: constraints.txt changed)",
        "  2. A chapter open in JupyterLab: File, Reload Notebook from Disk; do not save it. "
        "Then Kernel, Restart Kernel.",
        "  3. Compare yours with the new one: "
        "git diff --no-index 'exercises/ch02 b.py' 'exercises/ch02 b.new.py'",
        "  4. Chapters: open both in JupyterLab, and drag one tab beside the other.",
        "  5. A changed exercise: phi1 reset N.n puts the new stub into your file (yours is kept).",
        "  6. Take over what you like, then delete the .new files; or keep yours as it is.",
        "  7. phi1 update once more: there may be a newer edition.",
    ]


def test_little_that_can_happen():
    update = Update(Path("phi1"), "v1", "v2", changed=("README.md",))
    assert report(update).splitlines() == [
        "The course is now the edition v2; it was v1.",
        "1 file brought up to date: 1 changed, 0 new, 0 gone.",
        "",
        "What to do next:",
        "  1. make lab",
    ]
    nothing = Update(Path("phi1"), "v2", "v2")
    assert report(nothing) == "The course is already the newest edition, v2."

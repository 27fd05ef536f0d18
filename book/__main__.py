"""`python -m book`: build the site into build/book, check it, and say where to open it."""

import argparse
import sys
from pathlib import Path

from book.check import check

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Build and check; return 1 for warnings and faults, 2 when nothing was built."""
    parser = argparse.ArgumentParser(prog="make book", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "book", help="the site")
    options = parser.parse_args(arguments)
    try:
        from book.build import build  # here, so that a missing package ends in one line

        warnings = build(ROOT, options.out)
    except ImportError as error:
        print(f"{error}: `make book` installs what the book needs", file=sys.stderr)
        return 2
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    report = check(options.out)
    for complaint in [*warnings, *report.faults]:
        print(complaint, file=sys.stderr)
    print(
        f"{report.pages} pages, {report.links:,} links and {report.images} images checked: "
        f"{len(report.faults)} faults, {len(warnings)} warnings"
    )
    print(f"Open {options.out.resolve() / 'index.html'}")
    return 1 if report.faults or warnings else 0


if __name__ == "__main__":
    sys.exit(main())

"""Options for `import`."""

from __future__ import annotations

import argparse

MOST_OBJECTS = 10_000


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options for `import`."""
    parser.add_argument(
        "--cluster", default="", metavar="NAME", help="also import the shape and the account of a Ray cluster"
    )
    parser.add_argument(
        "--region", default="", metavar="REGION", help="the cluster's region (default us-central1)"
    )
    parser.add_argument(
        "--bucket",
        action="append",
        default=[],
        metavar="NAME",
        help="a bucket to import even if you can't list the project's buckets; may be repeated",
    )
    parser.add_argument(
        "--objects",
        type=objects,
        default=0,
        metavar="N",
        help="also create placeholders, with the names and sizes of the first N objects in each bucket",
    )
    parser.add_argument(
        "--assume-none",
        action="append",
        default=[],
        choices=("deny", "inherited"),
        help="treat deny policies, or policies inherited from above the project, as empty if you can't read them; "
        "may be repeated",
    )
    parser.add_argument(
        "--output", default="", metavar="FILE", help="the file to write (default: iam/lab-PROJECT.yaml)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def objects(text: str) -> int:
    """Parse --objects. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) > MOST_OBJECTS:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to {MOST_OBJECTS}, not {text!r}")
    return int(text)

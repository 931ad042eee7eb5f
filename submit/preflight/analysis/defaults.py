"""The defaults of the arguments that a header lists: what a job reads or writes if they are not given."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from iam.policy.required_permissions import ARGUMENT, bare, values_of
from raydock.jobscript.options import options_of


def with_defaults(
    entries: Sequence[str], trees: Iterable[ast.Module], arguments: Sequence[str]
) -> tuple[str, ...]:
    """The header's entries, with argparse's default for each argument that is neither given nor has one.

    An argument whose default is not text, such as None, is left out: without it, the job accesses nothing. An
    argument whose default can't be determined from the source is left unchanged.
    """
    options = options_of(trees, arguments)
    found = []
    for entry in entries:
        if not ARGUMENT.fullmatch(entry) or values_of(entry, arguments) or bare(entry) not in options:
            found.append(entry)
        elif isinstance(default := options[bare(entry)], str):
            found.append(f"{entry}={default}")
    return tuple(found)


def is_open(entry: str, arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Whether it is unknown what an entry stands for: an argument or a variable that is not given."""
    return bool(ARGUMENT.fullmatch(entry)) and entry not in variables and not values_of(entry, arguments)

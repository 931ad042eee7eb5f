"""The values of a job's argparse options for the given arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from raydock.jobscript.text import name_of

NUMBERS = {"int": int, "float": float}
SWITCHES = {"store_true": False, "store_false": True}  # action: the value if the option is absent


def options_of(trees: Iterable[ast.Module], arguments: Sequence[str]) -> dict[str, object]:
    """The values that the source and the arguments determine, keyed by argparse's names."""
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(name_of(node.func) == "set_defaults" or _own_arguments(node) for node in calls):
        return {}
    found: dict[str, object] = {}
    twice = set()
    for node in calls:
        if name_of(node.func) == "add_argument" and (flags := _flags(node)):
            name = _destination(node, flags)
            twice |= {name} & set(found)
            for value in _values(node, flags, arguments):
                found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def _own_arguments(node: ast.Call) -> bool:
    """Whether a call parses something other than the command line."""
    if name_of(node.func) not in ("parse_args", "parse_known_args"):
        return False
    given = [*node.args, *(one.value for one in node.keywords if one.arg == "args")]
    return any(isinstance(one, (ast.List, ast.Tuple)) for one in given)


def _flags(node: ast.Call) -> list[str]:
    texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [text for text in texts if text.startswith("-")] if len(texts) == len(node.args) else []


def _destination(node: ast.Call, flags: Sequence[str]) -> str:
    given = _keyword(node, "dest")
    long = next((flag for flag in flags if flag.startswith("--")), flags[0])
    return str(given.value) if isinstance(given, ast.Constant) else long.lstrip("-").replace("-", "_")


def _values(node: ast.Call, flags: Sequence[str], arguments: Sequence[str]) -> list[object]:
    """The option's value, in a list of one; empty if the source does not determine it."""
    action = _keyword(node, "action")
    kind = action.value if isinstance(action, ast.Constant) else "" if action else "store"
    if kind not in (*SWITCHES, "store") or _keyword(node, "nargs"):
        return []
    at = [index for index, word in enumerate(arguments) if _gives(word, flags)]
    if not at:
        default = _keyword(node, "default")
        if default is None:
            return [SWITCHES.get(str(kind))]
        return [default.value] if isinstance(default, ast.Constant) else []
    if kind in SWITCHES:
        return [not SWITCHES[str(kind)]]
    return _converted(node, arguments[at[-1] :]) if arguments[at[-1]].partition("=")[0] in flags else []


def _gives(word: str, flags: Sequence[str]) -> bool:
    """Whether an argument sets the option, possibly abbreviated, as argparse allows."""
    name = word.partition("=")[0]
    if word.startswith("--"):
        return len(name) > 2 and any(flag.startswith(name) for flag in flags)
    return name in flags or (word[:1] == "-" and any(flag[1:] in word for flag in flags if len(flag) == 2))


def _converted(node: ast.Call, words: Sequence[str]) -> list[object]:
    _, equals, text = words[0].partition("=")
    text = text if equals else "".join(words[1:2])
    kind = _keyword(node, "type")
    try:
        if kind is None or name_of(kind) == "str":
            return [text]
        return [NUMBERS[name_of(kind)](text)]
    except (KeyError, ValueError):
        return []


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in node.keywords if one.arg == name), None)

"""Faults on purpose, as values: `python -m cluster fault` requests them, and the lab's cloud injects them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

DEFAULT_SECONDS, MAX_SECONDS = 300.0, 3600.0  # how long a fault lasts
MAX_DELAY = 60.0  # seconds; Google's clients give up on an answer after 60 s
MAX_TIMES = MAX_SEED = 2**31 - 1
STORAGE = ("429", "503", "slow", "cut")
SHARED = (*STORAGE, "control-plane")  # the kinds that hit a share of the calls
KINDS = (*SHARED, "tokens", "node")
MOMENTS = ("request", "body", "response")  # when `cut` closes the connection
COMMAND = "X-Raydock-Command"  # the header of calls by this project's own commands, which faults spare


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. Fields that do not apply to its kind have their defaults.

    share: percent of the calls that it hits.
    bucket: the only bucket whose calls it hits; "" for all calls to Cloud Storage.
    seed: with the same seed, the same calls are hit, counted in the order in which they arrive.
    times: it hits at most this many calls; 0 for any number.
    commands: it also hits this project's own commands, such as `python -m iam`.
    delay: seconds by which `slow` delays a call.
    lifetime: seconds for which `tokens` lets a token live.
    at: when `cut` closes the connection: before the call has any effect (request), in the middle of the longer body
        (body), or after it took effect (response).
    node: the name of the node that `node` kills.
    """

    kind: str
    share: float = 100.0
    bucket: str = ""
    seed: int = 0
    times: int = 0
    commands: bool = False
    delay: float = 0.0
    lifetime: float = 0.0
    at: str = ""
    node: str = ""

    def __post_init__(self) -> None:
        if problem := next(problems(self), ""):
            raise ValueError(problem)

    def as_json(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        if self.kind == "node":
            return f"{self.node} is down"
        if self.kind == "tokens":
            return f"access tokens expire after {self.lifetime:g} s"
        whose = "the control plane" if self.kind == "control-plane" else self.bucket or "Cloud Storage"
        limit = f", at most {self.times} times" if self.times else ""
        return f"{self.share:g}% of the calls to {whose} {effect(self)}{limit}"


def effect(fault: Fault) -> str:
    """What happens to the calls that a fault hits."""
    if fault.kind == "slow":
        return f"are answered {fault.delay:g} s late"
    if fault.kind == "cut":
        return "lose their connection " + {
            "request": "before they take effect",
            "body": "in the middle of a body",
            "response": "after they took effect",
        }.get(fault.at, "")
    return f"get a {'503' if fault.kind == 'control-plane' else fault.kind}"


def problems(fault: Fault) -> Iterator[str]:
    """What is wrong with a fault's fields, as sentences."""
    if fault.kind not in KINDS:
        yield f"{fault.kind[:50]!r} is not a fault: use {', '.join(KINDS)}."
        return
    if not 0 < fault.share <= 100:
        yield f"The share {fault.share:g}% is not more than 0% and at most 100%."
    if not (0 <= fault.seed <= MAX_SEED and 0 <= fault.times <= MAX_TIMES):
        yield f"The seed and the number of times must be from 0 to {MAX_TIMES}."
    if fault.at not in MOMENTS if fault.kind == "cut" else fault.at:
        yield f"Only a cut has a moment, and it is one of {', '.join(MOMENTS)}."
    if not 0 < fault.delay <= MAX_DELAY if fault.kind == "slow" else fault.delay:
        slow = f"The delay must be more than 0 and at most {MAX_DELAY:g} seconds."
        yield slow if fault.kind == "slow" else "Only slow calls have a delay."
    if not 1 <= fault.lifetime <= MAX_SECONDS if fault.kind == "tokens" else fault.lifetime:
        tokens = f"The lifetime must be from 1 to {MAX_SECONDS:g} seconds."
        yield tokens if fault.kind == "tokens" else "Only tokens have a lifetime."
    if (fault.kind == "node") != bool(fault.node):
        yield "Only a dead node has a node's name."
    if fault.bucket and fault.kind not in STORAGE:
        yield f"The fault {fault.kind} does not apply to a bucket."


def from_json(document: Mapping[str, Any]) -> Fault:
    """The fault in a JSON object. Raises ValueError for an unknown, mistyped or invalid field."""
    types = {one.name: one.type for one in fields(Fault)}
    expected: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "float": (float, int),
        "int": (int,),
        "bool": (bool,),
    }
    for name, value in document.items():
        if name not in types:
            raise ValueError(f"{str(name)[:50]!r} is not a field of a fault.")
        kind = str(types[name])
        wrong = not isinstance(value, expected[kind]) or (kind != "bool" and isinstance(value, bool))
        if wrong or (kind == "float" and not abs(value) <= MAX_SEED):
            raise ValueError(f"The fault's {name} is not a {kind}.")
    if "kind" not in document:
        raise ValueError("The fault's kind is missing.")
    return Fault(**document)

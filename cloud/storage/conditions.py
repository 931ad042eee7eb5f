"""Preconditions: https://cloud.google.com/storage/docs/request-preconditions

They are evaluated against the affected generation at the moment of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloud.google_errors import ApiError
from cloud.storage.documents import etag
from cloud.storage.request import StorageRequest, count, unsupported

GENERATION = ("ifGenerationMatch", "ifGenerationNotMatch")
METAGENERATION = ("ifMetagenerationMatch", "ifMetagenerationNotMatch")
NAMES = frozenset((*GENERATION, *METAGENERATION))
SOURCE_NAMES = frozenset(name.replace("if", "ifSource", 1) for name in NAMES)
NOT_MET = "At least one of the pre-conditions you specified did not hold."


@dataclass(frozen=True, slots=True)
class Preconditions:
    """A call's preconditions; None for those not given. Generation 0 means that no live object exists."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None
    etags: tuple[str, ...] = ()  # If-Match
    not_etags: tuple[str, ...] = ()  # If-None-Match

    def require(self, generation: int, metageneration: int, reading: bool = False) -> None:
        """Raise ApiError if a condition fails: 304 for a `NotMatch` on a read, otherwise 412.

        Both numbers are 0 if there is no object.
        """
        if self.generation not in (None, generation) or self.metageneration not in (None, metageneration):
            raise ApiError(412, "conditionNotMet", NOT_MET)
        tag = etag(generation, metageneration) if metageneration else ""
        if self.etags and not (tag and {tag, "*"} & set(self.etags)):
            raise ApiError(412, "conditionNotMet", NOT_MET)
        matched = self.not_generation == generation or self.not_metageneration == metageneration
        if matched or (tag and {tag, "*"} & set(self.not_etags)):
            raise ApiError(304 if reading else 412, "conditionNotMet", NOT_MET)


def read_conditions(call: StorageRequest, source: bool = False) -> Preconditions:
    """Read the preconditions on a call's object or, with `source`, on the object it copies.

    Raises ApiError (400) for a malformed precondition.
    """
    prefix = "ifSource" if source else "if"
    generation, not_generation, metageneration, not_metageneration = (
        call.number(name.replace("if", prefix, 1)) for name in (*GENERATION, *METAGENERATION)
    )
    numbers = Preconditions(generation, not_generation, metageneration, not_metageneration)
    if source:
        return numbers
    return replace(numbers, etags=call.tags("If-Match"), not_etags=call.tags("If-None-Match"))


def source_conditions(given: Mapping[str, Any]) -> Preconditions:
    """The `objectPreconditions` of one source in a compose request. Raises ApiError (400) for an unsupported one."""
    if set(given) - {"ifGenerationMatch"}:
        raise unsupported(f"{', '.join(sorted(given))} in objectPreconditions")
    wanted = given.get("ifGenerationMatch")
    return Preconditions(None if wanted is None else count("ifGenerationMatch", wanted))

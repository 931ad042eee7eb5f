"""Preconditions: https://cloud.google.com/storage/docs/request-preconditions

They are evaluated on the generation that a call is about, at the moment it changes.
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
class Conditions:
    """Each is None where the call does not have it. Generation 0 means that there is no live object."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None
    etags: tuple[str, ...] = ()  # If-Match
    not_etags: tuple[str, ...] = ()  # If-None-Match

    def require(self, generation: int, metageneration: int, reading: bool = False) -> None:
        """Refusal: 412, or 304 where a `NotMatch` ends a read. Both numbers are 0 where there is no object."""
        if self.generation not in (None, generation) or self.metageneration not in (None, metageneration):
            raise ApiError(412, "conditionNotMet", NOT_MET)
        tag = etag(generation, metageneration) if metageneration else ""
        if self.etags and not (tag and {tag, "*"} & set(self.etags)):
            raise ApiError(412, "conditionNotMet", NOT_MET)
        matched = self.not_generation == generation or self.not_metageneration == metageneration
        if matched or (tag and {tag, "*"} & set(self.not_etags)):
            raise ApiError(304 if reading else 412, "conditionNotMet", NOT_MET)


def read_conditions(call: StorageRequest, source: bool = False) -> Conditions:
    """A call's preconditions on its object, or on the one that it copies. Refusal (400) for a malformed one."""
    prefix = "ifSource" if source else "if"
    generation, not_generation, metageneration, not_metageneration = (
        call.number(name.replace("if", prefix, 1)) for name in (*GENERATION, *METAGENERATION)
    )
    numbers = Conditions(generation, not_generation, metageneration, not_metageneration)
    if source:
        return numbers
    return replace(numbers, etags=call.tags("If-Match"), not_etags=call.tags("If-None-Match"))


def source_conditions(given: Mapping[str, Any]) -> Conditions:
    """`objectPreconditions` of one source of compose."""
    if set(given) - {"ifGenerationMatch"}:
        raise unsupported(f"{', '.join(sorted(given))} in objectPreconditions")
    wanted = given.get("ifGenerationMatch")
    return Conditions(None if wanted is None else count("ifGenerationMatch", wanted))

# expect: runs
from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import torch
    from polars import DataFrame


@dataclass(slots=True, kw_only=True)
class Measurement:
    name: str
    value: float | None = None

    def doubled(self) -> Self:
        return Measurement(name=self.name, value=2 * (self.value or 0))


def to_tensor(frame: DataFrame) -> torch.Tensor: ...


async def fetch(n: int) -> Measurement:
    await asyncio.sleep(0.01)
    return Measurement(name=f"m{n}", value=n)


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(n)) for n in range(5)]
    db = sqlite3.connect("results.db")
    db.execute("create table if not exists m (name text, value real)")
    db.executemany("insert into m values (?, ?)", [(t.result().name, t.result().doubled().value) for t in tasks])
    match db.execute("select count(*), sum(value) from m").fetchone():
        case (n, total) if n >= 5:
            print(n, total)
        case other:
            raise SystemExit(f"unexpected {other}")


asyncio.run(main())

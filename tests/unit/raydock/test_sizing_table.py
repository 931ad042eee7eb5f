"""The table in docs/cluster-sizes.md matches the code.

python -m tests.unit.raydock.test_sizing_table    updates it
"""

from __future__ import annotations

from itertools import product

from raydock.machine import Machine
from raydock.settings import ROOT
from raydock.sizing import GIB, NodeSizes, divide

PAGE = ROOT / "docs" / "cluster-sizes.md"
CORES = (2, 4, 8, 16, 32, 64)
MEMORY = (4, 8, 16, 32, 64, 128, 256)
HEAD = (
    "| machine | CPUs offered | head | CPU workers | GPU worker | left |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


def table() -> str:
    return HEAD + "".join(row(cores, memory) for cores, memory in product(CORES, MEMORY))


def row(cores: int, memory: int) -> str:
    found = divide(Machine(cores, memory * GIB))
    cells = (
        f"{cores} CPUs, {memory} GiB",
        found.cpus,
        gib(found.head.memory),
        workers(found.cpu),
        workers(found.gpu),
        gib(memory * GIB - found.memory),
    )
    return f"| {' | '.join(map(str, cells))} |\n"


def workers(group: NodeSizes) -> str:
    cpus = f"{group.cpus} CPU" + "s" * (group.cpus != 1)
    return f"{group.count} with {cpus}, {gib(group.memory)}" if group.count else "none"


def gib(size: int) -> str:
    return f"{size / GIB:.1f}"


def test_the_table_is_what_the_code_does() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(f"-->\n{table()}"), (
        "out of date; to update it: see above"
    )


def write() -> None:
    above = PAGE.read_text(encoding="utf-8").partition("-->\n")[0]
    PAGE.write_text(f"{above}-->\n{table()}", encoding="utf-8")


if __name__ == "__main__":
    write()

"""Decides which nodes to add and which to remove. Pure: the loop in scaler.py supplies all values.

It works like Ray's own autoscaler (ray/autoscaler/_private/resource_demand_scheduler.py). It packs demand, largest
bundles first, into the free resources of existing nodes, then into starting nodes, and then into new nodes of the
best-fitting pool. It removes nodes that have been idle for the idle timeout and have nothing packed into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.controlplane.autoscaling.load import Bundle, Group

IDLE_TIMEOUT = 300.0  # seconds: Ray's idle_timeout_minutes, default 5
MAX_PENDING = (
    5  # nodes that may be starting at once, or the number of running nodes if higher (Ray's upscaling_speed)
)


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node in a pool. `free` is None while it is starting. `idle` is its idle time in seconds."""

    number: int
    free: Bundle | None
    idle: float = 0


@dataclass(frozen=True, slots=True)
class PoolState:
    """An autoscaled pool, excluding the head: its bounds, the resources of one node, and its nodes."""

    id: str
    minimum: int
    maximum: int
    resources: Bundle
    nodes: tuple[NodeState, ...] = ()
    first: int = 0  # lowest number that a node may have: 1 in the head's pool


@dataclass(frozen=True, slots=True)
class Demand:
    """The demand to fit: `pending` into free resources, `requested` into the nodes regardless of their usage."""

    pending: tuple[Group, ...] = ()
    requested: tuple[Bundle, ...] = ()


@dataclass(slots=True)
class Slot:
    """An existing or new node during packing."""

    pool: str
    number: int | None  # None for a new node
    free: dict[str, float]
    used: bool = False

    def take(self, bundle: Bundle) -> bool:
        """Place a bundle here if it fits."""
        if not fits(bundle, self.free):
            return False
        for name, amount in bundle.items():
            self.free[name] = self.free.get(name, 0) - amount
        self.used = True
        return True


@dataclass(slots=True)
class Packing:
    """The nodes of all pools while demand is packed into them. `room` is how many nodes may still be added."""

    pools: Sequence[PoolState]
    slots: list[Slot]
    room: int
    added: dict[str, int] = field(default_factory=dict)

    def place(self, group: Group) -> None:
        """Place a group on existing and new nodes, or not at all."""
        if group.strategy == "STRICT_PACK":
            self.place_each([total(group.bundles)], distinct=False)
        else:
            self.place_each(group.bundles, distinct=group.strategy == "STRICT_SPREAD")

    def place_each(self, bundles: Iterable[Bundle], distinct: bool) -> None:
        """Place bundles, each on a different node if `distinct`."""
        taken: list[Slot] = []
        for bundle in sorted(bundles, key=size, reverse=True):
            others = [one for one in self.slots if not distinct or one not in taken]
            slot = next((one for one in others if one.take(bundle)), None) or self.add(bundle)
            if slot is not None:
                taken.append(slot)

    def add(self, bundle: Bundle) -> Slot | None:
        """A new node for a bundle, in the pool that wastes the least; None if no pool has room for one."""
        suitable = [
            pool
            for pool in self.pools
            if fits(bundle, pool.resources) and len(pool.nodes) + self.added.get(pool.id, 0) < pool.maximum
        ]
        if not suitable or self.room <= 0:
            return None
        pool = min(suitable, key=lambda one: waste(bundle, one.resources))
        return self.start(pool, bundle)

    def start(self, pool: PoolState, bundle: Bundle) -> Slot:
        """Add a node to a pool and place a bundle on it."""
        slot = Slot(pool.id, None, dict(pool.resources))
        slot.take(bundle)
        self.slots.append(slot)
        self.added[pool.id] = self.added.get(pool.id, 0) + 1
        self.room -= 1
        return slot


def numbers(
    pools: Sequence[PoolState], demand: Demand, room: int, idle_timeout: float = IDLE_TIMEOUT
) -> Mapping[str, tuple[int, ...]]:
    """The node numbers that each pool should have. `room`: how many more nodes fit on this machine."""
    starting = sum(node.free is None for pool in pools for node in pool.nodes)
    running = sum(len(pool.nodes) for pool in pools) - starting
    room = min(room, max(MAX_PENDING, running) - starting)
    packing = Packing(pools, [slot(pool, node) for pool in pools for node in pool.nodes], room)
    for pool in pools:
        for _ in range(pool.minimum - len(pool.nodes)):
            packing.start(pool, {})
    for group in sorted(demand.pending, key=lambda one: size(total(one.bundles)), reverse=True):
        packing.place(group)
    needed = requested(pools, demand.requested, packing)
    return {pool.id: kept(pool, packing, needed, idle_timeout) for pool in pools}


def requested(
    pools: Sequence[PoolState], bundles: Sequence[Bundle], packing: Packing
) -> set[tuple[str, int]]:
    """Add the nodes that requested bundles need in addition to the existing ones. Returns the existing ones needed."""
    whole = [Slot(pool.id, node.number, dict(pool.resources)) for pool in pools for node in pool.nodes]
    new = [
        Slot(pool.id, None, dict(pool.resources))
        for pool in pools
        for _ in range(packing.added.get(pool.id, 0))
    ]
    again = Packing(pools, [*whole, *new], packing.room, packing.added)
    again.place_each(bundles, distinct=False)
    return {(one.pool, one.number) for one in whole if one.used and one.number is not None}


def kept(
    pool: PoolState, packing: Packing, needed: set[tuple[str, int]], idle_timeout: float
) -> tuple[int, ...]:
    """The numbers of a pool's nodes: the existing ones, minus those to remove, plus the new ones."""
    used = {one.number for one in packing.slots if one.pool == pool.id and one.used}
    idle = [
        node
        for node in sorted(pool.nodes, key=lambda one: one.idle, reverse=True)
        if node.idle >= idle_timeout and node.number not in used and (pool.id, node.number) not in needed
    ]
    spare = max(0, len(pool.nodes) - pool.minimum)
    removed = {node.number for node in idle[:spare]}
    found = [node.number for node in pool.nodes if node.number not in removed]
    taken, number = {node.number for node in pool.nodes}, pool.first
    for _ in range(packing.added.get(pool.id, 0)):
        while number in taken:
            number += 1
        taken.add(number)
        found.append(number)
    return tuple(sorted(found))


def slot(pool: PoolState, node: NodeState) -> Slot:
    """An existing node at the start of packing."""
    return Slot(pool.id, node.number, dict(pool.resources if node.free is None else node.free))


def fits(bundle: Bundle, free: Bundle) -> bool:
    """Whether a bundle fits into free resources. It never fits if the node lacks one of its resources."""
    return all(amount <= free.get(name, 0) + 1e-9 for name, amount in bundle.items() if amount > 0)


def total(bundles: Iterable[Bundle]) -> Bundle:
    """The sum of bundles."""
    found: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.items():
            found[name] = found.get(name, 0) + amount
    return found


def size(bundle: Bundle) -> tuple[float, float]:
    """Sort key: the GPUs, then the CPUs."""
    return bundle.get("GPU", 0), bundle.get("CPU", 0)


def waste(bundle: Bundle, resources: Bundle) -> tuple[float, float]:
    """What a new node would leave unused: GPUs count most, so tasks that need no GPU do not start GPU nodes."""
    more, used = size(resources), size(bundle)
    return more[0] - used[0], more[1] - used[1]

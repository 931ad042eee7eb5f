"""The keys of a RESULT line that have a meaning. A test compares them with what the report reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A key, the JSON type of its value, and what it means."""

    name: str
    type: str
    meaning: str


KEYS = (
    Key(
        "job",
        "text",
        "Name of the job. Runs of the same job, arguments and data are compared. Default: the id",
    ),
    Key(
        "seconds",
        "number or object",
        "Duration with Ray; as an object, `ray` is that and `alone` without Ray",
    ),
    Key("speed_up", "number", "`seconds.alone` divided by `seconds.ray`"),
    Key("cpus", "integer", "CPUs of the workers that were used: for the efficiency and the scaling chart"),
    Key("data", "text", "What was computed on, for example `load_digits, 1797 x 64`"),
    Key("metrics", "object", "Whatever the job measures; numbers and texts, which may be nested"),
    Key("peak_memory_mib", "number", "The most memory that one process of the job used"),
    Key("nodes", "list", "The nodes that did work"),
    Key("tasks", "list", "The tasks, for the timeline and the scaling model"),
    Key("curves", "list", "Charts of the job's own"),
    Key(
        "computes",
        "boolean",
        "`false` if the tasks only wait: the scaling model then gives each its own core",
    ),
)
ENTRIES = {
    "nodes": (
        Key("node", "text", "Name of the node"),
        Key("pool", "text", "Its pool, such as `cpu-worker`: `ray.nodes()[n]['Labels']['pool']`"),
        Key("tasks", "integer", "How many tasks it ran"),
        Key("id", "text", "Ray's id of the node, to which `tasks` refer"),
    ),
    "tasks": (
        Key("node", "text", "Ray's id of the node"),
        Key("start", "number", "Seconds since the epoch"),
        Key("end", "number", "Seconds since the epoch"),
        Key("name", "text", "What the timeline calls it"),
    ),
    "curves": (
        Key("title", "text", "Title of the chart"),
        Key("x", "text", "Name of the horizontal axis"),
        Key("y", "text", "Name of the vertical axis"),
        Key("lines", "object", "From the name of a line to its list of `[x, y]`"),
    ),
}

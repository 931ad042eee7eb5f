"""The keys of a RESULT that the tools read: this is the only place that lists them. docs/result.md shows this table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A key, the type of its value, what it means, and what the tools do if a result lacks it."""

    name: str
    type: str
    meaning: str
    otherwise: str


KEYS = (
    Key("seconds", "number, or `{\"ray\": …, \"alone\": …}`",
        "how long the work took, with Ray and without it; `alone` may be null", "no timings and no speed-up"),
    Key("metrics", "object", "what the job computed, such as `{\"accuracy\": 0.97}`", "no metrics"),
    Key("data", "text", "the data that was used; runs on different data are not compared", "empty"),
    Key("job", "text", "the name of the work", "the script's name"),
    Key("speed_up", "number", "how many times faster the work was with Ray",
        "`seconds.alone` divided by `seconds.ray`"),
    Key("cpus", "integer", "worker CPUs that the work could use", "all CPUs of the cluster's workers"),
    Key("efficiency", "number", "speed-up per CPU", "`speed_up` divided by `cpus`"),
    Key("nodes", "list of `{\"pool\": …, \"node\": …, \"id\": …, \"tasks\": …}`",
        "the nodes that did the work: name, Ray's node id, worker pool and number of tasks",
        "the cluster's workers, without task counts"),
    Key("tasks", "list of `{\"name\": …, \"node\": …, \"start\": …, \"end\": …}`",
        "when and where each task ran: a node id, and seconds since the epoch", "no timeline, no scaling model"),
    Key("peak_memory_mib", "number", "peak memory of the largest worker process, in MiB", "no memory"),
    Key("curves", "list of `{\"title\": …, \"x\": …, \"y\": …, \"lines\": {name: [[x, y], …]}}`",
        "charts to draw, with the names of their axes", "no charts"),
    Key("note", "text", "one sentence about the speed-up, for the report", "what the tasks show"),
    Key("computes", "true or false", "false if the tasks only wait, and so don't compete for cores", "true"),
    Key("version", "integer", "the version of the job's own format", "nothing: the tools do not read it"),
)  # fmt: skip
NAMES = frozenset(key.name for key in KEYS)


def markdown() -> str:
    """The table for docs/result.md."""
    lines = ["| key | value | meaning | if missing |", "| --- | --- | --- | --- |"]
    lines += [f"| `{key.name}` | {key.type} | {key.meaning} | {key.otherwise} |" for key in KEYS]
    return "\n".join(lines) + "\n"

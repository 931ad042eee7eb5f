"""The shared storage check: every node must be able to reach the checkpoints.

Tune and Train store them under RunConfig(storage_path), by default ~/ray_results on the node. A trial on a worker looks
for the head node's folder when it reports its first checkpoint, and fails (ray/train/_internal/storage.py, ray#37177).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from raydock.jobscript.conditions import Conditions
from raydock.jobscript.reach import Reach
from raydock.jobscript.text import name_of
from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding, unknown
from ..plan import JobPlan

CALLBACKS = re.compile(r"\w*(ReportCheckpointCallback|RayTrainReportCallback)")
TRAINERS = ("ray.train.xgboost.XGBoostTrainer", "ray.train.lightgbm.LightGBMTrainer")
POLICY = ("checkpoint_frequency", "checkpoint_at_end")


def check_shared(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that a job that saves checkpoints sets a storage_path that all nodes can reach."""
    if on_one_machine(facts) or has_storage_path(plan):
        return
    if not plan.conditions.text.uses("ray.tune", "ray.train", "ray.air"):
        return
    for name, node, reach in plan.nodes:
        if (
            reach is not Reach.HANDLED
            and isinstance(node, ast.Call)
            and saves_checkpoints(node, plan.conditions)
        ):
            yield unknown(
                "script",
                f"{name}:{node.lineno} saves checkpoints without a storage_path: Ray looks for the head node's "
                "folder on the workers, where it does not exist.",
                'set RunConfig(storage_path="gs://BUCKET/FOLDER"), and writes = ["gs://BUCKET/FOLDER"] in the header',
            )
            return


def on_one_machine(facts: ClusterInfo) -> bool:
    """Whether all nodes are known to share one machine, and so one disk."""
    addresses = {name for node in facts.nodes for name in node.resources if re.fullmatch(r"node:\d.*", name)}
    return len(facts.nodes) < 2 or (
        bool(addresses) and all(name.startswith("node:127.") for name in addresses)
    )


def has_storage_path(plan: JobPlan) -> bool:
    """Whether the job sets a storage_path that is not a folder on a single node."""
    for node in (node for tree in plan.modules.values() for node in ast.walk(tree)):
        if isinstance(node, ast.keyword) and node.arg in ("storage_path", "local_dir"):
            if not (isinstance(node.value, ast.Constant) and is_node_path(node.value.value)):
                return True
        elif isinstance(node, ast.Constant) and node.value == "storage_path":  # a dict key
            return True
    return False


def is_node_path(path: object) -> bool:
    """Whether a storage_path is a folder on a single node, or the default."""
    return path is None or (isinstance(path, str) and path.startswith(("~", "/tmp", "/home", ".")))


def saves_checkpoints(node: ast.Call, conditions: Conditions) -> bool:
    """Whether a call saves checkpoints."""
    name = name_of(node.func)
    if name == "report":
        given = [one.value for one in node.keywords if one.arg == "checkpoint"]
        return any(not (isinstance(one, ast.Constant) and one.value is None) for one in given)
    if any(one.arg in POLICY and conditions.holds(one.value) for one in node.keywords):
        return True
    return bool(CALLBACKS.fullmatch(name)) or conditions.text.dotted(node.func) in TRAINERS

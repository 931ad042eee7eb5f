"""Are checkpoints kept where every node reaches them?

Tune and Train put them under RunConfig(storage_path), by default ~/ray_results of the node. A trial on a worker looks
for the head's folder when it reports its first checkpoint, and ends (ray/train/_internal/storage.py, ray#37177).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from raydock.jobscript.text import name_of
from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding, unknown
from .analysis.conditions import Conditions
from .analysis.reach import Reach
from .draft import Draft

CALLBACKS = re.compile(r"\w*(ReportCheckpointCallback|RayTrainReportCallback)")
TRAINERS = ("ray.train.xgboost.XGBoostTrainer", "ray.train.lightgbm.LightGBMTrainer")
POLICY = ("checkpoint_frequency", "checkpoint_at_end")


def check_shared(draft: Draft, facts: ClusterInfo) -> Iterable[Finding]:
    """A job that reports checkpoints says where all nodes find them."""
    if of_one_machine(facts) or storage_is_set(draft):
        return
    if not draft.conditions.text.uses("ray.tune", "ray.train", "ray.air"):
        return
    for name, node, reach in draft.nodes:
        if reach is not Reach.PROVIDED and isinstance(node, ast.Call) and keeps(node, draft.conditions):
            yield unknown(
                "script",
                f"{name}:{node.lineno} saves checkpoints without a storage_path: Ray looks for the head node's "
                "folder on the workers, where it does not exist.",
                'set RunConfig(storage_path="gs://BUCKET/FOLDER"), and writes = ["gs://BUCKET/FOLDER"] in the header',
            )
            return


def of_one_machine(facts: ClusterInfo) -> bool:
    """Have all nodes the same disk, as far as they tell?"""
    addresses = {name for node in facts.nodes for name in node.resources if re.fullmatch(r"node:\d.*", name)}
    return len(facts.nodes) < 2 or (
        bool(addresses) and all(name.startswith("node:127.") for name in addresses)
    )


def storage_is_set(draft: Draft) -> bool:
    """Does the job give a storage_path that is no folder of a node?"""
    for node in (node for tree in draft.modules.values() for node in ast.walk(tree)):
        if isinstance(node, ast.keyword) and node.arg in ("storage_path", "local_dir"):
            if not (isinstance(node.value, ast.Constant) and of_a_node(node.value.value)):
                return True
        elif isinstance(node, ast.Constant) and node.value == "storage_path":  # of a dict
            return True
    return False


def of_a_node(path: object) -> bool:
    return path is None or (isinstance(path, str) and path.startswith(("~", "/tmp", "/home", ".")))


def keeps(node: ast.Call, conditions: Conditions) -> bool:
    """Does a call keep checkpoints?"""
    name = name_of(node.func)
    if name == "report":
        given = [one.value for one in node.keywords if one.arg == "checkpoint"]
        return any(not (isinstance(one, ast.Constant) and one.value is None) for one in given)
    if any(one.arg in POLICY and conditions.holds(one.value) for one in node.keywords):
        return True
    return bool(CALLBACKS.fullmatch(name)) or conditions.text.dotted(node.func) in TRAINERS

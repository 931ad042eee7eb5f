# expect: runs
# after Ray's documentation: ray-core/scheduling/placement-group
import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

ray.init(logging_level="warning")
group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="SPREAD")
ray.get(group.ready(), timeout=120)


@ray.remote(num_cpus=1)
def where():
    return ray.get_runtime_context().get_node_id()


nodes = ray.get([
    where.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=n)).remote()
    for n in range(2)
])
print(placement_group_table(group)["strategy"], len(set(nodes)), "nodes")
remove_placement_group(group)
pinned = where.options(scheduling_strategy=NodeAffinitySchedulingStrategy(nodes[0], soft=False)).remote()
assert ray.get(pinned) == nodes[0]

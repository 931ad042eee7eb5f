# expect: runs
import ray
from ray import tune


def objective(config):
    return {"score": config["a"] ** 2 + config["b"]}


results = tune.Tuner(
    objective,
    param_space={"a": tune.grid_search([1, 2]), "b": tune.choice([1, 2])},
    tune_config=tune.TuneConfig(max_concurrent_trials=2),
).fit()
print(results.get_best_result(metric="score", mode="min").config)
print(ray.cluster_resources())

# expect: UNKNOWN imports needs optuna
# truth: AssertionError: Optuna must be installed!
# after Ray's documentation: tune/examples/optuna_example
from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch


def objective(config):
    tune.report({"score": -((config["x"] - 2) ** 2)})


tuner = tune.Tuner(
    objective,
    param_space={"x": tune.uniform(-5, 5)},
    tune_config=tune.TuneConfig(
        metric="score", mode="max", num_samples=3, search_alg=ConcurrencyLimiter(OptunaSearch(), max_concurrent=2)
    ),
)
print(tuner.fit().get_best_result().config)

# expect: runs
# arguments: --smoke-test
# after Ray's documentation: tune/getting-started, and tune/examples/async_hyperband_example
import argparse

import numpy as np
from ray import tune
from ray.tune.schedulers import ASHAScheduler


def objective(config):
    for step in range(1, 9):
        tune.report({"loss": (config["a"] - 3) ** 2 + np.tanh(1 / step), "step": step})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke-test", action="store_true")
    parser.add_argument("--wandb", action="store_true")
    args, _ = parser.parse_known_args()
    callbacks = []
    if args.wandb:
        from ray.air.integrations.wandb import WandbLoggerCallback

        callbacks.append(WandbLoggerCallback(project="asha"))
    tuner = tune.Tuner(
        tune.with_resources(objective, {"cpu": 1}),
        param_space={"a": tune.uniform(0, 10), "b": tune.choice(["x", "y"])},
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=3 if args.smoke_test else 50,
            scheduler=ASHAScheduler(time_attr="step", max_t=8, grace_period=2),
        ),
        run_config=tune.RunConfig(name="asha", callbacks=callbacks, verbose=1),
    )
    print("best:", tuner.fit().get_best_result().config)

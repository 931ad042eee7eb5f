# /// script
# dependencies = ["ray[tune]"]
# [tool.submit]
# writes = ["gs://lab-models/scripts"]
# ///
# expect: runs
# after Ray's documentation: tune/tutorials/tune-trial-checkpoints
import json
import tempfile
from pathlib import Path

from ray import tune
from ray.tune import Checkpoint

STORAGE = "gs://lab-models/scripts"


def train(config):
    for epoch in range(2):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps({"epoch": epoch}))
            tune.report({"loss": config["lr"] / (epoch + 1)}, checkpoint=Checkpoint.from_directory(folder))


tuner = tune.Tuner(
    train,
    param_space={"lr": tune.grid_search([0.1, 0.2])},
    run_config=tune.RunConfig(name="checkpoints", storage_path=STORAGE),
)
best = tuner.fit().get_best_result("loss", "min")
with best.checkpoint.as_directory() as folder:
    print(best.config, json.loads(Path(folder, "state.json").read_text()))

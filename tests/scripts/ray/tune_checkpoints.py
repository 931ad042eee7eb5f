# expect: UNKNOWN script saves checkpoints without a storage_path
# truth: RuntimeError: Unable to set up cluster storage, in every trial
# after Ray's documentation: tune/tutorials/tune-trial-checkpoints
import json
import tempfile
from pathlib import Path

from ray import tune
from ray.tune import Checkpoint


def train(config):
    for epoch in range(3):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps({"epoch": epoch}))
            tune.report({"loss": config["lr"] / (epoch + 1)}, checkpoint=Checkpoint.from_directory(folder))


results = tune.Tuner(train, param_space={"lr": tune.grid_search([0.1, 0.2])}).fit()
print(results.get_best_result("loss", "min").checkpoint)

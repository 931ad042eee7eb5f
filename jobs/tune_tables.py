"""The log lines, the tables and the plot of a grid of trials. `jobs/tune_forest.py` imports this file."""

import collections
import io
import json

import ray
from ray import tune


def words(config):
    """Format the configuration for the log."""
    return "depth {max_depth}, {n_estimators} trees, alpha {ccp_alpha:g}".format(**config)


class Progress(tune.Callback):
    """Prints a line for each trial that finishes or is restarted."""

    def on_trial_complete(self, iteration, trials, trial, **info):
        """Print the trial's accuracy, node and duration."""
        done, last = sum(other.is_finished() for other in trials if other is not trial) + 1, trial.last_result
        node = next((n["NodeName"] for n in ray.nodes() if n["NodeID"] == last["node"]), "a lost node")
        took = f"{last['accuracy']:.4f} ({node}, {last['end'] - last['start']:.1f} s)"
        print(f"trial {done} of {len(trials)}: {words(trial.config)}: {took}", flush=True)

    def on_trial_recover(self, iteration, trials, trial, **info):
        """Print that the trial resumes on another node."""
        print(f"lost: {words(trial.config)}: resuming from its last checkpoint on another node", flush=True)


def lines_of(rows, alpha):
    """Accuracy by number of trees, with one line per depth."""
    lines = collections.defaultdict(list)
    for row in rows:
        if row["ccp_alpha"] == alpha:
            lines[f"depth {row['max_depth']}"].append([row["n_estimators"], row["accuracy"]])
    return lines


def write_tables(rows, best, alphas, write):
    """Write trials.csv, best.json and trials.svg with `write(name, text)`."""
    from matplotlib.figure import Figure  # imported here, because the workers don't need it

    columns = ["max_depth", "n_estimators", "ccp_alpha", "accuracy", "start", "end", "node"]
    table = [columns, *([row[column] for column in columns] for row in rows)]
    write("trials.csv", "".join(",".join(map(str, line)) + "\n" for line in table))
    write("best.json", json.dumps({column: best[column] for column in columns[:4]}) + "\n")
    figure, drawing = Figure(figsize=(9, 3.6), layout="constrained"), io.StringIO()
    panels = figure.subplots(1, len(alphas), sharey=True, squeeze=False)[0]
    for alpha, panel in zip(alphas, panels, strict=True):
        for label, points in lines_of(rows, alpha).items():
            panel.plot(*zip(*points, strict=True), marker="o", label=label)
        panel.set(title=f"ccp_alpha {alpha:g}", xlabel="trees")
    panels[0].set_ylabel("accuracy, mean of 3 folds")
    panels[0].legend()
    figure.savefig(drawing, format="svg")
    write("trials.svg", drawing.getvalue())

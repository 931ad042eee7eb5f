# expect: DENIED package config.yaml
# truth: FileNotFoundError, the file is not in the job's folder
import argparse
from pathlib import Path

import yaml
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge

CONFIG = Path(__file__).parent / "config.yaml"

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
args = parser.parse_args()

with open(CONFIG) as f:
    config = yaml.safe_load(f)
X, y = make_regression(config["rows"], config["features"], random_state=config["seed"])
model = Ridge(alpha=args.alpha or config["alpha"]).fit(X, y)
print("R2", model.score(X, y))

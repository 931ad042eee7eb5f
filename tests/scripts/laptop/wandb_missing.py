# expect: DENIED imports wandb
# truth: ModuleNotFoundError: No module named 'wandb'
import wandb
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier

wandb.init(project="iris", config={"n_estimators": 20})
X, y = load_iris(return_X_y=True)
model = GradientBoostingClassifier(**wandb.config).fit(X, y)
wandb.log({"accuracy": model.score(X, y)})
wandb.finish()

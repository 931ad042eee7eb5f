# expect: runs
# after Ray's documentation: ray-more-libs/joblib
import joblib
import numpy as np
from ray.util.joblib import register_ray
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

digits = load_digits()
space = {"C": np.logspace(-2, 4, 10), "gamma": np.logspace(-6, 0, 10), "class_weight": [None, "balanced"]}
search = RandomizedSearchCV(SVC(kernel="rbf"), space, cv=2, n_iter=4, verbose=1, random_state=0)

register_ray()
with joblib.parallel_backend("ray"):
    search.fit(digits.data[:400], digits.target[:400])
print(search.best_score_, search.best_params_)

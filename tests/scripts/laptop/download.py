# expect: runs
import hashlib
import pathlib
import urllib.request

import joblib
import requests
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

URL = "https://archive.ics.uci.edu/static/public/109/wine.csv"
cache = pathlib.Path.home() / ".cache" / "wine.csv"
try:
    response = requests.get(URL, timeout=5)
    response.raise_for_status()
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(response.content)
    print("downloaded", hashlib.md5(response.content).hexdigest())
except (requests.RequestException, OSError) as error:
    print("no download, scikit-learn's own copy:", type(error).__name__)
X, y = load_wine(return_X_y=True)
model = make_pipeline(StandardScaler(), SVC()).fit(X, y)
joblib.dump(model, "model.joblib", compress=3)
print(joblib.load("model.joblib").score(X, y), urllib.request.pathname2url("a b"))

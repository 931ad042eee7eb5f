# expect: DENIED package iris.csv
# truth: FileNotFoundError: it lies beside the script and does not travel
import pandas as pd
from sklearn.linear_model import LogisticRegression

df = pd.read_csv("iris.csv")
X, y = df[["sepal_length", "sepal_width"]], df["species"]
clf = LogisticRegression(max_iter=500).fit(X, y)
print("training accuracy:", clf.score(X, y))

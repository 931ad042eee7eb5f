# /// script
# dependencies = ["pandas", "scikit-learn"]
# [tool.submit]
# files = ["iris.csv"]
# ///
# expect: runs
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

df = pd.read_csv("iris.csv")
tree = DecisionTreeClassifier().fit(df.drop(columns="species"), df["species"])
print(tree.get_depth(), tree.score(df.drop(columns="species"), df["species"]))

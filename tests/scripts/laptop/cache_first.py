# expect: runs
import os
import pathlib
import pickle

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
CACHE = HERE / "cache.pkl"

if CACHE.exists():
    with open(CACHE, "rb") as f:
        table = pickle.load(f)
else:
    table = pd.DataFrame(np.arange(12).reshape(4, 3), columns=list("abc"))
    with CACHE.open("wb") as f:
        pickle.dump(table, f)

try:
    notes = open("notes.txt").read()
except FileNotFoundError:
    notes = "none"

if not os.path.isfile("table.parquet"):
    table.to_parquet("table.parquet")
print(pd.read_parquet("table.parquet").sum().to_dict(), notes)

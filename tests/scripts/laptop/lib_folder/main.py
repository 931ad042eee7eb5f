# expect: DENIED imports cleaning
# truth: ModuleNotFoundError: lib/ does not travel
import sys

sys.path.append("lib")

import pandas as pd
from cleaning import drop_outliers

df = pd.DataFrame({"x": [1, 2, 3, 1000]})
print(drop_outliers(df, "x"))

# /// script
# dependencies = ["pandas"]
# [tool.submit]
# files = ["lib/*.py"]
# ///
# expect: runs
import os
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "lib"))

import pandas as pd
from cleaning import drop_outliers

print(drop_outliers(pd.DataFrame({"x": [1, 2, 3, 1000]}), "x"))

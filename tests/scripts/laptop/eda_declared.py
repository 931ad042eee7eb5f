# /// script
# dependencies = ["seaborn", "tqdm", "humanize"]
# ///
# expect: runs
import time

import humanize
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from tqdm.auto import tqdm

df = pd.DataFrame(np.random.rand(500, 3), columns=list("abc"))
for column in tqdm(df.columns, desc="columns"):
    sns.histplot(df[column])
    time.sleep(0.05)
plt.savefig("histogram.png")
print("memory:", humanize.naturalsize(df.memory_usage().sum()))

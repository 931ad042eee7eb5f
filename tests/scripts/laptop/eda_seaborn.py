# expect: DENIED imports matplotlib.pyplot
# expect: DENIED imports seaborn
# truth: ModuleNotFoundError (matplotlib is not there either)
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

sns.set_theme()
df = pd.DataFrame(np.random.rand(50, 3), columns=list("abc"))
sns.pairplot(df)
plt.savefig("pairs.png")

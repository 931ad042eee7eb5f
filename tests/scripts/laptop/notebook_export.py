#!/usr/bin/env python
# coding: utf-8
# expect: DENIED script notebook_export.py:11 is a notebook magic
# expect: DENIED script notebook_export.py:12 is a notebook magic
# truth: NameError, get_ipython is IPython's
# # Penguins, first look

# In[1]:


get_ipython().system('pip install -q seaborn')
get_ipython().run_line_magic('matplotlib', 'inline')

# In[2]:


import pandas as pd
import seaborn as sns

df = pd.DataFrame({"bill": [39.1, 39.5, 40.3, 36.7], "kind": ["a", "a", "b", "b"]})
sns.histplot(df, x="bill", hue="kind")
df.describe()

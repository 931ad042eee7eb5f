# expect: DENIED imports google.cloud.bigquery
# truth: ImportError: cannot import name 'bigquery' from 'google.cloud'
import pandas as pd
from google.cloud import bigquery, storage

client = bigquery.Client()
frame: pd.DataFrame = client.query("select 1 as one").to_dataframe()
storage.Client().bucket("lab-data").blob("one.csv").upload_from_string(frame.to_csv())

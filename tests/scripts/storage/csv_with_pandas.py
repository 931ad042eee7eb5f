# expect: runs
# needs: make_data
# arguments: --input gs://lab-data/avocado/csv
import argparse

import fsspec
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--input", required=True)
args = parser.parse_args()
files = fsspec.filesystem("gs").glob(f"{args.input}/*.csv")
frame = pd.concat(pd.read_csv(f"gs://{path}") for path in files[:2])
print(frame.shape, list(frame.columns)[:4])

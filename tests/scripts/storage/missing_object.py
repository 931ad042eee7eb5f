# /// script
# [tool.submit]
# reads = ["--data"]
# ///
# expect: DENIED storage no such object
# truth: FileNotFoundError of gcsfs
# where: a lab
# arguments: --data gs://lab-data/avocado/no_such_file.csv
import argparse

import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--data")
print(pd.read_csv(parser.parse_args().data).describe())

# /// script
# dependencies = ["ray[data]"]
# [tool.submit]
# reads = ["gs://lab-data/avocado/parquet"]
# ///
# expect: runs
# needs: make_data
import ray

ds = ray.data.read_parquet("gs://lab-data/avocado/parquet/")
print(ds.schema())
print(ds.count(), "rows;", ds.take(1))

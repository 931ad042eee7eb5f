"""Every client that a job uses for gs://, unmodified: writes, reads, and meets the closed bucket's refusal."""

import json
import sys

import gcsfs
import pandas as pd
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import ray
from google.cloud import storage

OPEN, CLOSED = "lab-data", "closed-bucket"
FRAME = pd.DataFrame({"a": range(1000), "b": [str(i) for i in range(1000)]})


def google_cloud_storage(bucket):
    blob = storage.Client().bucket(bucket).blob("clients/gcs.bin")
    blob.upload_from_string(b"x" * 3_000_000)
    return len(blob.download_as_bytes())


def resumable(bucket):
    blob = storage.Client().bucket(bucket).blob("clients/resumable.bin", chunk_size=256 * 1024)
    blob.upload_from_string(b"y" * 1_000_000)
    return len(blob.download_as_bytes())


def fsspec_gcsfs(bucket):
    fs = gcsfs.GCSFileSystem(skip_instance_cache=True)
    fs.pipe(f"{bucket}/clients/gcsfs.bin", b"z" * 10_000)
    fs.mv(f"{bucket}/clients/gcsfs.bin", f"{bucket}/clients/gcsfs2.bin")
    return len(fs.cat(f"{bucket}/clients/gcsfs2.bin"))


def pandas_parquet(bucket):
    FRAME.to_parquet(f"gs://{bucket}/clients/pandas.parquet")
    return len(pd.read_parquet(f"gs://{bucket}/clients/pandas.parquet"))


def pandas_csv(bucket):
    FRAME.to_csv(f"gs://{bucket}/clients/pandas.csv", index=False)
    return len(pd.read_csv(f"gs://{bucket}/clients/pandas.csv"))


def pyarrow_fs(bucket):
    fs = pafs.GcsFileSystem()
    pq.write_table(pa.Table.from_pandas(FRAME), f"{bucket}/clients/arrow.parquet", filesystem=fs)
    return pq.read_table(f"{bucket}/clients/arrow.parquet", filesystem=fs).num_rows


def ray_data(bucket):
    ray.data.from_pandas(FRAME).write_parquet(f"gs://{bucket}/clients/ray")
    return ray.data.read_parquet(f"gs://{bucket}/clients/ray").count()


def ray_task(bucket):
    return ray.get(ray.remote(num_cpus=1)(google_cloud_storage).remote(bucket))


CLIENTS = (
    google_cloud_storage, resumable, fsspec_gcsfs, pandas_parquet, pandas_csv, pyarrow_fs, ray_data, ray_task,
)  # fmt: skip


def main():
    ray.init(log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    told = {}
    for client in CLIENTS:
        told[client.__name__] = {"open": client(OPEN)}
        try:
            told[client.__name__]["closed"] = client(CLOSED)
        except Exception as refusal:
            cause = getattr(refusal, "cause", None) or refusal
            kinds = [kind.__name__ for kind in type(cause).__mro__]
            told[client.__name__] |= {"kinds": kinds, "text": str(refusal)[-2000:]}
        print(client.__name__, flush=True)
    print("RESULT " + json.dumps({"version": 1, "clients": told}))


if __name__ == "__main__":
    sys.exit(main())

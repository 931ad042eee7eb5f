"""Average price per region, from the CSV files in a bucket."""

import argparse
import csv
import io
import json

import ray
from google.cloud import storage


@ray.remote
def read(uri):
    """The prices in one file, by region."""
    text = storage.Blob.from_uri(uri, client=storage.Client()).download_as_text()
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row["region"], []).append(float(row["average_price"]))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prices", default="gs://lab-data/avocado/csv/")
    parser.add_argument("--report", default="gs://lab-models/reports/prices.json")
    args = parser.parse_args()
    client = storage.Client()
    bucket, _, prefix = args.prices.removeprefix("gs://").partition("/")
    uris = [f"gs://{bucket}/{blob.name}" for blob in client.list_blobs(bucket, prefix=prefix)]
    prices = {}
    for part in ray.get([read.remote(uri) for uri in uris if uri.endswith(".csv")]):
        for region, values in part.items():
            prices.setdefault(region, []).extend(values)
    report = {region: round(sum(values) / len(values), 3) for region, values in sorted(prices.items())}
    storage.Blob.from_uri(args.report, client=client).upload_from_string(json.dumps(report))
    print(f"{len(uris)} files, {len(report)} regions → {args.report}")


main()

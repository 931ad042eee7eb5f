# expect: runs
# after Ray's documentation: data/quickstart
from typing import Any, Dict

import numpy as np
import pandas as pd
import ray

ds = ray.data.from_items([{"length": 1.0 + n % 5, "width": 0.1 * (n % 7), "kind": n % 3} for n in range(150)])


def area(batch: Dict[str, np.ndarray]) -> Dict[str, Any]:
    batch["area"] = batch["length"] * batch["width"]
    return batch


class Predictor:
    def __init__(self, weight: float):
        self.weight = weight

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(score=self.weight * batch["area"])


ds = ds.map_batches(area).map_batches(Predictor, fn_constructor_args=(2.0,), concurrency=1, batch_format="pandas")
print(ds.schema())
print(ds.groupby("kind").mean("score").to_pandas())
assert ds.filter(lambda row: row["score"] >= 0).count() == 150

"""The user's own Python on this machine: Ray Client with a runtime env, to cluster main of the lab's Vertex AI."""

import json
import os
import warnings

warnings.simplefilter("ignore")
import ray  # noqa: E402
import vertex_ray  # noqa: E402, F401  registers vertex_ray://

NAME = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/locations/us-central1/persistentResources/main"
ray.init(f"vertex_ray://{NAME}", runtime_env={"env_vars": {"A": "b"}})


@ray.remote
def told() -> dict[str, str]:
    return {"A": os.environ["A"]}


print("TOLD", json.dumps(ray.get(told.remote(), timeout=120)))

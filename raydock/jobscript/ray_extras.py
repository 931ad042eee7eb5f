"""The packages that Ray's extras require in addition to those of `ray[default]`.

Source: the metadata of ray 2.47.1 for Linux; `tests/unit/test_versions.py` checks this. A job can't install Ray itself,
but it can install what an extra adds.
"""

from __future__ import annotations

DATA = ("fsspec", "numpy>=1.20", "pandas>=1.3", "pyarrow>=9.0.0")
TUNE = ("fsspec", "pandas", "pyarrow>=9.0.0", "tensorboardX>=1.9")
SERVE = ("fastapi", "starlette", "uvicorn[standard]", "watchfiles")
RLLIB = (*TUNE, "dm_tree", "gymnasium==1.0.0", "lz4", "ormsgpack==1.7.0", "scipy")
OBSERVABILITY = ("memray", "opentelemetry-api", "opentelemetry-exporter-otlp")
CGRAPH = ("cupy-cuda12x",)

# If a cluster does not report its packages, it is assumed to have what these require.
USUAL = frozenset({"client", "data", "default", "train", "tune"})
EXTRAS: dict[str, tuple[str, ...]] = {
    "adag": CGRAPH,
    "air": (*DATA, *TUNE, *SERVE),
    "all": (*DATA, *RLLIB, *SERVE, *OBSERVABILITY, *CGRAPH, "pyOpenSSL"),
    "cgraph": CGRAPH,
    "client": (),
    "data": DATA,
    "default": (),
    "llm": (*DATA, *SERVE, "jsonref>=1.1.0", "ninja", "typer", "vllm>=0.8.5"),
    "observability": OBSERVABILITY,
    "rllib": RLLIB,
    "serve": SERVE,
    "serve-grpc": (*SERVE, "pyOpenSSL"),
    "train": TUNE,
    "tune": TUNE,
}

# The extra that contains a part of Ray, if any, and the packages that this part imports immediately.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ray.serve": ("serve", ("fastapi", "starlette", "uvicorn")),
    "ray.rllib": ("rllib", ("gymnasium", "tree")),
    "ray.data": ("data", ("numpy", "pandas", "pyarrow")),
    "ray.data.llm": ("llm", ("vllm",)),
    "ray.tune": ("tune", ("pandas", "pyarrow")),
    "ray.tune.integration.lightgbm": ("", ("lightgbm",)),
    "ray.tune.integration.pytorch_lightning": ("", ("pytorch_lightning",)),
    "ray.train": ("train", ("pandas", "pyarrow")),
    "ray.train.horovod": ("", ("horovod",)),
    "ray.train.huggingface.transformers": ("", ("torch", "transformers")),
    "ray.train.lightgbm": ("", ("lightgbm",)),
    "ray.train.lightning": ("", ("torch",)),
    "ray.train.tensorflow": ("", ("tensorflow",)),
    "ray.train.torch": ("", ("torch",)),
    "ray.train.xgboost": ("", ("xgboost",)),
    "ray.air.integrations.keras": ("", ("tensorflow",)),
    "ray.util.dask": ("", ("dask",)),
    "ray.llm": ("llm", ("vllm",)),
}
# The packages that a part of Ray imports only when it is used.
USED: dict[str, tuple[str, ...]] = {
    "ray.air.integrations.comet": ("comet_ml",),
    "ray.air.integrations.mlflow": ("mlflow",),
    "ray.air.integrations.wandb": ("wandb",),
    "ray.tune.schedulers.pb2": ("GPy",),
    "ray.tune.search.ax": ("ax",),
    "ray.tune.search.bayesopt": ("bayes_opt",),
    "ray.tune.search.bohb": ("ConfigSpace", "hpbandster"),
    "ray.tune.search.hebo": ("hebo",),
    "ray.tune.search.hyperopt": ("hyperopt",),
    "ray.tune.search.nevergrad": ("nevergrad",),
    "ray.tune.search.optuna": ("optuna",),
    "ray.tune.search.zoopt": ("zoopt",),
}
# Bundled with Ray, and importable once ray is imported: ray/thirdparty_files in the wheel.
BROUGHT = frozenset({"colorama", "psutil", "setproctitle"})

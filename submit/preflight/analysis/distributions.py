"""Which package provides which module, if their names differ, and what popular packages depend on.

Data for the imports check. Packages installed in the caller's environment are looked up there as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

# module: the packages that provide it; the first is the one to declare.
PACKAGES: dict[str, tuple[str, ...]] = {
    "Bio": ("biopython",),
    "Crypto": ("pycryptodome", "pycrypto"),
    "IPython": ("ipython",),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow",),
    "OpenGL": ("pyopengl",),
    "attr": ("attrs",),
    "ax": ("ax-platform",),
    "bayes_opt": ("bayesian-optimization",),
    "absl": ("absl-py",),
    "autosklearn": ("auto-sklearn",),
    "bs4": ("beautifulsoup4",),
    "community": ("python-louvain",),
    "cv2": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "box": ("python-box",),
    "dateutil": ("python-dateutil",),
    "decouple": ("python-decouple",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "dm_tree": ("dm-tree",),
    "ee": ("earthengine-api",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "google.cloud.aiplatform": ("google-cloud-aiplatform",),
    "google.cloud.bigquery": ("google-cloud-bigquery",),
    "google.cloud.bigquery_storage": ("google-cloud-bigquery-storage",),
    "google.cloud.logging": ("google-cloud-logging",),
    "google.cloud.pubsub": ("google-cloud-pubsub",),
    "google.cloud.pubsub_v1": ("google-cloud-pubsub",),
    "google.cloud.secretmanager": ("google-cloud-secret-manager",),
    "google.cloud.storage": ("google-cloud-storage",),
    "google.protobuf": ("protobuf",),
    "google.generativeai": ("google-generativeai",),
    "google.genai": ("google-genai",),
    "googleapiclient": ("google-api-python-client",),
    "grpc": ("grpcio",),
    "hydra": ("hydra-core",),
    "igraph": ("igraph", "python-igraph"),
    "imblearn": ("imbalanced-learn",),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "kafka": ("kafka-python",),
    "llama_index": ("llama-index",),
    "jpype": ("jpype1",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "magic": ("python-magic",),
    "mpl_toolkits": ("matplotlib",),
    "mysql": ("mysql-connector-python",),
    "nacl": ("pynacl",),
    "osgeo": ("gdal",),
    "paddle": ("paddlepaddle",),
    "pkg_resources": ("setuptools",),
    "psycopg2": ("psycopg2-binary", "psycopg2"),
    "pptx": ("python-pptx",),
    "pywt": ("pywavelets",),
    "pylab": ("matplotlib",),
    "pytorch_lightning": ("pytorch-lightning",),
    "qdrant_client": ("qdrant-client",),
    "rest_framework": ("djangorestframework",),
    "ruamel.yaml": ("ruamel-yaml",),
    "sentence_transformers": ("sentence-transformers",),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "shapefile": ("pyshp",),
    "sklearnex": ("scikit-learn-intelex",),
    "snowflake.connector": ("snowflake-connector-python",),
    "speech_recognition": ("speechrecognition",),
    "sklearn": ("scikit-learn", "scikit-learn-intelex"),
    "skopt": ("scikit-optimize",),
    "slugify": ("python-slugify",),
    "socks": ("pysocks",),
    "surprise": ("scikit-surprise",),
    "talib": ("ta-lib",),
    "telegram": ("python-telegram-bot",),
    "tensorboardX": ("tensorboardx",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"),
    "tf_keras": ("tf-keras",),
    "tree": ("dm-tree",),
    "umap": ("umap-learn",),
    "usb": ("pyusb",),
    "vertex_ray": ("google-cloud-aiplatform",),
    "vertexai": ("google-cloud-aiplatform",),
    "websocket": ("websocket-client",),
    "win32com": ("pywin32",),
    "wx": ("wxpython",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "xgboost_ray": ("xgboost-ray",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}

# package: modules that its dependencies provide.
DEPENDENCY_MODULES: dict[str, tuple[str, ...]] = {
    "accelerate": ("torch", "numpy", "huggingface_hub", "safetensors", "yaml"),
    "catboost": ("numpy", "pandas", "scipy", "matplotlib", "plotly"),
    "dask": ("cloudpickle", "fsspec", "toolz", "yaml"),
    "datasets": ("numpy", "pandas", "pyarrow", "requests", "tqdm", "huggingface_hub", "fsspec", "dill"),
    "diffusers": ("huggingface_hub", "numpy", "PIL", "regex", "safetensors"),
    "fastai": ("torch", "torchvision", "matplotlib", "pandas", "scipy", "sklearn", "PIL", "spacy", "fastcore"),
    "gcsfs": ("fsspec", "aiohttp", "google.auth", "google.cloud.storage", "requests", "decorator"),
    "google-cloud-aiplatform": ("google.cloud.storage", "google.cloud.bigquery", "google.auth", "google.api_core"),
    "google-cloud-bigquery": ("google.auth", "google.api_core", "dateutil", "requests"),
    "google-cloud-storage": ("google.auth", "google.api_core", "google.resumable_media", "requests"),
    "gymnasium": ("numpy", "cloudpickle"),
    "imbalanced-learn": ("sklearn", "numpy", "scipy", "joblib"),
    "keras": ("numpy", "h5py", "rich"),
    "langchain": ("langchain_core", "pydantic", "requests", "sqlalchemy", "yaml"),
    "librosa": ("numpy", "scipy", "sklearn", "joblib", "soundfile", "numba"),
    "lightgbm": ("numpy", "scipy"),
    "lightning": ("torch", "torchmetrics", "pytorch_lightning", "fsspec", "numpy", "tqdm", "yaml"),
    "matplotlib": ("numpy", "PIL", "dateutil", "pyparsing", "mpl_toolkits", "pylab"),
    "mlflow": ("numpy", "pandas", "scipy", "sklearn", "matplotlib", "pyarrow", "flask", "sqlalchemy", "requests",
               "yaml", "docker"),
    "openai": ("httpx", "pydantic", "tqdm"),
    "opencv-python": ("numpy",),
    "opencv-python-headless": ("numpy",),
    "optuna": ("numpy", "sqlalchemy", "tqdm", "alembic", "yaml", "colorlog"),
    "pandas": ("numpy", "dateutil", "pytz"),
    "peft": ("torch", "transformers", "accelerate", "huggingface_hub", "safetensors", "numpy"),
    "prophet": ("numpy", "pandas", "matplotlib", "cmdstanpy", "holidays", "tqdm"),
    "pytorch-lightning": ("torch", "torchmetrics", "fsspec", "numpy", "tqdm", "yaml"),
    "requests": ("urllib3", "certifi", "idna", "charset_normalizer"),
    "scikit-image": ("numpy", "scipy", "PIL", "imageio", "networkx", "tifffile"),
    "scikit-learn": ("numpy", "scipy", "joblib", "threadpoolctl"),
    "scikit-optimize": ("numpy", "scipy", "sklearn", "joblib"),
    "scipy": ("numpy",),
    "seaborn": ("matplotlib", "numpy", "pandas", "PIL", "mpl_toolkits"),
    "sentence-transformers": ("torch", "transformers", "sklearn", "scipy", "numpy", "huggingface_hub", "tqdm", "PIL"),
    "shap": ("numpy", "scipy", "sklearn", "pandas", "tqdm", "numba", "cloudpickle"),
    "spacy": ("numpy", "requests", "pydantic", "thinc", "tqdm", "jinja2", "typer"),
    "statsmodels": ("numpy", "scipy", "pandas", "patsy"),
    "tensorflow": ("numpy", "keras", "h5py", "google.protobuf", "absl", "grpc", "requests", "tensorboard"),
    "tensorflow-cpu": ("numpy", "keras", "h5py", "google.protobuf", "absl", "grpc", "requests", "tensorboard"),
    "timm": ("torch", "torchvision", "huggingface_hub", "safetensors", "yaml"),
    "torchaudio": ("torch",),
    "torchmetrics": ("torch", "numpy"),
    "torchvision": ("torch", "numpy", "PIL"),
    "transformers": ("tokenizers", "huggingface_hub", "numpy", "requests", "tqdm", "safetensors", "regex", "yaml"),
    "trl": ("torch", "transformers", "accelerate", "datasets"),
    "ultralytics": ("torch", "torchvision", "cv2", "numpy", "matplotlib", "PIL", "requests", "yaml", "pandas"),
    "umap-learn": ("numpy", "scipy", "sklearn", "numba", "tqdm"),
    "xgboost": ("numpy", "scipy"),
    "xgboost-cpu": ("numpy", "scipy"),
}  # fmt: skip


def normalize(name: str) -> str:
    """A package name, normalized as in PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages_of(module: str) -> tuple[str, ...]:
    """The packages that may provide a dotted module; declare the first. If none is known, the module's own name."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if known := PACKAGES.get(".".join(parts[:length])):
            return known
    if parts[0] == "google" and len(parts) > 2 and parts[1] == "cloud":
        return (normalize("-".join(parts[:3])),)
    return tuple(sorted(packages_by_module().get(parts[0], ()))) or (normalize(parts[0]),)


def provide(packages: Iterable[str], module: str) -> bool:
    """Whether packages or their known dependencies provide a module."""
    reached: set[str] = set()
    pending = [normalize(name) for name in packages]
    while pending:
        package = pending.pop()
        if package in reached:
            continue
        reached.add(package)
        if any(overlaps(module, one) for one in DEPENDENCY_MODULES.get(package, ())):
            return True
        pending += [
            normalize(found) for one in DEPENDENCY_MODULES.get(package, ()) for found in packages_of(one)
        ]
        pending += installed_requirements(package) or []
    return bool(reached & set(packages_of(module)))


def dependencies_known(package: str) -> bool:
    """Whether the dependencies of a package are known."""
    return normalize(package) in DEPENDENCY_MODULES or installed_requirements(package) is not None


def overlaps(module: str, other: str) -> bool:
    """Whether two dotted modules are the same, or one contains the other."""
    return f"{module}.".startswith(f"{other}.") or f"{other}.".startswith(f"{module}.")


@cache
def packages_by_module() -> dict[str, list[str]]:
    """The packages that provide each top-level module in this environment. Takes about 50 ms."""
    from importlib.metadata import packages_distributions

    return {module: [normalize(one) for one in found] for module, found in packages_distributions().items()}


@cache
def installed_requirements(package: str) -> list[str] | None:
    """What a package installed in this environment requires without extras; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        found = [Requirement(one) for one in requires(package) or ()]
    except (PackageNotFoundError, ValueError):
        return None
    return [normalize(one.name) for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]

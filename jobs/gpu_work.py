"""Work for a GPU, by whichever framework is installed. `jobs/gpu_tasks.py` imports this file."""

import contextlib
import os
import statistics
import time

SIZE = 4096  # rows and columns of a matrix


def torch_product():
    """PyTorch: a function that multiplies two matrices on the GPU. None if it can't."""
    with contextlib.suppress(ImportError):
        import torch

        if torch.cuda.is_available():
            a = torch.rand((SIZE, SIZE), device="cuda")
            return lambda: torch.mm(a, a).sum().item()  # reading the sum waits for the GPU


def cupy_product():
    """CuPy: the same."""
    with contextlib.suppress(ImportError):
        import cupy

        if cupy.is_available():
            a = cupy.random.random((SIZE, SIZE), dtype="float32")
            return lambda: (a @ a).sum().item()


def xgboost_round():
    """XGBoost: a function that trains one tree on the GPU. None without its CUDA build."""
    with contextlib.suppress(ImportError):
        import numpy as np
        import xgboost as xgb

        if xgb.build_info()["USE_CUDA"]:
            X = np.random.default_rng(0).random((200_000, 20), dtype=np.float32)
            data, params = xgb.QuantileDMatrix(X, X.sum(axis=1)), {"device": "cuda", "max_depth": 8}
            return lambda: xgb.train(params, data, 1)


FRAMEWORKS = {"PyTorch": torch_product, "CuPy": cupy_product, "XGBoost": xgboost_round}


def work(seconds):
    """Use the GPU for this long. Returns the framework and its steps per second; without a real GPU, only waits."""
    # A cluster's nodes set one of these variables.
    real = not os.environ.get("RAYDOCK_SIMULATED_GPU") and os.environ.get("RAYDOCK_GPU") != "simulated"
    name, step = next(
        ((n, s) for n, prepare in FRAMEWORKS.items() if real and (s := prepare())), ("none", None)
    )
    if not step:
        time.sleep(seconds)
        return name, None
    step()  # the first one loads libraries
    start, count = time.perf_counter(), 0
    while (took := time.perf_counter() - start) < seconds:
        step()
        count += 1
    return name, count / took


def rates(whole, half):
    """The GPUs' median steps per second with a whole GPU and with half a GPU per task, and what did them."""
    frameworks = {task["framework"] for task in whole + half if task["steps_per_second"]}
    if not frameworks:
        return {}
    one, two = (statistics.median(task["steps_per_second"] or 0 for task in tasks) for tasks in (whole, half))
    return {"frameworks": sorted(frameworks), "steps_per_second": {"whole": one, "half": two}}


def describe(found, kind):
    """Print what the tasks computed, or why they only waited."""
    if found:
        one, two = found["steps_per_second"].values()
        with_ = ", ".join(found["frameworks"])
        print(f"{with_}: {one:.1f} steps a second with a whole GPU, {two:.1f} with half a GPU", flush=True)
    elif kind == "real":
        print(f"The tasks only waited: none of {', '.join(FRAMEWORKS)} can use the GPU here.", flush=True)

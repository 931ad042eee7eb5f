# expect: runs
# arguments: --rows 2000
"""The usual ways to do without a package that is not there."""
import argparse
import importlib.util
import pickle
import time

import numpy as np

try:
    from tqdm import tqdm
except ImportError:
    def tqdm(values, **_):
        return values

try:
    import cupy as xp
except Exception:
    xp = np

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    import torch


def export_onnx(model):
    import skl2onnx
    return skl2onnx.to_onnx(model)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--wandb", action="store_true")
    parser.add_argument("--onnx", action="store_true")
    args = parser.parse_args()
    if args.wandb:
        import wandb
        wandb.init()
    total = 0.0
    for _ in tqdm(range(10), desc="rounds"):
        total += float(xp.random.rand(args.rows).mean())
        time.sleep(0.01)
    with open("total.pkl", "wb") as f:
        pickle.dump(total, f)
    if args.onnx:
        export_onnx(total)
    device = "cuda" if HAS_TORCH and torch.cuda.is_available() else "cpu"
    print(device, total)


if __name__ == "__main__":
    main()

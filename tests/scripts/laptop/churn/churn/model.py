from __future__ import annotations

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass
class Settings:
    seed: int = 0
    rows: int = 1_000


class Model:
    def __init__(self, settings: Settings):
        self.settings = settings

    @functools.cached_property
    def weights(self) -> np.ndarray:
        return np.random.default_rng(self.settings.seed).normal(size=3)

    def score(self) -> float:
        return float(np.abs(self.weights).sum())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    plt.hist(Model(Settings()).weights)
    plt.show()

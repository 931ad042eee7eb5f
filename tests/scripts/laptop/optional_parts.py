# expect: runs
# truth: four packages that are not there, and none of them is reached
"""Parts that are chosen by a flag, a dataclass, a default, a table or by what is there."""
import os
from dataclasses import dataclass

import click

try:
    import torch

    HAS_TORCH = True
except ImportError:
    HAS_TORCH = False

if HAS_TORCH:
    import torchvision


@dataclass
class Config:
    use_wandb: bool = False
    backend: str = "numpy"


def of_numpy():
    import numpy

    return numpy.ones(3).sum()


def of_jax():
    import jax.numpy

    return jax.numpy.ones(3).sum()


BACKENDS = {"numpy": of_numpy, "jax": of_jax}


def report(total, html=False):
    if html:
        import plotly.express

        plotly.express.bar([total]).write_html("total.html")
    print("total", total)


@click.command()
@click.option("--notify/--quiet", default=False)
def main(notify):
    config = Config(backend=os.environ.get("BACKEND", "numpy"))
    if config.use_wandb:
        import wandb

        wandb.init()
    if notify:
        import slack_sdk

        slack_sdk.WebClient().chat_postMessage(channel="#jobs", text="done")
    report(BACKENDS[config.backend]())


if __name__ == "__main__":
    main()

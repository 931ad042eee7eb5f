# expect: runs
# arguments: fit --rows 300 --verbose
import logging
import logging.handlers
import sys

import click
import pandas as pd
from sklearn.linear_model import LinearRegression

log = logging.getLogger("cli")


@click.group()
def cli():
    """Two commands."""


@cli.command()
@click.option("--rows", default=1000, show_default=True)
@click.option("--verbose", is_flag=True)
def fit(rows, verbose):
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-8s %(message)s",
        handlers=[logging.StreamHandler(sys.stderr), logging.handlers.RotatingFileHandler("fit.log", maxBytes=10_000)],
    )
    df = pd.DataFrame({"x": range(rows)}).eval("y = 3 * x + 1")
    df.to_csv("points.csv", index=False)
    model = LinearRegression().fit(pd.read_csv("points.csv")[["x"]], df["y"])
    log.debug("coefficient %.3f", model.coef_[0])
    click.secho(f"done: {model.intercept_:.1f}", fg="green")


@cli.command()
def serve():
    import uvicorn

    uvicorn.run("app:app")


if __name__ == "__main__":
    cli()

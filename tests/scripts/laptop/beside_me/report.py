#!/usr/bin/env -S uv run --script
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "pandas<3",
#   "tabulate",
# ]
#
# [tool.submit]
# files = ["data/*.csv", "settings.yaml"]
# ///
# expect: runs
"""Sales by month, with paths relative to the script, as uv and pipx run it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

HERE = Path(__file__).resolve().parent


def load(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, parse_dates=["day"]) for path in sorted(folder.glob("*.csv"))])


def main() -> None:
    settings = yaml.safe_load((HERE / "settings.yaml").read_text())
    sales = load(HERE / "data")
    monthly = sales.groupby(sales["day"].dt.month)["amount"].agg(settings["aggregate"])
    out = Path("outputs")
    out.mkdir(exist_ok=True)
    monthly.to_csv(out / "monthly.csv")
    print(monthly.to_frame().to_markdown())


if __name__ == "__main__":
    main()

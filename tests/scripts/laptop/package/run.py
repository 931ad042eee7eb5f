# expect: runs
# arguments: --epochs 3 -v
import argparse
import logging

import utils
from pipeline import Pipeline
from pipeline.steps import scale, shift

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("-v", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if args.v else logging.INFO)
    pipeline = Pipeline([scale, shift])
    for epoch in range(args.epochs):
        logging.info("epoch %d: %s", epoch, utils.fmt(pipeline(epoch)))

# expect: runs
# arguments: --tracker none --epochs=2
import argparse
import csv
import sys

DEBUG = False
USE_MLFLOW = False


def parse():
    parser = argparse.ArgumentParser(description="Trackers on demand")
    parser.add_argument("--tracker", choices=["none", "wandb", "comet"], default="wandb")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--plot", action="store_true", help="draw the losses")
    parser.add_argument("--gpu", action="store_true")
    return parser.parse_args()


def plot(losses):
    import matplotlib.pyplot as plt

    plt.plot(losses)
    plt.savefig("losses.png")


def main():
    args = parse()
    if DEBUG:
        import ipdb

        ipdb.set_trace()
    if USE_MLFLOW:
        import mlflow

        mlflow.start_run()
    if args.tracker == "wandb":
        import wandb

        wandb.init()
    elif args.tracker == "comet":
        import comet_ml

        comet_ml.start()
    losses = [1 / (epoch + 1) for epoch in range(args.epochs)]
    with open("losses.csv", "w", newline="") as file:
        csv.writer(file).writerows(enumerate(losses))
    if args.plot:
        plot(losses)
    if args.gpu:
        import torch

        torch.cuda.empty_cache()
    print(losses[-1], file=sys.stdout)


if __name__ == "__main__":
    main()

# expect: DENIED imports torch, which is not in the package
# truth: ModuleNotFoundError: PyTorch isn't installed
# after Ray's documentation: train/getting-started-pytorch
import torch
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model


def train_func():
    model = prepare_model(torch.nn.Linear(4, 1))
    print(model(torch.ones(4)))


TorchTrainer(train_func, scaling_config=ScalingConfig(num_workers=2, use_gpu=False)).fit()

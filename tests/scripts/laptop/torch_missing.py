# expect: DENIED imports torch
# truth: ModuleNotFoundError: No module named 'torch'
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
data = TensorDataset(torch.from_numpy(np.random.rand(64, 4).astype("float32")))
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
for (batch,) in DataLoader(data, batch_size=16):
    print(model(batch.to(device)).mean().item())

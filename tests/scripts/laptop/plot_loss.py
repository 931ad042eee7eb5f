# /// script
# dependencies = ["matplotlib"]
# ///
# expect: runs
import os

import matplotlib.pyplot as plt
import numpy as np

os.makedirs("plots", exist_ok=True)
rng = np.random.default_rng(0)
loss = np.exp(-np.linspace(0, 3, 50)) + rng.normal(0, 0.02, 50)

plt.figure(figsize=(6, 4))
plt.plot(loss, label="training loss")
plt.legend()
plt.savefig("plots/loss.png")
plt.show()
print("saved", os.path.getsize("plots/loss.png"), "bytes")

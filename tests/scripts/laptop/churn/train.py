# expect: runs
import ray
from churn import Model, Settings

ray.init()


@ray.remote
class Trainer:
    def __init__(self, settings: Settings):
        self.model = Model(settings)

    def train(self) -> float:
        return self.model.score()


trainers = [Trainer.options(num_cpus=0.5).remote(Settings(seed=n)) for n in range(3)]
print(max(ray.get([trainer.train.remote() for trainer in trainers])))

# /// script
# dependencies = ["omegaconf>=2.3", "python-dotenv"]
# ///
# expect: runs
# arguments: model.depth=5 seed=7
import os
import sys
from dataclasses import dataclass, field

from dotenv import load_dotenv
from omegaconf import OmegaConf

load_dotenv()


@dataclass
class Model:
    kind: str = "forest"
    depth: int = 3


@dataclass
class Config:
    seed: int = 0
    model: Model = field(default_factory=Model)


config = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.from_dotlist(sys.argv[1:]))
print(OmegaConf.to_yaml(config))
print(f"experiment: {os.environ.get('EXPERIMENT', 'none')}")
assert config.model.depth == 5

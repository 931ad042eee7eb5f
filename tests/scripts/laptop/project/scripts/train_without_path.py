# expect: UNKNOWN imports salesmodel from src, which only the script adds to sys.path
# truth: ModuleNotFoundError in each task, before its first line
# options: --working-dir ..
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import ray
from salesmodel.predict import forecast

settings = dict(line.split("=") for line in (ROOT / "settings.ini").read_text().split())


@ray.remote
def run(history):
    return forecast(history)


ray.init()
print(settings, ray.get([run.remote([n, n + 1]) for n in range(3)]))

# ruff: noqa: E501 - tables
"""What the preflight rejects and what it lets pass, for realistic sources, headers and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from raydock.jobscript.dependencies import missing
from raydock.jobscript.header import Header
from raydock.rayapi.cluster_info import ClusterInfo, NodeResources
from submit import package
from submit.findings import Finding, Outcome
from submit.plan import JobPlan
from submit.preflight import preflight
from submit.preflight.declared import newer_string
from submit.script import read_script

FACTS = ClusterInfo(
    ray="2.47.1",
    python="3.11.9",
    packages={"ray": "2.47.1", "scikit-learn": "1.9.1", "numpy": "2.4", "pandas": "2.3", "pyarrow": "26.0"},
    modules=frozenset({"ray", "sklearn", "numpy", "pandas", "pyarrow", "yaml", "joblib", "click", "google.cloud.storage",
                       "google.auth", "google.protobuf"}),
    silent="not asked",
)  # fmt: skip
TUNES = FACTS.modules | {"xgboost"}


def found(
    folder: Path,
    files: str | Mapping[str, str],
    *arguments: str,
    env: Mapping[str, str] | None = None,
    facts: ClusterInfo = FACTS,
    tree: bool = False,
) -> list[Finding]:
    """The findings about a job that are not OK. The first file is the script."""
    files = {"job.py": files} if isinstance(files, str) else files
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    path = folder / next(iter(files))
    script = read_script(path)
    name = path.relative_to(folder).as_posix() if tree else path.name
    contents = package.tree_contents(folder) if tree else package.script_contents(path, script.header.files)
    sources = package.sources(path, folder if tree else None)
    first = next(iter(sources))
    sources = {name if one == first else one: text for one, text in sources.items()}
    plan = JobPlan(
        name, script.header, contents, arguments, env or {}, sources=sources,
        installs=missing(script.header.dependencies, facts.packages, facts.python),
        folder=path.parent,
    )  # fmt: skip
    ignored = {"resources", "package"} if not tree else {"resources"}
    return [
        one for one in preflight(plan, facts) if one.verdict is not Outcome.OK and one.check not in ignored
    ]


def header(*lines: str) -> str:
    return "\n".join(["# /// script", *(f"# {line}" for line in lines), "# ///", ""])


OPTIONS = (
    "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('-w', '--wandb', action='store_true')\n"
    "parser.add_argument('--tracker', default='none')\nparser.add_argument('--cpus', type=int)\n"
)
PASSES = {
    "standard library": "import os, tomllib, xml.etree.ElementTree\nimport distutils.version",
    "installed": "import sklearn.svm\nfrom google.cloud import storage\nimport yaml, google.auth",
    "installed namespace": "import google.cloud.storage as s\nfrom google import auth",
    "declared": header('dependencies = ["torch"]') + "import torch",
    "declared by package name": header('dependencies = ["opencv-python"]') + "import cv2",
    "provided by a dependency": header('dependencies = ["seaborn"]') + "import seaborn, matplotlib.pyplot",
    "provided by dependencies": header('dependencies = ["sentence-transformers"]') + "import torch, transformers",
    "missing import that is handled": "try:\n    import torch\nexcept ImportError:\n    torch = None",
    "for another Python": "import sys\nif sys.version_info < (3, 11):\n    import tomli",
    "for the type checker": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
    "a function that is never called": "def plot():\n    import matplotlib.pyplot",
    "suppressed": "from contextlib import suppress\nwith suppress(ImportError):\n    import IPython",
    "in the source's runtime_env": "import ray\nray.init(runtime_env={'pip': ['humanize']})\nimport humanize",
    "only in Colab": "try:\n    from google.colab import drive\n    IN_COLAB = True\nexcept ModuleNotFoundError:\n"
    "    IN_COLAB = False\nif IN_COLAB:\n    from google.colab import files",
    "a part of Ray": "from ray import data, tune\nimport ray.train",
    "Serve, declared": header('dependencies = ["ray[serve]"]') + "from ray import serve",
    "plain ray.init": "import ray\nray.init()\nray.init(address='auto', ignore_reinit_error=True, num_cpus=None)",
    "chosen by environment": "import os, ray\nif 'RAY_ADDRESS' in os.environ:\n    ray.init()\nelse:\n    ray.init(num_cpus=2)",
    "an environment of its own": "import os, ray\ndef start():\n    if 'RAY_ADDRESS' in os.environ:\n        return\n    ray.init(num_gpus=1)\nstart()",
    "RLlib's examples": "import argparse, ray\nparser = argparse.ArgumentParser()\n"
    "parser.add_argument('--num-cpus', type=int, default=0)\nargs = parser.parse_args()\n"
    "ray.init(num_cpus=args.num_cpus or None)",
    "an option without a default": "import argparse, ray\nparser = argparse.ArgumentParser()\n"
    "parser.add_argument('--num-cpus', type=int)\nargs = parser.parse_args()\nray.init(num_cpus=args.num_cpus)",
    "another object's init": "class Thing:\n    def init(self, **more): pass\nThing().init(num_cpus=2)",
    "leftovers of a notebook": "try:\n    get_ipython().run_line_magic('matplotlib', 'inline')\nexcept NameError:\n    pass",
    "own display": "def display(x):\n    print(x)\ndisplay(1)",
    "a file it writes itself": "open('out.txt', 'w').write('x')\nprint(open('out.txt').read())",
    "a constant flag": "USE_WANDB = False\nif USE_WANDB:\n    import wandb",
    "a flag that tests for a module": "import importlib.util\nHAS = importlib.util.find_spec('torch') is not None\nif HAS:\n    import torch",
    "an option that is not given": OPTIONS + "def main(args):\n    if args.wandb:\n        import wandb\n"
    "    if args.tracker == 'mlflow':\n        import mlflow\nmain(parser.parse_args())",
    "a function of an absent option": OPTIONS + "def export():\n    import onnx\n    deeper()\n"
    "def deeper():\n    import skl2onnx\nargs = parser.parse_args()\nexport() if args.wandb else print()",
    "an option that is not a number": OPTIONS + "import ray\nargs = parser.parse_args()\n"
    "ray.init(num_cpus=4 if args.wandb else None)",
    "a command that is not selected": "import click\n@click.group()\ndef cli(): pass\n@cli.command()\ndef fit(): pass\n"
    "@cli.command('web')\ndef serve():\n    import uvicorn\ncli()",
    "an option behind a function": OPTIONS + "def parse():\n    args = parser.parse_args()\n    return args\n"
    "config = parse()\nif config.wandb:\n    wandb()\ndef wandb():\n    import wandb",
    "a condition with an unknown value": "import json\nconfig = json.loads('{}')\nif config.get('plot'):\n    import matplotlib\n"
    "import ray\nif config:\n    ray.init(num_cpus=2)",
    "a function with a condition": "def fit(plot=False, backend='sklearn'):\n    if plot:\n        import matplotlib\n"
    "    match backend:\n        case 'torch':\n            import torch\nfit()",
    "decided by an earlier test": "try:\n    import torch\n    HAS = True\nexcept ImportError:\n    HAS = False\n"
    "if HAS:\n    import torchvision",
    "a table of functions": "import sys\ndef one():\n    import torch\ndef two():\n    import jax\n{'one': one, 'two': two}[sys.argv[1]]",
    "a command of several": OPTIONS + "def export(args):\n    import onnx\nparser.set_defaults(func=export)\nparser.parse_args().func()",
    "arguments that are not given": "import ray, sys\nif len(sys.argv) > 1 and sys.argv[1] == '--local':\n    ray.init(num_cpus=2)",
    "a helper's own test": {"job.py": "import helper", "helper.py": "if __name__ == '__main__':\n    import torch"},
    "Ray's own psutil": "import ray\nimport psutil",
    "Ray's own, in a task": "import os\ndef memory():\n    import psutil\nimport ray\nray.remote(memory).remote()",
    "a file that may be missing": "try:\n    rows = open('out.txt').read()\nexcept FileNotFoundError:\n    rows = ''",
    "a file whose existence is checked": "import os\nfrom pathlib import Path\nCACHE = Path(__file__).parent / 'out.txt'\n"
    "if CACHE.exists():\n    print(CACHE.read_text())",
    "a helper with a package's name": {"job.py": "import datasets", "datasets.py": "x = 1"},
}  # fmt: skip


@pytest.mark.parametrize("files", PASSES.values(), ids=PASSES)
def test_jobs_that_would_run_pass(files: str | dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("of an earlier run")
    assert found(tmp_path, files) == []


D, U = Outcome.DENIED, Outcome.UNKNOWN
FAILS = {
    "not declared": ("import torch", "imports", D,
        "job.py:1 imports torch, which is not in the package, not installed on the cluster, and not declared.",
        'at the top of job.py:\n# /// script\n# dependencies = ["torch"]\n# ///'),
    "beside other dependencies": (header('dependencies = ["numpy"]') + "import cv2", "imports", D,
        "job.py:4 imports cv2, which is not in the package", 'in the header of job.py: dependencies = ["numpy", "opencv-python-headless"]'),
    "maybe provided": (header('dependencies = ["our-internal-thing"]') + "import torch", "imports", U,
        "job.py:4 imports torch, which is not in the package, not installed on the cluster, and not declared "
        "(unless our-internal-thing provides it).", ""),
    "may run": ("def main():\n    import torch\nmain()", "imports", U, "job.py:2 imports torch", ""),
    "in a helper's function": ({"job.py": "import helper\nhelper.train()", "helper.py": "def train():\n    import torch"},
        "imports", U, "helper.py:2 imports torch", ""),
    "a failure that ends the job": ("try:\n    import torch\nexcept ImportError:\n    raise SystemExit('pip install torch')",
        "imports", D, "job.py:2 imports torch, which is not in the package", ""),
    "installed by the job": ("import subprocess, sys\n"
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', '-q', 'torch'])\nimport torch", "imports", U,
        "job.py:3 imports torch, which it installs with pip while running. That affects only the head node and is unreliable.", '"torch"'),
    "installed by a shell, where it is missing": ("import os\ntry:\n    import cowsay\nexcept ImportError:\n"
        "    os.system('pip install cowsay==6')\n    import cowsay", "imports", U, "job.py:3 imports cowsay, which it", ""),
    "Ray's own psutil, too early": ("import psutil\nimport ray", "imports", D,
        "job.py:1 imports psutil before ray, which provides it.", "import ray first"),
    "PyTorch for Train": ("from ray.train.torch import TorchTrainer", "imports", D,
        "job.py:1 imports ray.train.torch, which needs torch: it is neither installed on the cluster nor declared.", '"torch"'),
    "a search algorithm": ("from ray.tune.search.optuna import OptunaSearch", "imports", U, "which needs optuna:", ""),
    "imported in two ways": ("from ray.air.integrations.wandb import WandbLoggerCallback\nimport wandb", "imports", D,
        "job.py:2 imports wandb, which is not in the package", ""),
    "in a namespace": ("from google.cloud import bigquery", "imports", D, "job.py:1 imports google.cloud.bigquery",
        '# dependencies = ["google-cloud-bigquery"]'),
    "Colab": ("from google.colab import drive\ndrive.mount('/content/drive')", "imports", D,
        "job.py:1 imports google.colab, which exists only in Colab.", ""),
    "in a helper": ({"job.py": "import helper", "helper.py": "import numpy\nimport polars"}, "imports", D,
        "helper.py:2 imports polars", ""),
    "in a src layout": ({"jobs/train.py": "import sys\nsys.path.insert(0, '../src')\nimport mypkg",
        "src/mypkg/__init__.py": ""}, "imports", D, "train.py:3 imports mypkg, which is in ", "--working-dir "),
    "Serve": ("from ray import serve", "imports", D, "job.py:1 imports ray.serve, which needs ray[serve]", "ray[serve]"),
    "RLlib": ("from ray.rllib.algorithms.ppo import PPOConfig", "imports", D, "needs ray[rllib]", "ray[rllib]"),
    "removed from Python": ("import distutils.core\nimport telnetlib\nimport annotationlib", "imports", D,
        "job.py:3 imports annotationlib, which the cluster's Python 3.11 does not have.", ""),
    "a script named like a standard module": ({"queue.py": "import ray"}, "shadowing", D,
        "queue.py shadows the standard library's queue in Ray's workers", "rename queue.py"),
    "a helper named like one": ({"job.py": "import calendar", "calendar.py": ""}, "shadowing", D, "calendar.py shadows", ""),
    "a package named like one": ({"job.py": "import types", "types/__init__.py": ""}, "shadowing", D, "types/ shadows", ""),
    "named like a package": ({"numpy.py": "x = 1"}, "shadowing", D, "numpy.py shadows the package numpy", ""),
    "imports itself": ({"sklearn.py": "from sklearn import svm"}, "shadowing", D, "sklearn.py:1 imports sklearn, but Python finds the script itself", ""),
    "num_cpus": ("import ray\nray.init(num_cpus=2)", "script", D, "job.py:2 calls ray.init(num_cpus=…)", "ray.init()"),
    "under another name": ("from ray import init as start\nstart(object_store_memory=10**9)", "script", D,
        "job.py:2 calls ray.init(object_store_memory=…)", ""),
    "in a dict": ("import ray\nsettings = {'num_gpus': 1}\nray.init(**settings)", "script", D, "ray.init(num_gpus=…)", ""),
    "a local Ray": ("import ray\nray.init('local')", "script", D, 'calls ray.init("local")', ""),
    "another cluster": ("import ray\nray.init('ray://10.0.0.5:10001')", "script", U,
        "job.py:2 calls ray.init('ray://10.0.0.5:10001'), a cluster that the job may not be able to reach.", "call ray.init()"),
    "another cluster by name": ("import ray\nHEAD = 'raycluster-head:6379'\nray.init(address=HEAD)", "script", U,
        "calls ray.init('raycluster-head:6379')", ""),
    "a package of another name": ("import vertex_ray", "imports", D, "job.py:1 imports vertex_ray", '"google-cloud-aiplatform"'),
    "a working_dir": ("import ray\nray.init(runtime_env={'working_dir': '.'})", "script", D,
        "passes ray.init a runtime_env with working_dir", "--working-dir"),
    "a RuntimeEnv": ("import ray\nfrom ray.runtime_env import RuntimeEnv\nenv = RuntimeEnv(working_dir='/x')\n"
        "ray.init(runtime_env=env)", "script", D, "job.py:4 passes ray.init a runtime_env with working_dir", ""),
    "pip twice": (header('dependencies = ["humanize"]') + "import ray\nray.init(runtime_env={'pip': ['torch']})", "script", D,
        "a runtime_env with pip", "dependencies"),
    "a notebook magic": ("import os\n\nget_ipython().run_line_magic('pip', 'install humanize')", "script", D,
        "job.py:3 is a notebook magic", "dependencies"),
    "display in a notebook": ("import pandas\ndisplay(pandas.DataFrame())", "script", D, "job.py:2 calls display()", ""),
    "input()": ("name = input('Your name? ')", "script", D, "job.py:1 calls input(), but a job has no terminal.", ""),
    "a folder's source": (header('dependencies = ["humanize"]', "[tool.uv.sources]", 'humanize = { path = "../h" }'),
        "dependencies", D, "job.py: humanize comes from path = '../h', which is on this machine", "--working-dir"),
    "a workspace": (header('dependencies = ["a-b"]', "[tool.uv.sources]", "a_b = { workspace = true }"),
        "dependencies", D, "job.py: a-b comes from workspace = True", ""),
    "a private index": (header('dependencies = ["secret-sauce"]', "[[tool.uv.index]]", 'url = "https://p.example/simple"'),
        "dependencies", D, "secret-sauce may come from https://p.example/simple", ""),
    "an index by name": (header('dependencies = ["a"]', "[tool.uv.sources]", 'a = { index = "ours" }'), "dependencies", D,
        "job.py: a comes only from the index 'ours'", ""),
    "a file URL": (header('dependencies = ["a @ file:///home/me/a"]'), "dependencies", D, "a comes from file:///home/me/a", ""),
}  # fmt: skip


@pytest.mark.parametrize(("files", "check", "verdict", "message", "fix"), FAILS.values(), ids=FAILS)
def test_jobs_that_would_fail_are_reported(
    files: str | dict[str, str], check: str, verdict: Outcome, message: str, fix: str, tmp_path: Path
) -> None:
    (one,) = found(tmp_path, files)
    assert (one.check, one.verdict) == (check, verdict)
    assert message in one.message
    assert fix in one.fix


def test_cluster_that_reports_nothing_makes_imports_unknown(tmp_path: Path) -> None:
    silent = replace(FACTS, packages={}, modules=frozenset())
    assert found(tmp_path, "import ray, numpy, yaml, requests", facts=silent) == []
    (one,) = found(tmp_path, "import torch", facts=silent)
    assert (one.check, one.verdict) == ("imports", U)


def test_cluster_that_reports_only_packages(tmp_path: Path) -> None:
    older = replace(FACTS, modules=frozenset())
    assert found(tmp_path, "import sklearn, numpy, pandas", facts=older) == []
    assert [one.check for one in found(tmp_path, "import cv2", facts=older)] == ["imports"]


def test_folders_of_a_tree_on_the_path(tmp_path: Path) -> None:
    files = {"jobs/train.py": "import mypkg", "src/mypkg/__init__.py": "", "jobs/near.py": "", "far.py": ""}
    assert [one.check for one in found(tmp_path, files, tree=True)] == ["imports"]
    assert found(tmp_path, files, tree=True, env={"PYTHONPATH": "src"}) == []
    assert found(tmp_path, {**files, "jobs/train.py": "import near, far"}, tree=True) == []
    shadowed = found(
        tmp_path, {**files, "jobs/train.py": "import far", "jobs/random.py": "", "x/random.py": ""}, tree=True
    )
    assert [one.message.split(" shadows")[0] for one in shadowed] == ["jobs/random.py"]


@pytest.mark.parametrize("value", ["^\\$HOME/(.*)$", "5${USD}", "$HOME/x", "a$PATH", "${lower}"])
def test_a_value_that_ray_would_expand_is_denied(value: str, tmp_path: Path) -> None:
    (one,) = found(tmp_path, "", env={"WHERE": value})
    assert (one.check, one.verdict) == ("environment", D)
    assert "WHERE" in one.message


@pytest.mark.parametrize("value", ["5$", "$5 a day", "a^b$", "$$"])
def test_other_dollars_are_kept(value: str, tmp_path: Path) -> None:
    assert found(tmp_path, "", env={"WHERE": value}) == []


@pytest.mark.parametrize(
    ("env", "arguments", "check"),
    [
        ({"A": "a" * 70_000, "B": "b" * 70_000}, (), "environment"),
        ({"A": "é" * 25_000}, (), "environment"),  # \\u00e9 as JSON
        ({"A": '"' * 65_000}, (), "environment"),
        ({}, ("x" * 131_072,), "arguments"),
        ({}, tuple(f"part-{n:06d}.parquet" for n in range(7_000)), "arguments"),
        ({"A": "a" * 100_000}, ("x" * 131_000,), ""),
    ],
)
def test_too_long_for_one_exec_is_denied(
    env: dict[str, str], arguments: tuple[str, ...], check: str, tmp_path: Path
) -> None:
    assert [one.check for one in found(tmp_path, "", *arguments, env=env)] == ([check] if check else [])


def test_local_files_in_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.csv").write_text("x")
    (tmp_path / "results").mkdir()
    for arguments in (
        ("--data", "data/train.csv"),
        ("--data=data/train.csv",),
        (str(tmp_path / "data/train.csv"),),
    ):
        (one,) = found(tmp_path, "", *arguments)
        assert (one.check, one.verdict) == ("arguments", D)
        assert "is not packaged" in one.message
    for arguments in (("--output", "data/train.csv"), ("--data", "data/none.csv"), ("results",), ("--name=data",),
                      ("/dev/null",), ("gs://b/data/train.csv",)):  # fmt: skip
        assert found(tmp_path, "", *arguments) == []
    sent = header("[tool.submit]", 'files = ["data/*.csv"]')
    assert found(tmp_path, sent, "--data", "data/train.csv", "--folder", "data/") == []
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (one,) = found(tmp_path, sent, "../data/train.csv")
    assert one.fix == "use its name on the cluster: data/train.csv"


@pytest.mark.parametrize("given", [("--wandb",), ("-w",), ("--wan",), ("--tracker=mlflow", "-w")])
def test_given_option_runs_its_branch(given: tuple[str, ...], tmp_path: Path) -> None:
    text = (
        OPTIONS + "args = parser.parse_args()\nif args.wandb and args.tracker != 'wandb':\n    import wandb"
    )
    assert [(one.check, one.verdict) for one in found(tmp_path, text, *given)] == [("imports", D)]
    assert found(tmp_path, text, "--tracker", "wandb") == []


def test_given_command_runs(tmp_path: Path) -> None:
    text = "import typer\napp = typer.Typer()\n@app.command()\ndef fit(): pass\n@app.command()\ndef to_web():\n    import uvicorn\napp()"
    text = header('dependencies = ["typer"]') + text
    assert [one.check for one in found(tmp_path, text, "to-web")] == ["imports"]
    assert found(tmp_path, text, "fit", "--rows", "3") == []


@pytest.mark.parametrize(("given", "refused"), [((), False), (("--cpus", "3"), True), (("--cpus=3",), True)])
def test_ray_init_depends_on_the_jobs_arguments(
    given: tuple[str, ...], refused: bool, tmp_path: Path
) -> None:
    text = OPTIONS + "import ray\nargs = parser.parse_args()\nray.init(num_cpus=args.cpus)"
    assert [one.check for one in found(tmp_path, text, *given)] == ["script"] * refused


def test_workers_have_a_path_of_their_own(tmp_path: Path) -> None:
    task = "import ray, sys\nsys.path.insert(0, 'src')\nfrom mypkg.a import f as g\n@ray.remote\ndef task():\n    return g()"
    files = {"train.py": task, "src/mypkg/__init__.py": "", "src/mypkg/a.py": "def f(): pass"}
    (one,) = found(tmp_path, files, tree=True)
    assert (one.check, one.verdict, one.fix) == ("imports", U, "pass --env PYTHONPATH=src")
    assert "train.py:3 imports mypkg from src, which only the script adds to sys.path" in one.message
    assert found(tmp_path, files, tree=True, env={"PYTHONPATH": "src"}) == []
    later = task.replace("@ray.remote\n", "") + "\ntask = ray.remote(task)"
    assert len(found(tmp_path, {**files, "train.py": later}, tree=True)) == 1
    inside = task.replace(
        "return g()", "sys.path.insert(0, 'src')\n    from mypkg.a import f\n    return f()"
    )
    for own in (task.replace("@ray.remote\n", ""), inside):
        assert found(tmp_path, {**files, "train.py": own}, tree=True) == []


def test_sys_argv_is_read(tmp_path: Path) -> None:
    text = "import ray, sys\nif '--local' in sys.argv:\n    ray.init(num_cpus=2)\nif len(sys.argv) > 2:\n    import torch"
    assert [(one.check, one.verdict) for one in found(tmp_path, text, "--local", "a")] == [
        ("script", D),
        ("imports", D),
    ]
    assert found(tmp_path, text, "--other") == []


@pytest.mark.parametrize(
    ("calls", "verdicts"),
    [
        ("fit(1, gpu=False)\nfit(2)", []),
        ("fit(1, True)", [U]),
        ("fit(1)\nfit(2, gpu=CHOSEN)", []),  # a remark
        ("fit(1, gpu=True)\nfit(2, True)", [U]),
        ("import ray\nray.remote(fit)", []),
    ],
)
def test_parameter_has_the_value_that_all_calls_pass(
    calls: str, verdicts: list[Outcome], tmp_path: Path
) -> None:
    text = f"import os\nCHOSEN = os.getpid() % 2\ndef fit(rows, gpu=False):\n    if gpu:\n        import cupy\n{calls}"
    assert [one.verdict for one in found(tmp_path, text)] == verdicts


def test_conditional_imports_are_notes(tmp_path: Path) -> None:
    path = tmp_path / "job.py"
    path.write_text("import json\nif json.loads('0'):\n    import wandb\nimport torch")
    plan = JobPlan(
        "job.py", Header(), package.script_contents(path, ()), sources={"job.py": path.read_bytes()}
    )
    said = {(one.verdict, one.message, one.fix) for one in preflight(plan, FACTS) if one.check == "imports"}
    assert said == {
        (D, "job.py:4 imports torch, which is not in the package, not installed on the cluster, and not declared.",
         'at the top of job.py:\n# /// script\n# dependencies = ["torch"]\n# ///'),
        (Outcome.OK, "job.py:3 imports wandb, which is not in the package, not installed on the cluster, and not declared; "
         "whether it runs depends on a condition", ""),
    }  # fmt: skip


def test_early_return_does_not_make_the_rest_conditional(tmp_path: Path) -> None:
    text = "import json\ndef main(config):\n    if not config:\n        return\n    import torch\nmain(json.loads('1'))"
    assert [(one.check, one.verdict) for one in found(tmp_path, text)] == [("imports", U)]


def test_one_fix_declares_all_missing_packages(tmp_path: Path) -> None:
    both = found(tmp_path, "import seaborn, cv2")
    assert {one.fix for one in both} == {
        'at the top of job.py:\n# /// script\n# dependencies = ["seaborn", "opencv-python-headless"]\n# ///'
    }


TUNED = "from ray import tune\ndef train(config):\n    tune.report({'a': 1}, checkpoint=make())\n"
KEEPS = {
    "a report with a checkpoint": (TUNED + "tune.Tuner(train).fit()", True),
    "a folder on each node": (TUNED + "tune.Tuner(train, run_config=tune.RunConfig(storage_path='/tmp/r')).fit()", True),
    "a callback": ("from ray.tune.integration.xgboost import TuneReportCheckpointCallback\nTuneReportCheckpointCallback()", True),
    "a trainer": ("from ray.train.xgboost import XGBoostTrainer\nXGBoostTrainer()", True),
    "a policy": ("from ray import tune\ntune.CheckpointConfig(checkpoint_at_end=True)", True),
    "a bucket": (TUNED + "tune.Tuner(train, run_config=tune.RunConfig(storage_path='gs://b/r')).fit()", False),
    "a place that is unknown": (TUNED + "tune.Tuner(train, run_config=tune.RunConfig(storage_path=PLACE)).fit()", False),
    "metrics alone": ("from ray import tune\ndef train(config):\n    tune.report({'a': 1})\ntune.Tuner(train).fit()", False),
    "no checkpoint": ("from ray import tune\ndef train(config):\n    tune.report({'a': 1}, checkpoint=None)\ntrain", False),
    "another library's report": ("import sklearn\nsklearn.report(checkpoint=1)", False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reported"), KEEPS.values(), ids=KEEPS)
def test_checkpoints_need_storage_that_every_node_reaches(text: str, reported: bool, tmp_path: Path) -> None:
    apart = tuple(
        NodeResources("", head, {f"node:172.28.0.{n}": 1.0}) for n, head in enumerate((True, False))
    )
    together = tuple(
        NodeResources("", head, {f"node:127.0.1.{n}": 1.0}) for n, head in enumerate((True, False))
    )
    messages = [
        one.message for one in found(tmp_path, text, facts=replace(FACTS, nodes=apart, modules=TUNES))
    ]
    assert [("saves checkpoints without a storage_path" in one) for one in messages] == [True] * reported
    for nodes in (together, apart[:1], ()):
        assert found(tmp_path, text, facts=replace(FACTS, nodes=nodes, modules=TUNES)) == []


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("import pandas as pd\ndf = pd.read_csv('iris.csv')", True),
        ("rows = open('iris.csv').read()", True),
        ("from pathlib import Path\nrows = Path('iris.csv').read_text()", True),
        ("rows = open('iris.csv', 'w')", False),
        ("import pandas as pd\ndf = pd.read_csv('other.csv')", False),
        ("df.to_csv('iris.csv')\npd.read_csv('iris.csv')", False),
        ("from pathlib import Path\nHERE = Path(__file__).resolve().parent\nopen(HERE / 'iris.csv')", True),
        ("import os\nopen(os.path.join(os.path.dirname(__file__), 'iris.csv'))", True),
        ("from pathlib import Path\nprint(Path(__file__).with_name('iris.csv').read_text())", True),
        ("import os\nos.system('wget -O iris.csv https://example.com/i.csv')\nopen('iris.csv')", False),
        (
            "from urllib.request import urlretrieve\nurlretrieve('https://example.com/i', 'iris.csv')\nopen('iris.csv')",
            False,
        ),
        (
            OPTIONS
            + "parser.add_argument('--data', default='iris.csv')\nargs = parser.parse_args()\nopen(args.data)",
            True,
        ),
        (
            OPTIONS
            + "parser.add_argument('--data', required=True)\nargs = parser.parse_args()\nopen(args.data)",
            False,
        ),
        ("IRIS = __file__.replace('job.py', 'iris.csv')\nopen(IRIS)", False),
        (
            header("[tool.submit]", 'files = ["iris.csv"]')
            + "import pathlib\nopen(pathlib.Path(__file__).parents[0] / 'iris.csv')",
            False,
        ),
        (header("[tool.submit]", 'files = ["iris.csv"]') + "rows = open('iris.csv').read()", False),
    ],
)
def test_local_files_in_the_source(text: str, check: bool, tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("1,2")
    path = tmp_path / "job.py"
    path.write_text(text)
    script = read_script(path)
    sources = package.sources(path)
    contents = package.script_contents(path, script.header.files)
    plan = JobPlan("job.py", script.header, contents, sources=sources, folder=tmp_path)
    reported = [one.message for one in preflight(plan, None) if one.verdict is not Outcome.OK]
    assert reported == (
        [f"job.py:{text.count(chr(10)) + 1} reads iris.csv, which is on this machine and is not packaged."]
        if check
        else []
    )


def test_uv_sources_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "job.py"
    path.write_text(
        header(
            'dependencies = ["a", "b>1", "c[x]", "numpy"]',
            "[tool.uv.sources]",
            'a = { git = "https://github.com/o/a", tag = "v1", subdirectory = "py" }',
            'b = { url = "https://example.com/b-2-py3-none-any.whl" }',
            "c = [{ path = '../c', marker = \"sys_platform == 'win32'\" }, { git = 'https://example.com/c' }]",
            "[[tool.uv.index]]",
            'url = "https://mirror.example/simple"',
            "default = true",
        )
    )
    reported = read_script(path).header
    assert reported.dependencies == (
        "a @ git+https://github.com/o/a@v1#subdirectory=py",
        "b @ https://example.com/b-2-py3-none-any.whl",
        "c[x] @ git+https://example.com/c",
        "numpy",
    )
    assert (reported.index, reported.refused) == ("https://mirror.example/simple", {})


@pytest.mark.parametrize(
    ("text", "minor", "understood"),
    [
        ("try:\n    pass\nexcept* ValueError:\n    pass", 10, False),
        ("try:\n    pass\nexcept* ValueError:\n    pass", 11, True),
        ("match 1:\n    case 1: pass", 10, True),
        ("match 1:\n    case 1: pass", 9, False),
        ("x = 1", 7, True),
    ],
)
def test_syntax_newer_than_the_clusters_python_is_denied(
    text: str, minor: int, understood: bool, tmp_path: Path
) -> None:
    reported = found(tmp_path, text, facts=replace(FACTS, python=f"3.{minor}.1"))
    assert [one.check for one in reported] == ([] if understood else ["python"])


START, END, MIDDLE = ("FSTRING_START", "f'", 1), ("FSTRING_END", "'", 1), ("FSTRING_MIDDLE", "x", 1)


@pytest.mark.parametrize(
    ("tokens", "what"),
    [
        ([START, ("STRING", "'a'", 1), END], "its own quotes"),
        ([START, ("STRING", '"\\n"', 1), END], "a backslash"),
        ([START, ("COMMENT", "# why", 1), END], "more than one line"),
        ([START, ("NL", "\n", 1), END], "more than one line"),
        ([START, START, END, END], "its own quotes"),
        ([START, MIDDLE, ("STRING", '"a"', 1), END, ("STRING", "'a'", 2)], ""),
        ([("FSTRING_START", "f'''", 1), ("STRING", "'a'", 1), ("NL", "\n", 1), START, END, END], ""),
    ],
)
def test_f_strings_newer_than_the_clusters_python_are_denied(
    tokens: list[tuple[str, str, int]], what: str
) -> None:
    reported = newer_string(tokens)
    assert (reported[1] if reported else "") == (
        f"has {what} inside the braces of an f-string, which requires Python 3.12" if what else ""
    )


def test_unpackaged_module_is_reported_once(tmp_path: Path) -> None:
    outside = tmp_path / "common" / "lib"
    outside.mkdir(parents=True)
    (outside / "__init__.py").write_text("")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "lib").symlink_to(outside)
    denied = found(tmp_path / "project", "import lib.part\nimport torch")
    assert [(one.check, one.message.split(",")[0]) for one in denied] == [
        ("imports", "job.py:1 imports lib"),
        ("imports", "job.py:2 imports torch"),
    ]

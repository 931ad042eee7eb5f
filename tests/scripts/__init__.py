"""Scripts as people write them, each with what submit.py is to say of it in its first comments.

    # expect: runs                                 it is sent, and succeeds
    # expect: DENIED imports needs torch           or UNKNOWN: the check, and words of its message; a line for each finding
    # expect: refused is not Python                words of what is said before any check
    # truth: ModuleNotFoundError: …                what happens where such a script is sent all the same
    # arguments: --epochs 3                        of the job
    # options: --working-dir ..                    of submit.py, from the script's folder
    # environment: HF_TOKEN                        variables that are set to something secret
    # needs: make_data                             the lesson that writes what it reads
    # where: a lab                                 only a lab's storage knows

tests/contract/test_scripts.py holds submit.py to it. `ray/` is written after Ray's documentation; the examples that
Ray's wheel has are taken from there.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from tests.command import JOBS

HERE = Path(__file__).resolve().parent
ENOUGH = {"whoami": ()}  # arguments of lessons; of the others --smoke-test

# Ray's own examples: https://github.com/ray-project/ray/tree/ray-2.47.1/python/ray/tune/examples, Apache-2.0.
RAYS: dict[str, tuple[str, ...]] = {
    "async_hyperband_example": ("runs",),
    "logging_example": ("runs",),
    "tune_basic_example": ("runs",),
    "bayesopt_example": ("UNKNOWN imports needs bayesian-optimization",),
    "custom_func_checkpointing": ("UNKNOWN script saves checkpoints without a storage_path",),
    "hyperband_example": ("DENIED script calls ray.init(num_cpus=…)",),
    "hyperopt_conditional_search_space_example": ("DENIED imports hyperopt",),
    "lightgbm_example": ("DENIED imports lightgbm", "UNKNOWN script saves checkpoints"),
    "optuna_example": ("UNKNOWN imports needs optuna",),
    "pbt_ppo_example": ("DENIED imports needs ray[rllib]",),
    "xgboost_example": ("UNKNOWN script saves checkpoints",),
}


@dataclass(frozen=True, slots=True)
class Script:
    """One of them, and what is expected. `said` is what a message holds: verdict, check and words, or words alone."""

    name: str
    path: Path
    expects: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    needs: str = ""
    where: str = ""

    @property
    def runs(self) -> bool:
        return self.expects == ("runs",)

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """What is said of it, one for each finding: verdict, check and words; the first two are empty for `refused`."""
        split = [one.split(" ", 2) for one in self.expects]
        return [
            ("", "", one.partition(" ")[2]) if words[0] == "refused" else (words[0], words[1], words[2])
            for one, words in zip(self.expects, split, strict=True)
        ]


def written() -> list[Script]:
    """Those in this folder."""
    return [
        script(path) for path in sorted(HERE.rglob("*.py")) if b"# expect: " in path.read_bytes() and path.parent != HERE
    ]


def script(path: Path) -> Script:
    text = path.read_bytes().decode("latin-1")

    def lines(key: str) -> tuple[str, ...]:
        return tuple(found.encode("latin-1").decode() for found in re.findall(rf"# {key}: (.*?)\r?$", text, re.M))

    def words(key: str) -> tuple[str, ...]:
        return tuple(" ".join(lines(key)).split())

    needs, where = " ".join(lines("needs")), " ".join(lines("where"))
    name = path.relative_to(HERE).with_suffix("").as_posix()
    return Script(
        name, path, lines("expect"), words("arguments"), words("options"), words("environment"), needs, where
    )


def lessons() -> list[Script]:
    return [
        Script(f"jobs/{path.stem}", path, ("runs",), ENOUGH.get(path.stem, ("--smoke-test",)))
        for path in JOBS
    ]


def of_ray() -> list[Script]:
    """The examples that Ray's wheel has."""
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0], "tune", "examples")
    return [Script(f"tune/{name}", folder / f"{name}.py", said, ("--smoke-test",)) for name, said in RAYS.items()]

"""The workloads of the lessons whose speed-up is measured: a search, forests and cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from bench.measure.statistics import Aim, Of

AS_LOKY = Aim(Of.RATIO, round(1 / 0.95, 3))


@dataclass(frozen=True, slots=True)
class LessonCase:
    """A lesson: the flag that sets its size, and its workload as a joblib call."""

    flag: str
    size: int
    about: str
    work: Callable[[ModuleType, int, int], object]  # takes the script's module, the size, and n_jobs
    aim: Aim | None = None
    more: tuple[str, ...] = ()  # arguments that skip everything that is not compared


def search(lesson: ModuleType, candidates: int, jobs: int) -> object:
    """The workload in sklearn_joblib."""
    return lesson.search(candidates)  # scikit-learn calls joblib itself


def forests(lesson: ModuleType, count: int, jobs: int) -> object:
    """The workload in forest_sweep."""
    from joblib import Parallel, delayed

    data = lesson.load("synthetic", "")
    sizes = [8 + 4 * number for number in reversed(range(count))]  # largest first, as in the lesson
    return Parallel(jobs)(delayed(lesson.mse_of_forest)(*data, trees) for trees in sizes)


def folds(lesson: ModuleType, models: int, jobs: int) -> object:
    """The workload in kfold_cv."""
    from joblib import Parallel, delayed

    X, y = lesson.load_iris(return_X_y=True)
    accuracy = delayed(lesson.accuracy_of_fold)
    return Parallel(jobs)(accuracy(X, y, *fold, models) for fold in lesson.FOLDS.split(X, y))


# Each takes 20 to 80 s on one CPU. Starting a process that imports scikit-learn takes 2 s.
CASES = {
    "sklearn_joblib": LessonCase("--n-iter", 40, "40 candidates", search, more=("--no-compare",)),
    "forest_sweep": LessonCase("--forests", 20, "20 forests", forests, AS_LOKY),
    "kfold_cv": LessonCase("--models", 6000, "5 folds of 6,000 models", folds, AS_LOKY),
}

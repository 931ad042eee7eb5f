"""A pytest plugin that runs a suite of others with jobs/joblib_ray.py as joblib's backend, on a Ray of its own.

Run by tests/contract/jobs/test_joblib_suites.py. With DEFAULT=1, calls that name no backend use it as well.
"""

import contextlib
import multiprocessing
import os

import joblib
import joblib_ray
import pytest
import ray

CPUS = 4  # joblib's tests start up to four workers that wait for each other


def share_key():
    """multiprocessing.Manager lets only processes with its key connect."""
    multiprocessing.current_process().authkey = b"suite"


@pytest.fixture(scope="session", autouse=True)
def ray_for_the_suite():
    """A Ray whose workers can import the suite."""
    share_key()
    env = {"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}, "worker_process_setup_hook": share_key}
    ray.init("local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False, runtime_env=env)
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address  # for scripts that tests start
    joblib_ray.register()
    default = (
        joblib.parallel_config("ray", n_jobs=2) if os.environ.get("DEFAULT") else contextlib.nullcontext()
    )
    with default:
        yield
    ray.shutdown()

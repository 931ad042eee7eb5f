"""The images, one container each: who runs in them, what is in them, how large they are.

`images` (service name to tag) and `docker_client` come from conftest.py.
"""

import json
import os
from collections.abc import Iterator, Mapping

import docker
import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from tests.lab import cluster_command

pytestmark = pytest.mark.docker

SERVICES = ("head", "cpu-worker", "gpu-worker")

CUDA = "gpu-worker with CUDA"  # built where the engine has the NVIDIA runtime; tested nightly

# Bytes on disk. On docker/base.sh's image the images hold 730 MB, and the one with CUDA 1.36 GB: the rest of
# it is NVIDIA's NCCL (435 MB) and xgboost's CUDA build (200 MB).
LARGEST = {"head": 750e6, "cpu-worker": 750e6, "gpu-worker": 750e6, CUDA: 1_450e6}

# Prints as JSON what is asked of every image at once: one start of Python instead of six.
FACTS = """
import importlib.metadata, json, os, platform, shutil, sys, sysconfig
print(json.dumps({
    "uid": os.getuid(),
    "python": platform.python_version(),
    "virtual": sys.prefix != sys.base_prefix,
    "writable": os.access(sysconfig.get_path("purelib"), os.W_OK),
    "commands": [name for name in ("python", "python3", "ray", "pip") if shutil.which(name)],
    "ray": importlib.metadata.version("ray"),
    "xgboost": [name for dist in importlib.metadata.distributions() if "xgboost" in (name := dist.metadata["Name"])],
}))
"""


@pytest.fixture(
    scope="module",
    params=[
        *SERVICES,
        pytest.param(
            CUDA,
            marks=pytest.mark.nightly(
                "tests/integration/test_images.py::test_the_xgboost_of_each[gpu-worker]"
            ),
        ),
    ],
)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(service: str, images: Mapping[str, str], docker_client: docker.DockerClient) -> str:
    """The tag of the service's image."""
    if service != CUDA:
        return images[service]
    env = {**os.environ, "RAYDOCK_IMAGE_PREFIX": "raydock-cuda", "GPU_BUILD": "cuda"}
    base = images["head"].replace("/head:2.47.1", "/base:bookworm")
    if docker_client.images.list(name=base):  # where no registry answers
        env["BASE_IMAGE"] = base
    done = cluster_command(env, "images", "--build", timeout=3000)
    assert done.returncode == 0, done.stderr
    return "raydock-cuda/gpu-worker:2.47.1"


@pytest.fixture(scope="module")
def idle(image: str) -> Iterator[Container]:
    """A container of the service's image, hardened as in compose.yaml, in which no Ray runs."""
    container = DockerContainer(
        image,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        entrypoint=["sleep", "600"],
        mem_limit="2g",
        pids_limit=1000,
        init=True,
        command=[],
    )
    with container as running:
        yield running.get_wrapped_container()


def run(container: Container, *command: str) -> str:
    """The output of a command in the container, which has to succeed."""
    code, output = container.exec_run(list(command))
    assert code == 0, output.decode()
    return str(output.decode())


@pytest.fixture(scope="module")
def facts(idle: Container) -> dict[str, object]:
    found = json.loads(run(idle, "python", "-c", FACTS))
    assert isinstance(found, dict)
    return found


def test_runs_as_an_ordinary_user(facts: dict[str, object]) -> None:
    assert facts["uid"] == 1000
    assert facts["writable"] is False


def test_python_is_vertex_s_and_not_a_virtual_environment(facts: dict[str, object]) -> None:
    assert str(facts["python"]).startswith("3.11.")
    assert facts["virtual"] is False
    assert facts["commands"] == ["python", "python3", "ray", "pip"]


def test_ray_is_the_tag_s(image: str, facts: dict[str, object]) -> None:
    assert image.endswith(f":{facts['ray']}")


def test_label_says_the_version_and_who_starts(
    service: str, image: str, facts: dict[str, object], docker_client: docker.DockerClient
) -> None:
    config = docker_client.images.get(image).attrs["Config"]
    assert config["Labels"]["org.opencontainers.image.version"] == facts["ray"]
    gpu = {CUDA: "cuda", "gpu-worker": "cpu"}.get(service)
    assert config["Labels"].get("raydock.gpu-build") == gpu
    assert config["User"] == "ray"
    assert config["Cmd"] == ["gpu-worker" if gpu else service]


def test_no_file_gives_root_s_rights_to_ray(idle: Container) -> None:
    """What is setuid comes from the distribution, and no-new-privileges makes it an ordinary program."""
    assert run(idle, "grep", "NoNewPrivs", "/proc/self/status").split() == ["NoNewPrivs:", "1"]
    code, output = idle.exec_run(["find", "/usr/local", "/opt", "/home", "-perm", "/6000", "-type", "f"])
    assert (code, output) == (0, b"")


@pytest.mark.parametrize("role", ["head", "worker"])
def test_health_fails_where_no_ray_runs(idle: Container, role: str) -> None:
    code, output = idle.exec_run(["python3", "-IS", "/opt/raydock/health.py", role])
    assert code == 1
    assert b"52365/api/local_raylet_healthz: ConnectionRefusedError" in output


def test_the_xgboost_of_each(service: str, idle: Container, facts: dict[str, object]) -> None:
    """CUDA only where there may be a device."""
    cuda = service == CUDA
    assert facts["xgboost"] == ["xgboost" if cuda else "xgboost-cpu"]
    built = run(idle, "python", "-c", "import xgboost; print(xgboost.build_info()['USE_CUDA'])")
    assert built.strip() == str(cuda)


def test_what_was_removed_breaks_no_import(idle: Container) -> None:
    """The binaries lost their symbols and the packages their tests: each library still loads and works."""
    libraries = (
        "ray._raylet, ray.data, ray.train.xgboost, ray.tune, ray.util.joblib, ray.dashboard.agent, "
        "pyarrow.dataset, pyarrow.flight, pyarrow.fs, pyarrow.parquet, pyarrow.substrait, "
        "numpy.testing, pandas.testing, scipy.optimize, scipy.stats, sklearn.ensemble, sklearn.datasets, "
        "google.cloud.storage, gcsfs, grpc, cryptography.fernet, yaml, aiohttp"
    )
    run(idle, "python", "-c", f"import {libraries}; sklearn.datasets.load_digits(return_X_y=True)")


def test_ray_s_bytecode_is_in_the_image(idle: Container) -> None:
    """The user cannot write it, so each worker process would compile Ray anew."""
    found = "import ray.data as r, pathlib; print(*pathlib.Path(r.__file__).parent.glob('__pycache__/*.pyc'))"
    assert "dataset.cpython-311.pyc" in run(idle, "python", "-c", found)


def test_size(service: str, image: str, docker_client: docker.DockerClient) -> None:
    assert docker_client.images.get(image).attrs["Size"] <= LARGEST[service]


def test_a_worker_without_a_head_ends(images: Mapping[str, str], docker_client: docker.DockerClient) -> None:
    """The restart policy brings it back; it does not hang."""
    container = docker_client.containers.run(
        images["cpu-worker"], environment={"RAYDOCK_HEAD": "127.0.0.1:1", "RAYDOCK_WAIT": "1"}, detach=True
    )
    try:
        assert container.wait(timeout=600)["StatusCode"] == 1
        assert b"node.py: can't reach the head at 127.0.0.1:1 after 1 s" in container.logs()
    finally:
        container.remove(force=True)


def test_a_real_gpu_that_is_not_there_is_refused(
    images: Mapping[str, str], docker_client: docker.DockerClient
) -> None:
    container = docker_client.containers.run(
        images["gpu-worker"], environment={"RAYDOCK_GPU": "real"}, detach=True
    )
    try:
        assert container.wait(timeout=600)["StatusCode"] == 1
        assert b"RAYDOCK_GPU=real, but this container has no NVIDIA device" in container.logs()
    finally:
        container.remove(force=True)


def test_no_image_makes_a_volume_that_nobody_removes(
    images: Mapping[str, str], docker_client: docker.DockerClient
) -> None:
    """compose.yaml names the volumes, and `make cluster-down` removes them."""
    for name in images.values():
        assert not docker_client.images.get(name).attrs["Config"].get("Volumes"), name

"""What vertex_ray offers beyond clusters and jobs, BigQuery and models, is rejected by name, without retries."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions

from tests.labcloud import YOU
from tests.labvertex import PARENT, LabVertex
from tests.unit.cloud.test_absent import Door, door  # noqa: F401  a fixture
from tests.unit.cloud.vertex.google_http import send_requests_to

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own
BIGQUERY = r"The lab does not emulate BigQuery \(bigquery\.googleapis\.com\)"


@pytest.mark.rejects("vertex_ray.data.read_bigquery", "vertex_ray.data.write_bigquery")
def test_bigquery(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """What the two functions read and write with, which needs no Ray until then."""
    import google.auth
    from google.cloud.aiplatform.vertex_ray import bigquery_datasink, bigquery_datasource
    from google.oauth2.credentials import Credentials

    send_requests_to(door.port, door.authority, monkeypatch)
    monkeypatch.setattr(google.auth, "default", lambda *_, **__: (Credentials("any"), "lab-project"))
    source = bigquery_datasource._BigQueryDatasource("lab-project", query="SELECT 1")
    with pytest.raises(exceptions.MethodNotImplemented, match=BIGQUERY):
        source.get_read_tasks(1)
    sink = bigquery_datasink._BigQueryDatasink("d.t", "lab-project")
    with pytest.raises(exceptions.MethodNotImplemented, match=BIGQUERY):
        sink.on_write_start()


@pytest.mark.rejects("vertex_ray.predict.tensorflow.register_tensorflow")
def test_model_registration(vertex: LabVertex) -> None:
    """The call that registers a model, over gRPC."""
    from google.cloud.aiplatform_v1.services import model_service
    from google.oauth2.credentials import Credentials

    channel = vertex.channel("us-central1-aiplatform.googleapis.com", Credentials(vertex.token(YOU)))
    transport = model_service.transports.ModelServiceGrpcTransport(channel=channel)
    client = model_service.ModelServiceClient(transport=transport)
    said = r"The lab does not support google\.cloud\.aiplatform\.v1\.ModelService/UploadModel\."
    with pytest.raises(exceptions.MethodNotImplemented, match=said):
        client.upload_model(parent=PARENT, model={"display_name": "m"})


@pytest.mark.rejects(
    "vertex_ray.predict.sklearn.register_sklearn",
    "vertex_ray.predict.torch.get_pytorch_model_from",
    "vertex_ray.predict.xgboost.register_xgboost",
)
@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("sklearn", "register_sklearn"),
        ("torch", "get_pytorch_model_from"),
        ("xgboost", "register_xgboost"),
    ],
)
def test_what_the_sdk_itself_rejects(module: str, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK supports these with Ray 2.9.3 only. PyTorch, which may be missing, provides types for signatures only."""
    torch: Any = ModuleType("torch")
    torch.nn = SimpleNamespace(Module=object)
    fake: dict[str, Any] = {
        "torch": torch,
        "ray.train.torch": SimpleNamespace(TorchCheckpoint=object),
        "ray.air._internal.torch_utils": SimpleNamespace(load_torch_model=None),
    }
    for name, one in fake.items() if module == "torch" else ():
        monkeypatch.setitem(sys.modules, name, one)
    package = f"google.cloud.aiplatform.vertex_ray.predict.{module}"
    for name in [one for one in sys.modules if one.startswith(package)]:
        monkeypatch.delitem(sys.modules, name)
    loaded = importlib.import_module(package)
    with pytest.raises(RuntimeError, match=r"Ray version 2\.47\.1 .*Please use Ray 2\.9\.3\."):
        getattr(loaded, function)(checkpoint=None)

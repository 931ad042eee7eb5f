"""What there is of Ray on Vertex AI, read from Google's SDK: fields, methods and public functions."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

VERSIONS = ("v1", "v1beta1")
SERVICE = "PersistentResourceService"
OUTPUT = re.compile(r"^\s+(\w+) \([^\n]*\):\n\s+Output\s+only\.", re.MULTILINE)
IMMUTABLE_OUTPUT = {"name"}  # documented as immutable; the service sets it
LEAVES = {"google.protobuf.Timestamp", "google.protobuf.Any"}
# Modules with the functions that users import, below google.cloud.aiplatform.
MODULES = ("vertex_ray", "vertex_ray.data")
PREDICTION = [f"vertex_ray.predict.{one}" for one in ("sklearn", "tensorflow", "torch", "xgboost")]


@dataclass(frozen=True)
class Field:
    """A field without fields of its own. `output`: only the service sets it."""

    path: str
    kind: str  # string, int, bool, enum, message or map
    repeated: bool
    output: bool
    values: tuple[str, ...] = ()  # of an enum, without the first one


def fields(version: str = "v1beta1") -> list[Field]:
    """Every field of PersistentResource, recursively."""
    kind = importlib.import_module(f"google.cloud.aiplatform_{version}.types").PersistentResource
    return list(_fields(kind.pb().DESCRIPTOR, version, "", False))


def _fields(descriptor: Any, version: str, prefix: str, output: bool) -> Iterator[Field]:
    outputs = {*_outputs(descriptor, version)} | (IMMUTABLE_OUTPUT if not prefix else set())
    for one in descriptor.fields:
        path, own = f"{prefix}{one.name}", output or one.name in outputs
        message = one.message_type
        if message is None:
            yield _scalar(one, path, own)
        elif message.GetOptions().map_entry:
            yield Field(path, "map", False, own)
        elif message.full_name in LEAVES:
            yield Field(path, "message", one.is_repeated, own)
        else:
            yield from _fields(message, version, f"{path}.", own)


def _scalar(one: Any, path: str, output: bool) -> Field:
    if one.enum_type is not None:
        values = tuple(value.name for value in one.enum_type.values[1:])
        return Field(path, "enum", one.is_repeated, output, values)
    kinds = {one.CPPTYPE_STRING: "string", one.CPPTYPE_BOOL: "bool"}
    return Field(path, kinds.get(one.cpp_type, "int"), one.is_repeated, output)


def _outputs(descriptor: Any, version: str) -> list[str]:
    """The fields that the SDK's documentation of a message calls "Output only"."""
    found: Any = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    names = descriptor.full_name.partition(f".{version}.")[2]
    for name in names.split(".") if names else ():
        found = getattr(found, name)
    return OUTPUT.findall(found.__doc__ or "") if names else []


def methods(version: str) -> list[str]:
    """The methods of PersistentResourceService, from the SDK's list of what its gRPC client calls."""
    text = resources.files(f"google.cloud.aiplatform_{version}").joinpath("gapic_metadata.json").read_text()
    return sorted(json.loads(text)["services"][SERVICE]["clients"]["grpc"]["rpcs"])


def mixins(version: str) -> dict[str, str]:
    """The methods of other services that the same client offers, by name, such as Operations; with their paths."""
    name = f"google.cloud.aiplatform_{version}.services.persistent_resource_service.transports.grpc"
    text = resources.files(name.rpartition(".")[0]).joinpath("grpc.py").read_text()
    paths = re.findall(r'"/(google\.[\w.]+/\w+)"', text)
    return {path.rpartition("/")[2]: path for path in paths if SERVICE not in path}


def functions() -> list[str]:
    """The public functions and classes of vertex_ray, as written after `google.cloud.aiplatform.`."""
    found = []
    for module in MODULES:
        loaded = importlib.import_module(f"google.cloud.aiplatform.{module}")
        names = getattr(loaded, "__all__", None) or [
            name
            for name, value in vars(loaded).items()
            if getattr(value, "__module__", "") == loaded.__name__
        ]
        public = [f"{module}.{name}" for name in names if not name.startswith("_")]
        found += [name for name in public if name not in MODULES]
    return found + [f"{module}.{name}" for module in PREDICTION for name in _exported(module)]


def _exported(module: str) -> list[str]:
    """`__all__` of a module that may need a framework that is not installed here."""
    package, _, name = f"google.cloud.aiplatform.{module}".rpartition(".")
    text = resources.files(package).joinpath(name, "__init__.py").read_text()
    names = re.search(r"__all__ = \(([^)]*)\)", text)
    return re.findall(r'"(\w+)"', names[1]) if names else []

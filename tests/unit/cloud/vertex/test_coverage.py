"""docs/vertex-coverage.md: what the lab's Vertex AI does with all that Google's SDK has, and the tests that show it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docs.tools import vertex_coverage
from docs.tools.vertex_coverage import UNTESTED, evidence, function
from tests import vertexfields, vertexprobe
from tests.fakes import FakeNodes
from tests.labvertex import LabVertex, lab_vertex
from tests.vertexprobe import ABSENT, REJECTED, RETURNED, Verdict

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabVertex]:
    with lab_vertex(tmp_path_factory.mktemp("plane"), FakeNodes()) as found:
        yield found


@pytest.fixture(scope="module")
def fields(plane: LabVertex) -> dict[str, Verdict]:
    return vertexprobe.probe_fields(plane)


@pytest.fixture(scope="module")
def methods(plane: LabVertex) -> dict[str, Verdict]:
    return vertexprobe.probe_methods(plane)


def test_fields(fields: dict[str, Verdict]) -> None:
    """A field that a caller sets is returned or rejected by name: none is dropped silently."""
    outputs = {one.path for one in vertexfields.fields() if one.output}
    assert {path for path, one in fields.items() if one.status == ABSENT} <= outputs
    assert len(fields) > 40


def test_methods(methods: dict[str, Verdict]) -> None:
    """All work but those that are rejected with their name; v1 and v1beta1 have the same ones."""
    rejected = {name: one.said for name, one in methods.items() if one.status == REJECTED}
    assert rejected.pop("PersistentResourceService.RebootPersistentResource").startswith("Reboot is not")
    assert all(name.replace(".", "/") in said for name, said in rejected.items())
    assert {one.status for one in methods.values()} == {RETURNED, REJECTED}
    assert vertexfields.methods("v1") == vertexfields.methods("v1beta1")
    assert vertexfields.mixins("v1") == vertexfields.mixins("v1beta1")


def test_v1_has_no_other_fields() -> None:
    both = [{one.path for one in vertexfields.fields(version)} for version in vertexfields.VERSIONS]
    assert both[0] < both[1]


def test_the_tests_name_what_exists(fields: dict[str, Verdict], methods: dict[str, Verdict]) -> None:
    found = evidence()
    assert found.names <= {*fields, *methods, *vertexfields.functions()}
    assert {name for name in found.rejects if name in found.covers} == set()
    assert [name for name, one in fields.items() if one.status == REJECTED and name in found.covers] == []


def test_every_function_has_a_test() -> None:
    found = evidence()
    assert [name for name in vertexfields.functions() if function(name, found)[1] == UNTESTED] == []


def test_the_page_is_fresh(fields: dict[str, Verdict], methods: dict[str, Verdict]) -> None:
    written = vertex_coverage.PAGE.read_text(encoding="utf-8")
    again = "write it again: python -m docs.tools.vertex_coverage"
    assert written == vertex_coverage.page(fields, methods), again

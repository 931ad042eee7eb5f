"""The Ray and Python versions of the local cluster, the same as those of Ray on Vertex AI.

Source: google-cloud-aiplatform 2.7.0, `vertex_ray.util._validation_utils`, which defaults to Ray 2.47.1 on
Python 3.11. `tests/unit/test_versions.py` finds every other place in this repository that differs.
"""

from __future__ import annotations

RAY = "2.47.1"
PYTHON = "3.11"

"""The Ray and the Python that the local cluster runs, as Ray on Vertex AI does.

Source: google-cloud-aiplatform 2.7.0, `vertex_ray.util._validation_utils`, whose default is Ray 2.47.1 on
Python 3.11. `tests/unit/test_versions.py` finds every other place of this repository that disagrees.
"""

from __future__ import annotations

RAY = "2.47.1"
PYTHON = "3.11"

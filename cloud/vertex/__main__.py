"""`python -m cloud.vertex`."""

import sys

from cloud.vertex.cli import main

sys.exit(main(sys.argv[1:]))

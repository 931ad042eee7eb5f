"""`python -m cloud.controlplane`."""

import sys

from cloud.controlplane.cli import main

sys.exit(main(sys.argv[1:]))

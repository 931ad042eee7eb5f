"""`python -m cloud.kubernetes`."""

import sys

from cloud.kubernetes.cli import main

sys.exit(main(sys.argv[1:]))

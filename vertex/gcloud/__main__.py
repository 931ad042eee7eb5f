"""`python -m vertex.gcloud gcloud …`: docker/gcloud calls it with the name it was started by."""

import sys

if __name__ == "__main__":
    from vertex.gcloud.cli import main

    sys.exit(main(sys.argv[1], sys.argv[2:]))

"""submit.py as it is, with its exit code; and then how many tokens it asked for."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from raydock.gcp.tokens import AccessToken
from submit.cli import main

renewals = 0
renew = AccessToken._renew


def counted(self):
    global renewals
    renewals += 1
    renew(self)


AccessToken._renew = counted
code = main(sys.argv[1:])
print(f"RENEWALS {renewals}", file=sys.stderr, flush=True)
sys.exit(code)

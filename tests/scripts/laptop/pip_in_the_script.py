# expect: UNKNOWN imports humanize
# truth: it runs where the folder for pip's packages was there before, and the workers never have it
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "humanize"])

import humanize

print(humanize.naturaldelta(3700))

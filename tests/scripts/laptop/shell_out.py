# expect: runs
import json
import platform
import shutil
import subprocess
import sys

info = {"python": sys.version.split()[0], "system": platform.platform()}
try:
    info["commit"] = subprocess.check_output(["git", "rev-parse", "HEAD"], stderr=subprocess.DEVNULL, text=True).strip()
except (OSError, subprocess.CalledProcessError):
    info["commit"] = None
if shutil.which("nvidia-smi"):
    info["gpus"] = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
answer = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
info["answer"] = int(answer.stdout)
print(json.dumps(info, indent=2))

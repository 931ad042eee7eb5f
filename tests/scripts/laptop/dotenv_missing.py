# expect: DENIED imports dotenv
# truth: ModuleNotFoundError: No module named 'dotenv'
import os

from dotenv import load_dotenv

load_dotenv()
print("running as", os.getenv("EXPERIMENT", "baseline"))

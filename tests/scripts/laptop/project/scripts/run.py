# expect: DENIED imports salesmodel
# truth: ModuleNotFoundError: the package lies outside of the script's folder
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src"))

from salesmodel.predict import forecast

print(forecast([1.0, 2.0, 3.0]))

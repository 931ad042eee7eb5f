# expect: DENIED imports from .features import polynomial
# truth: ImportError: attempted relative import with no known parent package
from .features import polynomial

print(polynomial(3))

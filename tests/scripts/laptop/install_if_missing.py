# expect: UNKNOWN imports cowsay
# truth: pip puts it into a folder of the head that this process does not look into
import os

try:
    import cowsay
except ImportError:
    os.system("pip install cowsay")
    import cowsay

cowsay.cow("hello cluster")

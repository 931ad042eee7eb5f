#!/bin/sh
# Removes what no job reads from installed packages, in the same layer as their install:
#
#   prune.sh [PACKAGE ...]      folders of site-packages; all of it if none is named
#
# What a program can import and run stays, except the packages' own tests. A later layer names what it
# added: rewriting a file of an earlier layer would store it twice.
set -eu
cd "$(python3 -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("ray").origin).parents[1])')"
[ $# -gt 0 ] || set -- .

# Ray's Java and C++ workers, and the examples of its reinforcement learning library.
rm -rf ray/jars ray/cpp ray/rllib/examples ray/rllib/tuned_examples
# Headers, static libraries and Cython sources: for compiling against a package, and there is no compiler.
rm -rf pyarrow/include pyarrow/src numpy/_core/include xgboost/include nvidia/*/include
find "$@" \( -name '*.a' -o -name '*.lib' -o -name '*.pyx' -o -name '*.pyx.tp' -o -name '*.pxd' -o -name '*.pxi' \) -type f -delete
# pyarrow carries libarrow_python three times; the loader asks for the middle name only.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
# Type stubs, source maps of the dashboard, lists of ingredients.
find "$@" \( -name '*.pyi' -o -name '*.js.map' -o -path '*.dist-info/sboms/*' \) -type f -delete
# The packages' own tests. numpy.testing, pandas.testing and sklearn.utils._testing are something else.
find "$@" -type d \( -name tests -o -path '*/joblib/test' \) -prune -exec rm -rf {} +

# Symbol tables, 70 MB: only a C++ stack trace after a crash misses them. Not in *.libs, whose files
# auditwheel has rewritten in a way that strip is known to break.
find "$@" -size +1M \( -name '*.so' -o -name '*.so.*' -o -name raylet -o -name gcs_server \) ! -path '*.libs/*' -type f -exec \
  env LD_LIBRARY_PATH="$(echo /strip/lib/*-linux-gnu)" /strip/bin/strip --strip-unneeded {} +

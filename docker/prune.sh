#!/bin/sh
# Removes files that jobs never read from installed packages. Runs in the layer that installs the packages:
#
#   prune.sh [PACKAGE ...]      folders in site-packages; default: all
#
# Everything that a program can import or run stays, except the packages' own tests. A later layer must list the
# packages it added, because rewriting a file from an earlier layer would store it twice.
set -eu
cd "$(python3 -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("ray").origin).parents[1])')"
[ $# -gt 0 ] || set -- .

# Ray's Java and C++ workers, and RLlib's examples.
rm -rf ray/jars ray/cpp ray/rllib/examples ray/rllib/tuned_examples
# Headers, static libraries and Cython sources, which only a compiler needs. The image has no compiler.
rm -rf pyarrow/include pyarrow/src numpy/_core/include xgboost/include nvidia/*/include
find "$@" \( -name '*.a' -o -name '*.lib' -o -name '*.pyx' -o -name '*.pyx.tp' -o -name '*.pxd' -o -name '*.pxi' \) -type f -delete
# pyarrow contains three copies of libarrow_python. The loader uses only the one with the middle name.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
# Type stubs, the dashboard's source maps, and SBOMs.
find "$@" \( -name '*.pyi' -o -name '*.js.map' -o -path '*.dist-info/sboms/*' \) -type f -delete
# The packages' own tests. numpy.testing, pandas.testing and sklearn.utils._testing are not among them.
find "$@" -type d \( -name tests -o -path '*/joblib/test' \) -prune -exec rm -rf {} +

# Symbol tables (70 MB), which are needed only for C++ stack traces after a crash. Files in *.libs are left
# alone, because strip is known to break files that auditwheel has rewritten.
find "$@" -size +1M \( -name '*.so' -o -name '*.so.*' -o -name raylet -o -name gcs_server \) ! -path '*.libs/*' -type f -exec \
  env LD_LIBRARY_PATH="$(echo /strip/lib/*-linux-gnu)" /strip/bin/strip --strip-unneeded {} +

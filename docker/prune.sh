#!/bin/sh
# Removes files that jobs never read from installed packages, in the layer that installs them:
#
#   prune.sh [PACKAGE ...]      folders of site-packages; default: all
#
# Everything a program can import or run stays, except the packages' own tests. A later layer must name the
# packages it added: rewriting a file of an earlier layer would store it twice.
set -eu
cd "$(python3 -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("ray").origin).parents[1])')"
[ $# -gt 0 ] || set -- .

# Ray's Java and C++ workers, and RLlib's examples.
rm -rf ray/jars ray/cpp ray/rllib/examples ray/rllib/tuned_examples
# Headers, static libraries and Cython sources, which only a compiler needs; there is none.
rm -rf pyarrow/include pyarrow/src numpy/_core/include xgboost/include nvidia/*/include
find "$@" \( -name '*.a' -o -name '*.lib' -o -name '*.pyx' -o -name '*.pyx.tp' -o -name '*.pxd' -o -name '*.pxi' \) -type f -delete
# pyarrow contains libarrow_python three times; the loader uses the middle name only.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
# Type stubs, the dashboard's source maps, SBOMs.
find "$@" \( -name '*.pyi' -o -name '*.js.map' -o -path '*.dist-info/sboms/*' \) -type f -delete
# The packages' own tests. numpy.testing, pandas.testing and sklearn.utils._testing are not among them.
find "$@" -type d \( -name tests -o -path '*/joblib/test' \) -prune -exec rm -rf {} +

# Symbol tables, 70 MB, needed only for C++ stack traces after a crash. Not in *.libs: strip is known to break
# the files that auditwheel has rewritten.
find "$@" -size +1M \( -name '*.so' -o -name '*.so.*' -o -name raylet -o -name gcs_server \) ! -path '*.libs/*' -type f -exec \
  env LD_LIBRARY_PATH="$(echo /strip/lib/*-linux-gnu)" /strip/bin/strip --strip-unneeded {} +

#!/usr/bin/env bash
# Builds the base image from Debian packages, for a machine that can't reach an image registry.
#
#   docker/base.sh [IMAGE_NAME]        default raydock/base:bookworm
#
# Contract: exit code 0 means that the image IMAGE_NAME exists. One line on stdout reports whether it was
# built or already existed. All other output goes to stderr. On failure, the last line explains what failed
# and how to fix it, the exit code is 1 (2 for a usage error), and no partial image is left behind.
#
# The image replaces python:3.11-slim-bookworm. It contains only Debian 12 with its own Python 3.11, pip and CA
# certificates, from Debian's current point release. To update it, run `docker rmi IMAGE_NAME`, then run this
# script again.
set -euo pipefail

image=${1:-raydock/base:bookworm}
suite=bookworm

fail() { echo "base.sh: $*" >&2; exit 1; }

[ $# -le 1 ] || { echo "usage: docker/base.sh [IMAGE_NAME]" >&2; exit 2; }
docker version >/dev/null 2>&1 ||
  fail "can't reach the Docker engine as $(id -un); start it (systemctl start docker) or use sudo, then run docker/base.sh again"
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "base image $image: already exists"
  exit 0
fi
PATH=$PATH:/usr/sbin
[ -e /usr/share/debootstrap/scripts/$suite ] && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
  fail "building the base image needs debootstrap: apt-get install debootstrap debian-archive-keyring"
[ "$(id -u)" = 0 ] ||
  fail "debootstrap needs root: sudo docker/base.sh $image"

# Not in TMPDIR, because /tmp is often mounted with nodev or noexec, and debootstrap works with neither.
work=$(mktemp -d /var/tmp/raydock-base.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
umask 022  # every user must be able to read the image's files

echo "base.sh: building $image from Debian $suite packages; this takes about a minute" >&2
debootstrap --force-check-gpg --variant=minbase --include=ca-certificates,python3,python3-distutils,python3-pip-whl \
  "$suite" "$root" >"$work/log" 2>&1 || {
  tail -5 "$work/log" >&2
  fail "debootstrap could not build Debian $suite (see above); check that apt-get update works, then run docker/base.sh again"
}

# Install only pip, from Debian's wheel. The package python3-pip would also install setuptools, 20 MB in total.
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore chroot "$root" sh -c '
  wheel=$(echo /usr/share/python-wheels/pip-*.whl)
  PYTHONPATH=$wheel python3 -m pip install --quiet --no-index --no-compile --ignore-installed "$wheel"
' >>"$work/log" 2>&1 ||
  { tail -5 "$work/log" >&2; fail "could not install pip from Debian's wheel (see above)"; }

# Remove files that containers never read, and files that debootstrap copied from this machine, because the engine
# provides its own.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/* \
  "$root"/var/cache/debconf/*-old "$root"/var/log/* "$root"/usr/share/{doc,man,info,locale,lintian}/* \
  "$root"/usr/share/python-wheels "$root"/root/.cache "$root"/tmp/* "$root"/run/* \
  "$root"/etc/resolv.conf "$root"/etc/hostname
find "$root"/usr/share/zoneinfo -mindepth 1 -maxdepth 1 \( -name posix -o -name right \) -exec rm -rf {} +

# /usr/local comes first in PATH, because pip installs there as root.
tar --numeric-owner --xattrs -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
  --change 'CMD ["python3"]' \
  --change "LABEL org.opencontainers.image.title=raydock-base org.opencontainers.image.version=$(cat "$root/etc/debian_version")" \
  --message "debootstrap $suite" - "$image" >"$work/id" ||
  fail "the Docker engine rejected the image (see above)"
echo "base image $image: built from Debian $(cat "$root/etc/debian_version") packages, without an image registry"

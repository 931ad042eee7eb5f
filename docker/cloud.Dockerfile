# Stages
#   packages   the packages in requirements/cloud.txt, in the system's Python
#   cloud      the lab's Google Cloud: cloud/, iam/ and raydock/, which both depend on
#   messages   adds the packages in requirements/vertex.txt: Google's SDK
#   vertex     Vertex AI's control plane: the same code with the SDK's messages
#   kuberay    KubeRay's controller: adds kuberay/, and the program that also runs the API server
#   apiserver  builds etcd and kube-apiserver from Debian's packages, which takes about four minutes
#   kubernetes a Kubernetes API server: the two programs, started by kuberay's code

ARG BASE_IMAGE=python:3.11-slim-bookworm


FROM ${BASE_IMAGE} AS packages
USER root
ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca_bundle \
    --mount=type=bind,source=requirements/cloud.txt,target=/requirements/cloud.txt \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi \
    && python3 -m pip install --require-hashes --no-deps -r /requirements/cloud.txt \
    && { id lab >/dev/null 2>&1 || useradd --uid 1001 --create-home lab; }


FROM packages AS cloud
RUN install -d -o lab -m 700 /var/lib/raydock /var/lib/objects
COPY --chmod=755 docker/health.py /opt/raydock/
# --chmod, because the user lab could not read a checkout that was created with umask 077.
COPY --chmod=755 raydock /opt/raydock/raydock
COPY --chmod=755 iam /opt/raydock/iam
COPY --chmod=755 cloud /opt/raydock/cloud
USER lab
WORKDIR /opt/raydock
EXPOSE 8265
ENTRYPOINT ["python3", "-m", "cloud"]
CMD ["networks", "cluster.raydock.internal=job"]


FROM packages AS messages
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca_bundle \
    --mount=type=bind,source=requirements/vertex.txt,target=/requirements/vertex.txt \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi \
    && python3 -m pip install --require-hashes --no-deps -r /requirements/vertex.txt


# Runs as root to access the Docker engine's socket. compose.yaml explains why.
FROM messages AS vertex
RUN install -d -m 700 /var/lib/vertex
COPY --from=cloud /opt/raydock /opt/raydock
WORKDIR /opt/raydock
ENTRYPOINT ["python3", "-m", "cloud.controlplane"]
CMD ["--control", "vertex.raydock.internal"]


# Runs as root to access the Docker engine's socket, like vertex.
FROM cloud AS kuberay
USER root
COPY --chmod=755 kuberay /opt/raydock/kuberay
ENTRYPOINT ["python3", "-m", "cloud.kubernetes"]
CMD ["controller", "--control", "kuberay.raydock.internal"]


FROM ${BASE_IMAGE} AS apiserver
USER root
RUN --mount=type=bind,source=docker/apiserver.sh,target=/apiserver.sh \
    apt-get update -q \
    && apt-get install -qy --no-install-recommends dpkg-dev xz-utils patch \
    && bash /apiserver.sh /build


FROM kuberay AS kubernetes
RUN install -d -o lab -m 700 /var/lib/kubernetes
COPY --from=apiserver --chmod=755 /build/bin/ /usr/local/bin/
USER lab
EXPOSE 6443
CMD ["apiserver"]

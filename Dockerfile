# The operator's image: the controller, and what prepares a build's source inside its Pod (git with ssh and LFS, CA
# certificates, tar).
# Plain instructions only, so that docker, podman and kaniko build it alike. BASE_IMAGE: a Debian 12 or newer.
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS build
# Skipped where the base already has it: fetching the package lists is the slowest step of a small build.
RUN python3 -c 'import ensurepip, venv' 2>/dev/null \
    || { apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv; }
COPY requirements.lock /tmp/requirements.lock
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.lock \
    && /opt/venv/bin/pip uninstall --yes --quiet pip setuptools
COPY operator/imagebuild_operator /opt/imagebuild-operator/imagebuild_operator
# The root file system is read-only at run time: without bytecode in the image every start would compile anew.
RUN /opt/venv/bin/python3 -m compileall -q /opt/imagebuild-operator

FROM ${BASE_IMAGE}
RUN { command -v python3 && command -v git && command -v ssh && command -v git-lfs && command -v tar \
      && test -s /etc/ssl/certs/ca-certificates.crt; } >/dev/null \
    || { apt-get update \
         && apt-get install --yes --no-install-recommends python3 git openssh-client git-lfs ca-certificates tar \
         && apt-get clean && rm -rf /var/lib/apt/lists/*; }
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/imagebuild-operator /opt/imagebuild-operator
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/imagebuild-operator \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="imagebuild-operator" \
      org.opencontainers.image.description="Builds container images in a Kubernetes cluster with kaniko"
# A number, so that the kubelet can check runAsNonRoot.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "imagebuild_operator"]

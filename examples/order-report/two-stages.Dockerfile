# Two stages: the compiler stays behind in the first, the second carries only what runs.
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libpq-dev python3-dev python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /srv/requirements.txt
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /srv/requirements.txt

FROM ${BASE_IMAGE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq5 python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
COPY app.py /srv/app.py
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/venv/bin/python3", "/srv/app.py"]

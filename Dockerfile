# One image for all services: `docker run … fanfare run gateway --config FILE`.

# Another one, or the same by its digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/fanfare
WORKDIR /source

# Before the source, so that a change of it does not fetch everything again.
COPY requirements.lock ./
RUN pip --python /opt/fanfare install --no-deps --require-hashes --only-binary :all: --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY libs libs
COPY services services
RUN pip --python /opt/fanfare install --no-deps --no-build-isolation . \
    && pip --python /opt/fanfare check \
    && pip --python /opt/fanfare uninstall --yes setuptools


FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 fanfare \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin fanfare
COPY --from=build /opt/fanfare /opt/fanfare

# Two arenas: with more, what many connections have freed stays in pieces that nobody can use.
ENV PATH=/opt/fanfare/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2

USER 10001:10001
EXPOSE 6001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:9601/health/ready', timeout=2)"]
ENTRYPOINT ["fanfare"]
CMD ["run"]

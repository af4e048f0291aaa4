# Two stages: the first installs from the locks, the second carries the result and nothing that built it.
#
#   docker build --build-arg GIT_SHA="$(git rev-parse HEAD)" -t cerberod .
#   docker run --env-file .env -v cerberod-state:/var/lib/cerberod cerberod
#
# Inside, the daemon listens on the container's own loopback, as everywhere. To reach it from a proxy's network, say so
# by name: ALLOW_NON_LOOPBACK=true, HOST=0.0.0.0, ALLOWED_HOSTS=the name that callers use. Publish no port without TLS.
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/cerberod
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-build.lock requirements.lock ./
RUN /opt/cerberod/bin/pip install --require-hashes -r requirements-build.lock \
    && /opt/cerberod/bin/pip install --require-hashes --no-build-isolation --use-pep517 -r requirements.lock
COPY pyproject.toml README.md ./
COPY cerberod ./cerberod
RUN /opt/cerberod/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/cerberod --shell /usr/sbin/nologin cerberod \
    && install -d -o cerberod -g cerberod -m 0700 /var/lib/cerberod
COPY --from=build /opt/cerberod /opt/cerberod
ARG GIT_SHA=""
ENV PATH=/opt/cerberod/bin:$PATH PYTHONDONTWRITEBYTECODE=1 STATE_DIR=/var/lib/cerberod GIT_SHA=$GIT_SHA
USER 10001:10001
WORKDIR /var/lib/cerberod
VOLUME /var/lib/cerberod
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('HTTP_PORT', '9001') + '/health', timeout=2)"]
CMD ["cerberod", "serve"]

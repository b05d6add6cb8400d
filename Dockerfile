# One image for all services; which one runs is its command: `docker run … order_ingest`.
# Target `hub` is for production; `sandbox` adds the simulators and is for trying things out.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt \
    && uv venv /opt/hub \
    && uv pip install --python /opt/hub/bin/python --require-hashes -r requirements/run.txt
COPY libs/ libs/
COPY services/ services/
RUN for part in libs/contracts libs/common libs/connectors/*/ services/*/; do \
      case "$part" in services/sandbox/) continue ;; esac; \
      uv pip install --python /opt/hub/bin/python --no-deps --no-cache "./$part" || exit 1; \
    done

FROM build AS build-sandbox
RUN uv pip install --python /opt/hub/bin/python --no-deps --no-cache ./services/sandbox

FROM python:3.11-slim-bookworm AS base
# What can install software is of no use to a service and of great use to whoever breaks into one.
RUN rm -rf /usr/local/lib/python3.11/site-packages/* /usr/local/bin/pip* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hub
ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HUB_HTTP_HOST=0.0.0.0 HUB_HTTP_PORT=8080
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['HUB_HTTP_PORT'] + '/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m"]

FROM base AS sandbox
COPY --from=build-sandbox /opt/hub /opt/hub
ENV HUB_SANDBOX_HOST=0.0.0.0 HUB_SANDBOX_PORT=8080
CMD ["sandbox"]

FROM base AS hub
COPY --from=build /opt/hub /opt/hub
CMD ["order_ingest"]

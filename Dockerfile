# The server, the controller and gpuctl: one image. The build needs a package index; nothing is fetched later.
FROM node:24-bookworm-slim AS dashboard
WORKDIR /build/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --no-progress
COPY frontend ./
RUN mkdir -p ../src/gpu_management/api && npm run build

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
WORKDIR /build
RUN python -m venv /opt/gpu-management
COPY requirements-image.lock ./
RUN /opt/gpu-management/bin/pip install --require-hashes -r requirements-image.lock
COPY requirements-build.lock ./
RUN pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY sdk sdk
COPY --from=dashboard /build/src/gpu_management/api/dashboard src/gpu_management/api/dashboard
RUN pip wheel --no-deps --no-build-isolation -w dist . \
    && /opt/gpu-management/bin/pip install --no-deps dist/*.whl

FROM python:3.13-slim-bookworm
# curl and bash: pipelines and people look into running pods with them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bash curl tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 gpu \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/gpu-management gpu \
    && install -d -o gpu -g gpu /var/lib/gpu-management
COPY --from=build /opt/gpu-management /opt/gpu-management
ENV PATH=/opt/gpu-management/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GPU_MANAGEMENT_SERVER_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/gpu-management
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/actuator/health"]
ENTRYPOINT ["tini", "--", "gpuctl"]
CMD ["serve"]

# earwitness without PyTorch, one detector inside, no network needed to scan.
#
# The command line (base install):
#   docker build -t earwitness .
#   docker run --rm --network none -v "$PWD:/data:ro" earwitness scan /data/clip.wav
#
# The service (extra [serve]); deploy/compose.yaml runs it with PostgreSQL:
#   docker build --target serve -t earwitness-serve .

FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip install --no-cache-dir build==1.6.1 && python -m build --wheel --outdir /wheels .

FROM python:3.12-slim AS base
RUN useradd --create-home --uid 10001 earwitness && mkdir /data && chown earwitness /data
WORKDIR /data

FROM base AS serve
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(ls /wheels/*.whl)[serve]"
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
ENTRYPOINT ["earwitness", "serve", "--host", "0.0.0.0"]

# A node of a Ray cluster (extras [batch,cloud,ray]); deploy/ray/kuberay.yaml runs a batch with it:
#   docker build --target ray -t earwitness-ray .
FROM base AS ray
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(ls /wheels/*.whl)[batch,cloud,ray]"
USER 10001
CMD ["bash"]

FROM base AS scan
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir /wheels/*.whl
USER 10001
ENTRYPOINT ["earwitness"]
CMD ["--help"]

# earwitness with its base install: no PyTorch, one detector inside, no network needed at run time.
#
#   docker build -t earwitness .
#   docker run --rm --network none -v "$PWD:/data:ro" earwitness scan /data/clip.wav

FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip install --no-cache-dir build && python -m build --wheel --outdir /wheels .

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir /wheels/*.whl && rm -r /wheels \
    && useradd --create-home --uid 10001 earwitness
USER earwitness
WORKDIR /data
ENTRYPOINT ["earwitness"]
CMD ["--help"]

# syntax=docker/dockerfile:1
# docker build -t visema .                           production, CPU
# docker build -t visema:cuda --target cuda .        production, with the networks on an NVIDIA card
# docker build -t visema:dev --target development .  tests and tools
# What each stage is for: docs/deploy.md.
ARG PYTHON=3.11

# What every stage needs of the system. OpenCV wants libGL and GLib; openssl makes the first certificate; tini hands
# signals on and buries what the worker processes leave behind.
FROM python:${PYTHON}-slim-bookworm AS system
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 openssl tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 visema \
    && useradd --uid 10001 --gid visema --no-create-home --home-dir /data --shell /usr/sbin/nologin visema \
    && install -d -o visema -g visema -m 0750 /data /data/cache /data/outputs
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /app

# The packages, which change more rarely than the code: an empty package stands in for it.
FROM system AS packages
RUN python -m venv /opt/venv
COPY pyproject.toml README.md LICENSE ./
RUN mkdir visema && touch visema/__init__.py \
    && pip install ".[service]" \
    && pip uninstall --yes visema \
    && rm -rf build visema visema.egg-info

# With torch, whose wheel for Linux brings CUDA's libraries along: the machine needs NVIDIA's driver alone.
FROM packages AS packages-cuda
RUN mkdir visema && touch visema/__init__.py \
    && pip install ".[service,neural]" \
    && pip uninstall --yes visema \
    && rm -rf build visema visema.egg-info

# The code and the default avatar, prepared here once and not at every start; others than root must be able to read it.
# The code is installed in place, for the avatar and `app.py` lie beside the package.
FROM packages AS made
COPY . .
RUN pip install --no-deps --editable . \
    && python -m compileall -q visema \
    && VISEMA_CACHE=/seed python video.py --setup \
    && chmod -R a+rX /app /seed

FROM packages-cuda AS made-cuda
COPY . .
RUN pip install --no-deps --editable . \
    && python -m compileall -q visema facenets liveportrait sadtalker wav2lip \
    && VISEMA_CACHE=/seed python video.py --setup \
    && chmod -R a+rX /app /seed

# Tests and tools; mount the checkout over /app to work on it.
FROM packages AS development
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium git nginx-light postgresql redis-server \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN pip install --editable ".[dev]"
ENV VISEMA_CACHE=/data/cache VISEMA_OUTPUTS=/data/outputs HOME=/data
USER visema
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "visema", "serve", "--host", "0.0.0.0", "--port", "8000", "--first-key"]

# What production images share. Nothing outside /data and /tmp is written: run them with a read-only root.
FROM system AS runtime
ENV VISEMA_CACHE=/data/cache \
    VISEMA_OUTPUTS=/data/outputs \
    HOME=/data \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba
STOPSIGNAL SIGTERM
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["python", "docker/health.py"]
ENTRYPOINT ["tini", "-g", "--", "/bin/sh", "docker/start.sh"]
CMD ["visema", "serve", "--host", "0.0.0.0", "--port", "8000", "--first-key"]

FROM runtime AS cuda
# Read by NVIDIA's container toolkit, which puts the driver into the container.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=made-cuda /opt/venv /opt/venv
COPY --from=made-cuda /app /app
COPY --from=made-cuda /seed /seed
USER 10001:10001
VOLUME /data

# The last stage is what `docker build .` makes.
FROM runtime AS production
COPY --from=made /opt/venv /opt/venv
COPY --from=made /app /app
COPY --from=made /seed /seed
USER 10001:10001
VOLUME /data

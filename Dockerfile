# The pipeline as an image, for amd64 and arm64. Three targets:
#
#   batch   for AWS Batch with the engines Glue and Redshift: docker build --target batch .
#   report  that of local, and the libraries of the HTML report: for DAILY_REPORT.
#   local   that of batch and DuckDB, 70 MB: for the embedded run, and for AWS with DuckDB in the container. The default.
#
# All run as an unprivileged user without a name, on a read-only root file system with an empty /tmp.

# The digest is that of the index, which has an image for each architecture.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base


FROM base AS build

COPY batch/requirements.lock /
# The lock is complete, so nothing is resolved here, and no library is built from source.
# Compiled bytecode saves half a second of CPU at each start, much on a quarter of a vCPU. It is not checked against the
# sources' times: a layer rounds them. setuptools is in the lock for those who install the project itself.
RUN python3 -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        --require-hashes --no-deps --only-binary :all: --no-compile --requirement /requirements.lock \
    && pip --python /opt/venv/bin/python uninstall --quiet --yes --root-user-action ignore setuptools \
    && find /opt/venv -depth -type d \( -name test -o -name tests \) -exec rm -r {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib
# Only in the target local.
RUN mkdir /opt/duckdb && mv /opt/venv/lib/python3.13/site-packages/*duckdb* /opt/duckdb/

# The embedded defaults; their folder data/ is /data. Not under the name luigi.cfg, which Luigi reads in the working
# directory whatever LUIGI_CONFIG_PATH names.
COPY luigi.cfg /embedded.cfg
# The same file without the embedded defaults, for production: the job definition names it in LUIGI_CONFIG_PATH. There
# lake, transformation and warehouse come from the environment, and one that is missing must be an error, not a folder in
# a container that is gone a minute later.
RUN sed '1,/^\[core\]/{/^\[/!d;}' /embedded.cfg > /deployed.cfg
COPY batch/sitecustomize.py /app/
COPY jobs /app/jobs
COPY reddit_etl /app/reddit_etl
RUN chmod -R a+rX /app /embedded.cfg /deployed.cfg && python3 -m compileall -q --invalidation-mode unchecked-hash /app


# Built for the target report alone.
FROM base AS plots

COPY batch/report.lock /
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore --target /opt/report \
        --require-hashes --no-deps --only-binary :all: --no-compile --requirement /report.lock \
    && rm -r /opt/report/bin \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/report


FROM base AS batch

# Nothing is left to install for the base image's own pip.
RUN python3 -c 'import ensurepip, pip, shutil; [shutil.rmtree(m.__path__[0]) for m in (ensurepip, pip)]' \
    && rm -f /usr/local/bin/pip* /usr/bin/pip*

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=build /embedded.cfg /deployed.cfg /

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LUIGI_CONFIG_PATH=/embedded.cfg

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="reddit-etl" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"

# The only folder that a run writes to. Fargate's empty volumes are writable by root alone, unless the image declares a
# volume of that path: then they have the mode of its folder, 1777.
VOLUME ["/tmp"]
WORKDIR /
USER 10001:10001
ENTRYPOINT ["luigi", "--module", "jobs"]
CMD ["RedditPipeline"]


FROM batch AS embedded

COPY --from=build /opt/duckdb /opt/venv/lib/python3.13/site-packages
# The mount point of a folder or volume. Writable for any --user, like /tmp.
USER 0
RUN mkdir --mode 1777 /data
USER 10001:10001


FROM embedded AS report

COPY --from=plots /opt/report /opt/venv/lib/python3.13/site-packages


FROM embedded AS local

# The console as one image: web, workers and beat are the same image with another command (see docs/commands.md).
FROM python:3.13-slim AS build
WORKDIR /src
RUN pip install --no-cache-dir uv
COPY pyproject.toml uv.lock README.md LICENSE ./
# Dependencies first: they change less often than the code.
RUN uv sync --locked --no-dev --extra postgres --no-install-project --no-editable
COPY . .
RUN uv sync --locked --no-dev --extra postgres --no-editable

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home console
COPY --from=build /src/.venv /src/.venv
ENV PATH=/src/.venv/bin:$PATH ECSCONSOLE_VAR_DIR=/var/lib/ecsconsole PYTHONUNBUFFERED=1
RUN mkdir -p /var/lib/ecsconsole && chown console /var/lib/ecsconsole \
    && SECRET_KEY=collect-only ecsconsole collectstatic --noinput
USER console
EXPOSE 8000
CMD ["uvicorn", "ecsconsole.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "5"]

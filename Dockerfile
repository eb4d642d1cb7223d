# The server, built from this checkout. The virtual environment is all that the second stage takes over.
FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# Dependencies first: this layer stays while only the code changes.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --extra ddgs --no-install-project
COPY LICENSE README.md ./
COPY migrations migrations
COPY agentos agentos
RUN uv sync --frozen --no-dev --extra ddgs --no-editable

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin agentos
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY cookbook/05_agent_os/server.py ./
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
# By number, so that an orchestrator can tell that it isn't root.
USER 10001
EXPOSE 7777
# Not urllib, which would ask a proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
from http.client import HTTPConnection; \
server = HTTPConnection('127.0.0.1', 7777, timeout=4); \
server.request('GET', '/health'); \
raise SystemExit(server.getresponse().status != 200)"]
CMD ["agentos", "serve", "server:app", "--host", "0.0.0.0", "--port", "7777"]

"""The Dockerfile and the compose file name things that exist, and fit each other."""

import fnmatch
import json
import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()


def instructions(word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(f"{word} ")]


def copied() -> list[str]:
    """What the image takes from the checkout."""
    words = [shlex.split(line) for line in instructions("COPY") if not line.startswith("--from")]
    return [source for *sources, _ in words for source in sources]


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(
            fnmatch.fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in allowed
        )


def test_the_image_serves_a_file_that_it_copies_and_not_as_root():
    command = json.loads(instructions("CMD")[-1])
    module, attribute = command[2].split(":")
    assert command[:2] == ["agentos", "serve"]
    assert attribute == "app"
    assert f"{module}.py" in {Path(source).name for source in copied()}
    assert int(instructions("USER")[-1]) > 0


def test_the_health_check_asks_the_port_that_is_served():
    check = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    compile(check[2], "HEALTHCHECK", "exec")
    port = json.loads(instructions("CMD")[-1])[-1]
    assert f"'127.0.0.1', {port}" in check[2]
    assert instructions("EXPOSE") == [port]


def test_compose_publishes_on_this_machine_only_and_where_the_examples_look():
    services = COMPOSE["services"]
    assert services["db"]["image"] == "pgvector/pgvector:pg17"
    assert services["db"]["ports"] == ["127.0.0.1:5532:5432"]
    assert services["server"]["ports"] == ["127.0.0.1:7777:7777"]
    assert services["server"]["depends_on"] == {"db": {"condition": "service_healthy"}}


def test_compose_gives_the_server_the_database_it_starts():
    database = COMPOSE["services"]["db"]["environment"]
    user, password, name = (database[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
    url = COMPOSE["services"]["server"]["environment"]["DATABASE_URL"]
    assert url == f"postgresql+psycopg://{user}:{password}@db:5432/{name}"
    assert set(COMPOSE["volumes"]) == {"db"}

import pytest

from tests.conftest import a_database
from tests.os.threats.world import World


@pytest.fixture(scope="session")
def world(server_url, template, tmp_path_factory):
    """One for all threats of a worker: what they make has names of its own."""
    with (
        a_database(server_url, template) as database,
        World(database, tmp_path_factory.mktemp("threats")).serving() as world,
    ):
        yield world

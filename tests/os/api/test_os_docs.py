"""`/docs` and `/redoc`: pages that work without any other server than ours."""

import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from agentos.os import AgentOS
from tests.os.apps import agent, secured, serving

PAGES = ["/docs", "/redoc", "/docs/oauth2-redirect"]
HOST = "http://server"


def sources(page: httpx.Response) -> list[str]:
    """Absolute addresses of everything that the page loads: attributes, and addresses in its scripts."""
    attributes = re.findall(r"(?:src|href|spec-url)=[\"']([^\"']+)", page.text)
    in_scripts = re.findall(r"\burl: '([^']+)'", page.text)
    return [urljoin(str(page.url), each) for each in (*attributes, *in_scripts)]


@pytest.mark.parametrize("root", ["", "/behind/a/proxy"])
@pytest.mark.parametrize(("path", "count"), [("/docs", 4), ("/redoc", 3)])
async def test_a_page_loads_only_what_this_server_serves(root, path, count):
    app = secured(AgentOS(agents=[agent()]).get_app())
    app.root_path = root
    async with serving(app) as client:
        page = await client.get(f"{root}{path}")
        assert page.status_code == 200
        loaded = sources(page)
        assert len(loaded) == count
        for address in loaded:
            assert address.startswith(f"{HOST}{root}/"), address
            answer = await client.get(address)
            assert (answer.status_code, bool(answer.content)) == (200, True), address
            if address.endswith(".css"):
                assert not re.findall(r"@import|url\((?![\"']?data:)", answer.text)


@pytest.mark.parametrize("path", PAGES)
async def test_the_browser_is_told_to_load_nothing_from_elsewhere(path):
    """Scripts contain addresses of other servers, such as that of a logo."""
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        page = await client.get(path)
    directives = dict(each.split(" ", 1) for each in page.headers["content-security-policy"].split("; "))
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    own = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = {f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in scripts}
    for name, allowed in directives.items():
        assert set(allowed.split()) <= own | hashes, name
    assert set(directives["script-src"].split()) == {"'self'", *hashes}


async def test_what_a_browser_has_isnt_sent_again():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        script = await client.get("/docs/swagger-ui-bundle.js")
        assert script.headers["content-type"].startswith("text/javascript")
        again = await client.get(script.url.path, headers={"If-None-Match": script.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/docs/pyproject.toml", "/docs/../core.py", "/docs/%2e%2e/core.py"])
async def test_nothing_else_of_the_package_is_served(path):
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        assert (await client.get(path)).status_code == 404


async def test_the_pages_of_a_base_app_are_its_own():
    base = FastAPI(docs_url="/manual", redoc_url=None)
    async with serving(AgentOS(agents=[agent()], base_app=base).get_app()) as client:
        assert (await client.get("/")).json()["docs"] == "/manual"
        assert (await client.get("/docs")).status_code == 404
        assert urlsplit(str((await client.get("/manual")).url)).path == "/manual"
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        assert (await client.get("/")).json()["docs"] == "/docs"

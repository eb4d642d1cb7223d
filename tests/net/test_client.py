"""The client, against real servers on this machine."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from agentos.errors import AddressRefusedError, AnswerTooLargeError, ConfigurationError, FetchError
from agentos.net import Client
from tests.net.site import Site, certificates, moved, page, site

HERE = ("127.0.0.1/32",)
"""One address of this machine is allowed; the others stand for what is private."""


@pytest.fixture
async def public() -> AsyncGenerator[Site]:
    async with site() as found:
        yield found


@pytest.fixture
async def private() -> AsyncGenerator[Site]:
    async with site("127.0.0.2") as found:
        yield found


class Names:
    """A resolver whose answers for a name are given one after the other; the last one stays."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


async def test_a_public_address_is_fetched(public: Site):
    public.pages["/"] = page(b"welcome", x_kind="greeting")
    async with Client(networks=HERE) as client:
        answer = await client.get(public.url + "/")
    assert (answer.status, answer.content, answer.url) == (200, b"welcome", public.url + "/")
    assert answer.headers["x-kind"] == "greeting"


async def test_a_body_is_sent(public: Site):
    public.pages["/hook"] = page(status="202 Accepted")
    async with Client(networks=HERE) as client:
        answer = await client.request("POST", public.url + "/hook", content=b'{"a": 1}')
    assert answer.status == 202
    assert public.asked[0].startswith("POST /hook ")
    assert public.asked[0].endswith('\r\n\r\n{"a": 1}')


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.1", "127。0。0。1"])
async def test_this_machine_is_refused_and_not_asked(public: Site, host: str):
    async with Client() as client:
        with pytest.raises(AddressRefusedError):
            await client.get(f"http://{host}:{public.port}/")
    assert public.asked == []


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"])
async def test_addresses_of_ipv6_are_refused(public: Site, host: str):
    async with Client() as client:
        with pytest.raises(AddressRefusedError):
            await client.get(f"http://{host}:{public.port}/")
    assert public.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ws://127.0.0.1/",
        "//127.0.0.1/",
        "/etc/passwd",
        "",
        "http://",
        "http:///path",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://exa\nmple.org/",
        f"http://{'a' * 64}.test/",
    ],
)
async def test_what_is_no_address_of_the_web_is_refused(url: str):
    async with Client(networks=HERE) as client:
        with pytest.raises(AddressRefusedError):
            await client.get(url)


@pytest.mark.parametrize("userinfo", ["user:secret@", "user@", "example.org:80@", "%61@"])
async def test_a_user_in_the_address_is_refused(public: Site, userinfo: str):
    async with Client(networks=HERE) as client:
        with pytest.raises(AddressRefusedError, match="a user or a password"):
            await client.get(f"http://{userinfo}127.0.0.1:{public.port}/")
    assert public.asked == []


async def test_the_connection_goes_to_the_address_that_was_checked(public: Site, private: Site):
    names = Names("127.0.0.1", "127.0.0.2")
    async with Client(networks=HERE, resolve=names) as client:
        answer = await client.get(f"http://rebound.test:{public.port}/")
        assert (answer.content, names.asked) == (b"welcome", ["rebound.test"])
        assert f"Host: rebound.test:{public.port}" in public.asked[0]
        for port in (public.port, private.port):
            with pytest.raises(AddressRefusedError):
                await client.get(f"http://rebound.test:{port}/")
    assert private.asked == []


async def test_redirects_are_followed(public: Site):
    public.pages |= {"/old": moved("/new"), "/new": page(b"here", content_type="text/plain")}
    async with Client(networks=HERE) as client:
        answer = await client.get(public.url + "/old")
    assert (answer.content, answer.url) == (b"here", public.url + "/new")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_private_address_is_refused(public: Site, private: Site, status: int):
    public.pages["/"] = moved(private.url + "/", status)
    async with Client(networks=HERE) as client:
        with pytest.raises(AddressRefusedError):
            await client.get(public.url + "/")
    assert private.asked == []


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/"])
async def test_a_redirect_to_what_is_not_fetched_is_refused(public: Site, to: str):
    public.pages["/"] = moved(to)
    async with Client(networks=HERE) as client:
        with pytest.raises(AddressRefusedError):
            await client.get(public.url + "/")


async def test_redirects_end(public: Site):
    public.pages["/"] = moved("/")
    async with Client(networks=HERE) as client:
        with pytest.raises(FetchError, match="redirects too often"):
            await client.get(public.url + "/")
        assert len(public.asked) == 6
        assert (await client.request("GET", public.url + "/", max_redirects=0)).status == 302


async def test_a_redirect_to_another_origin_takes_no_secrets_along(public: Site):
    async with site() as other:
        public.pages |= {"/": moved(other.url + "/"), "/same": moved("/kept"), "/kept": page()}
        headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Accept": "text/plain"}
        async with Client(networks=HERE) as client:
            await client.get(public.url + "/", headers=headers)
            await client.get(public.url + "/same", headers=headers)
    assert "s3cret" not in other.asked[0]
    assert "Accept: text/plain" in other.asked[0]
    assert public.asked[2].count("s3cret") == 2


async def test_cookies_are_not_kept(public: Site):
    public.pages["/"] = page(b"", set_cookie="session=1; Path=/")
    async with Client(networks=HERE) as client:
        await client.get(public.url + "/")
        await client.get(public.url + "/")
    assert "ookie" not in public.asked[1]


async def test_a_body_that_never_ends_is_cut_off(public: Site):
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    public.pages["/"] = endless
    async with Client(networks=HERE, max_bytes=100_000) as client:
        with pytest.raises(AnswerTooLargeError, match="more than 100000 bytes"):
            await client.get(public.url + "/")
        await public.left.wait()


async def test_a_body_as_large_as_allowed_is_read(public: Site):
    public.pages["/"] = page(bytes(100_000))
    async with Client(networks=HERE, max_bytes=100_000) as client:
        assert len((await client.get(public.url + "/")).content) == 100_000


@pytest.mark.parametrize("layers", [1, 2])
async def test_compressed_bytes_are_counted_as_what_they_become(public: Site, layers: int):
    packed = gzip.compress(bytes(50_000_000), 9)
    packed = gzip.compress(packed) if layers == 2 else packed
    public.pages["/"] = page(packed, content_encoding=", ".join(["gzip"] * layers))
    async with Client(networks=HERE, max_bytes=1_000_000) as client:
        tracemalloc.start()
        with pytest.raises(AnswerTooLargeError):
            await client.get(public.url + "/")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 8_000_000


async def test_a_compressed_body_is_decompressed(public: Site):
    public.pages["/"] = page(gzip.compress(b"welcome"), content_encoding="gzip")
    async with Client(networks=HERE) as client:
        assert (await client.get(public.url + "/")).content == b"welcome"


async def test_a_body_that_drips_is_given_up(public: Site):
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    public.pages["/"] = dripping
    async with Client(networks=HERE, seconds=0.2) as client:
        with pytest.raises(FetchError, match=r"longer than 0\.2 seconds"):
            await client.get(public.url + "/")


async def test_redirects_share_the_seconds(public: Site):
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(moved("/"))
        await writer.drain()

    public.pages["/"] = slow
    async with Client(networks=HERE, seconds=0.3) as client:
        with pytest.raises(FetchError, match="longer than"):
            await client.get(public.url + "/")
    assert len(public.asked) <= 2


async def test_a_lookup_that_hangs_is_given_up():
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with Client(resolve=hangs, seconds=0.05) as client:
        with pytest.raises(FetchError, match="longer than"):
            await client.get("http://slow.test/")


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nwel", b""]
)
async def test_what_is_no_answer_is_an_error(public: Site, answer: bytes):
    public.pages["/"] = answer
    async with Client(networks=HERE) as client:
        with pytest.raises(FetchError, match="can't be reached, or broke off"):
            await client.get(public.url + "/")


async def test_an_absent_server_is_an_error():
    async with Client(networks=HERE) as client:
        with pytest.raises(FetchError, match="can't be reached"):
            await client.get("http://127.0.0.1:1/")


async def test_the_next_address_is_tried_if_one_refuses(public: Site):
    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async with Client(networks=["127.0.0.0/8"], resolve=two) as client:
        assert (await client.get(f"http://two.test:{public.port}/")).content == b"welcome"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
async def test_proxies_of_the_environment_are_ignored(
    public: Site, private: Site, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setenv(name, private.url)
    async with Client(networks=HERE) as client:
        assert (await client.get(public.url + "/")).content == b"welcome"
        with pytest.raises(AddressRefusedError):
            await client.get(private.url + "/")
    assert private.asked == []


async def test_a_proxy_that_was_named_is_used_and_private_addresses_stay_refused(private: Site):
    private.pages["http://somewhere.test/"] = page(b"by proxy")
    proxy = f"http://agent:s3cret@127.0.0.2:{private.port}"

    async def unknown(host: str, port: int) -> Sequence[str]:
        if host == "somewhere.test":
            raise OSError("only the proxy knows it")
        return [host]

    async with Client(proxy=proxy, resolve=unknown) as client:
        assert (await client.get("http://somewhere.test/")).content == b"by proxy"
        assert "Proxy-Authorization: Basic YWdlbnQ6czNjcmV0" in private.asked[0]
        for url in ("http://127.0.0.1/", "https://169.254.169.254/latest/meta-data", private.url):
            with pytest.raises(AddressRefusedError):
                await client.get(url)
    assert len(private.asked) == 1


async def test_tls_is_made_with_the_name_that_was_asked_for(tmp_path: Path):
    of_server, of_client = certificates(tmp_path, "docs.test")
    names = Names("127.0.0.1")
    async with site(tls=of_server) as secure, Client(networks=HERE, tls=of_client, resolve=names) as client:
        assert (await client.get(f"https://docs.test:{secure.port}/")).content == b"welcome"
        for other in ("other.test", "127.0.0.1"):
            with pytest.raises(FetchError, match="can't be reached"):
                await client.get(f"https://{other}:{secure.port}/")
        assert len(secure.asked) == 1


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path):
    of_server, _ = certificates(tmp_path, "docs.test")
    async with site(tls=of_server) as secure, Client(networks=HERE, resolve=Names("127.0.0.1")) as client:
        with pytest.raises(FetchError):
            await client.get(f"https://docs.test:{secure.port}/")
    assert secure.asked == []


async def test_two_names_of_one_address_share_no_connection(tmp_path: Path):
    of_server, of_client = certificates(tmp_path, "docs.test")
    async with site(tls=of_server) as secure:
        secure.pages["/"] = page(b"welcome", connection="keep-alive")
        async with Client(networks=HERE, tls=of_client, resolve=Names("127.0.0.1")) as client:
            await client.get(f"https://docs.test:{secure.port}/")
            with pytest.raises(FetchError):
                await client.get(f"https://other.test:{secure.port}/")


async def test_errors_name_no_internal_address(private: Site):
    async with Client(resolve=Names("10.11.12.13")) as client:
        with pytest.raises(AddressRefusedError) as refused:
            await client.get("http://intranet.test/path?token=s3cret")
    assert str(refused.value) == (
        "The host 'intranet.test' isn't on the public internet, and isn't contacted for that reason."
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"networks": ["10.0.0.1/8"]}, "networks="),
        ({"origins": ["localhost:80"]}, "origins="),
        ({"origins": ["ftp://localhost"]}, "origins="),
        ({"proxy": "localhost:3128"}, "proxy="),
        ({"proxy": "socks5://localhost:3128"}, "proxy="),
    ],
)
def test_options_that_can_not_work_are_refused(option: dict, words: str):
    with pytest.raises(ConfigurationError, match=words):
        Client(**option)

"""Verifiers with one mistake each, as they have been made: tokens believed too much."""

from __future__ import annotations

import json
import re
import sqlite3
import string
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jwt
import pytest
from cryptography import x509
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm

from agentos.os.tokens import claims, verify
from agentos.os.tokens.claims import TokenError
from tests.os.threats import forged_tokens
from tests.os.threats.threat import Weakness

Claims = dict[str, Any]


def believing(read: Callable[[str], Claims]) -> Weakness:
    """A server whose tokens are read by `read`; whatever it can't read stays refused."""

    async def careless(self: verify.Verifier, token: str, server_id: str | None) -> Claims:
        try:
            return read(token)
        except (ValueError, LookupError, TypeError, AttributeError, OSError, sqlite3.Error):
            raise TokenError("Invalid token: malformed") from None

    return lambda patch: patch.setattr(verify.Verifier, "_claims", careless)


def taking_unsigned(token: str) -> Claims:
    """`alg` says whether there is a signature to look at."""
    header, payload, _ = _parts(token)
    if str(header.get("alg")).strip().lower() in {"none", "", "['none']", "0"}:
        return payload
    raise ValueError


def knowing_no_kinds_of_keys(token: str) -> Claims:
    """The one key is used with whatever algorithm the token names."""
    header, payload, signature = _parts(token)
    hash_ = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[header["alg"]]
    for spelled in spelled_out():
        if forged_tokens.with_secret(spelled, hash_)(_signed_part(token)) == signature:
            return payload
    raise ValueError


def spelled_out() -> Iterator[bytes]:
    """The trusted public key, in the forms in which a configuration may hold it."""
    key = forged_tokens.PUBLIC
    yield from (
        key,
        key.strip(),
        key.replace(b"\n", b"\r\n"),
        key.replace(b"\n", b"\\n"),
        forged_tokens.der(),
    )
    yield b"".join(key.splitlines()[1:-1])
    yield json.dumps(forged_tokens.jwk()).encode()
    yield forged_tokens.jwk()["n"].encode()


def taking_the_tokens_own_key(token: str) -> Claims:
    """The key is in the header, or where the header points."""
    header, payload, signature = _parts(token)
    found = header.get("jwk")
    if url := header.get("jku"):
        with closing(urlopen(url)) as answer:
            found = json.load(answer)["keys"][0]
    if url := header.get("x5u"):
        with closing(urlopen(url)) as answer:
            header["x5c"] = [answer.read().decode()]
    if chain := header.get("x5c"):
        certificate = x509.load_der_x509_certificate(b64decode(chain[0]))
        found = json.loads(RSAAlgorithm.to_jwk(certificate.public_key()))
    key = jwt.PyJWK(found, algorithm=header["alg"])
    if key.Algorithm.verify(_signed_part(token), key.key, signature):
        return payload
    raise ValueError


def looking_kid_up_in_files(token: str) -> Claims:
    """`kid` is the name of a file with a key."""
    header, payload, signature = _parts(token)
    key = Path("keys", header["kid"].partition("\0")[0]).resolve().read_bytes()
    if HMACAlgorithm(HMACAlgorithm.SHA256).verify(_signed_part(token), key, signature):
        return payload
    raise ValueError


def looking_kid_up_in_tables(token: str) -> Claims:
    """`kid` is pasted into a query."""
    header, payload, signature = _parts(token)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE keys (kid TEXT, secret TEXT)")
        secret = database.execute(f"SELECT secret FROM keys WHERE kid = '{header['kid']}'").fetchone()[0]
    if forged_tokens.with_secret(secret.encode())(_signed_part(token)) == signature:
        return payload
    raise ValueError


def ignoring_signatures(token: str) -> Claims:
    """Reads what is in the middle."""
    return _parts(token)[1]


def ignoring_the_header(token: str) -> Claims:
    """Looks at the signature, and not at what the header says about how to understand it."""
    _, payload, signature = _parts(token)
    key = jwt.PyJWK(forged_tokens.jwk())
    if key.Algorithm.verify(_signed_part(token), key.key, signature):
        return payload
    raise ValueError


def tidying_up(token: str) -> Claims:
    """Drops what can't be part of a token before looking at it."""
    known = string.ascii_letters + string.digits + "-_."
    tidied = "".join(each for each in re.sub(r"%..", "", token) if each in known)
    return ignoring_the_header(".".join(tidied.strip(".").split(".")[:3]))


def reading_any_json(patch: pytest.MonkeyPatch) -> None:
    """Takes whatever was signed for claims, as far as anything can be made of it."""

    def read(token: str) -> Claims:
        body = urlsafe_b64decode(token.split(".")[1] + "==")
        found = re.search(rb'"scopes": ?(\[[^\]]*\])', body)
        nested = body.strip(b'"').split(b".")
        if not found and len(nested) == 3:
            return read(body.decode().strip('"'))
        return forged_tokens.claims(*json.loads(found[1] if found else b'["agents:read"]'))

    believing(read)(patch)


def not_looking_at(*names: str) -> Weakness:
    """Reads claims without some of the checks."""
    unchecked = {"require": [], **{f"verify_{name}": False for name in names}}
    decode_complete = jwt.PyJWT.decode_complete

    def careless(self: jwt.PyJWT, token: str, key: Any, algorithms: Any, options: Any = None, **given: Any):
        return decode_complete(self, token, key, algorithms, {**(options or {}), **unchecked}, **given)

    def weakness(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(jwt.PyJWT, "decode_complete", careless)
        patch.setattr(verify, "check_times", lambda *given: None)

    return weakness


def taking_any_subject(patch: pytest.MonkeyPatch) -> None:
    """Makes text of whatever the subject is."""
    patch.setattr(claims, "_name", lambda payload, claim: str(payload.get(claim, "")) or None)
    patch.setattr(claims, "_RESERVED", re.compile(r"(?!)"))


def _parts(token: str) -> tuple[Claims, Claims, bytes]:
    header, payload, *signature = [urlsafe_b64decode(part + "==") for part in token.split(".")]
    return json.loads(header), json.loads(payload), b"".join(signature[:1])


def _signed_part(token: str) -> bytes:
    return ".".join(token.split(".")[:2]).encode()

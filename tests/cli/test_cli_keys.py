"""`agentos keys generate` makes keys that work and that nobody else can read."""

from pathlib import Path
from stat import S_IMODE

import pytest

from agentos.os.tokens.issue import inspect, mint
from tests.cli.commands import agentos

PAIR = ("jwt-private.pem", "jwt-public.pem")


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("algorithm", "name"), [("rs256", "RS256"), ("ES256", "ES256"), ("eddsa", "EdDSA")])
def test_a_pair_signs_and_checks_tokens(tmp_path: Path, algorithm: str, name: str):
    out = tmp_path / "new folder"
    assert agentos("keys", "generate", "--out", out, "--algorithm", algorithm).status == 0
    private, public = (out / file for file in PAIR)
    found = inspect(mint("alice", key=private.read_text()), key=public.read_text())
    assert (found.verified, found.header["alg"]) == (True, name)


def test_a_secret_signs_and_checks_tokens(tmp_path: Path):
    agentos("keys", "generate", "--out", tmp_path, "--algorithm", "hs256")
    secret = (tmp_path / "jwt-secret.txt").read_text()
    assert inspect(mint("alice", key=secret), key=secret).verified
    assert mode(tmp_path / "jwt-secret.txt") == 0o600


def test_only_the_public_half_is_for_others(tmp_path: Path):
    agentos("keys", "generate", "--out", tmp_path, "--algorithm", "es256")
    assert [mode(tmp_path / file) for file in PAIR] == [0o600, 0o644]


@pytest.mark.parametrize("existing", PAIR)
def test_nothing_is_overwritten_and_nothing_half_done(tmp_path: Path, existing: str):
    (tmp_path / existing).write_text("mine")
    called = agentos("keys", "generate", "--out", tmp_path, "--algorithm", "es256")
    assert existing in called.refusal
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(existing, "mine")]


def test_keys_that_exist_are_kept_and_can_be_loaded_as_told(tmp_path: Path):
    options = ("keys", "generate", "--out", tmp_path / "my keys", "--algorithm", "hs256")
    first, second = agentos(*options), agentos(*options)
    assert second.status == 1
    assert "already exists" in second.refusal
    exports = [line for line in first.output.splitlines() if line.startswith("export ")]
    assert len(exports) == 2
    assert second.refusal.splitlines()[1:] == exports


def test_a_folder_that_cant_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    called = agentos("keys", "generate", "--out", tmp_path / "file", "--algorithm", "es256")
    assert "can't be written: give another --out" in called.refusal


def test_the_lines_it_prints_can_be_pasted(tmp_path: Path):
    out = tmp_path / "with space"
    called = agentos("keys", "generate", "--out", out, "--algorithm", "es256")
    assert f"export JWT_SIGNING_KEY=\"$(cat '{out}/jwt-private.pem')\"" in called.output

"""The key pairs that we make."""

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from agentos.utils.cryptography import generate_rsa_keys


def test_a_generated_pair_signs_and_verifies():
    private, public = generate_rsa_keys()
    token = jwt.encode({"sub": "alice"}, private, algorithm="RS256")
    assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "alice"}
    assert load_pem_private_key(private.encode(), None).key_size == 2048
    assert load_pem_public_key(public.encode()).key_size == 2048
    assert "PRIVATE" not in public


def test_every_pair_is_new():
    assert generate_rsa_keys() != generate_rsa_keys()

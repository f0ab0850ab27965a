"""Known answers of secure aggregation, by a second implementation. Run this file to write them, `--check` to compare.

It shares no code with `protocols.secagg`. From the standard library: HKDF out of HMAC, sums of powers for shares. From
elsewhere: X25519, ChaCha20 and ChaCha20-Poly1305 (cryptography), the encoding of one message (protobuf). Every member's
generator is SHAKE-256 of its name, read from the start: channel key first, then mask key, seed, coins, round by round.
"""

from __future__ import annotations

import hmac
import json
import sys
from hashlib import sha256, shake_256
from itertools import combinations, product
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

FILE = Path(__file__).with_name("secagg_v1.json")
NAMES = ["alpha", "beta", "delta", "gamma"]
ROUNDS, TAU, FEWEST, WIDTH = 2, 3, 3, 4
CONTEXT = sha256(b"a training plan").digest()
BASES = {1: b"", 2: sha256(b"a model").digest()}
SIZES = {8: b"", 4: b"-32"}  # bytes of a word: what it adds to the labels of keys of masks
PRIME = 2**256 + 297
V1 = b"fedscore/v1/secagg/"


def digest(label: bytes, data: bytes) -> bytes:
    return sha256(V1 + label + b"\0" + data).digest()


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def derive(secret: bytes, salt: bytes, label: bytes, about: object) -> bytes:
    """RFC 5869, one block."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, V1 + label + b"\0" + compact(about) + b"\x01", "sha256")


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def agree(secret: bytes, other: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))


def keystream(key: bytes, length: int) -> bytes:
    return Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(length))


def words(data: bytes, size: int) -> list[int]:
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low]) if not rest else bytes([low | 128]) + varint(rest)


def field(number: int, value: bytes) -> bytes:
    """Length-delimited, in protobuf's encoding."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def generator(name: str) -> dict[str, list[bytes] | bytes]:
    stream = shake_256(b"secagg vectors " + name.encode()).digest(32 * (1 + 3 * ROUNDS))
    drawn = [stream[at : at + 32] for at in range(0, len(stream), 32)]
    return {"channel": drawn[0], "mask": drawn[1::3], "seed": drawn[2::3], "coins": drawn[3::3]}


def make() -> dict[str, object]:
    enrolled = {name: sha256(b"enrolled " + name.encode()).digest() for name in NAMES}
    verifying = {
        name: Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()
        for name, seed in enrolled.items()
    }
    plan = {
        "version": 1,
        "context": CONTEXT.hex(),
        "members": verifying,
        "rounds": ROUNDS,
        "threshold": TAU,
        "fewest": FEWEST,
    }
    plan_id = digest(b"plan", compact(plan))
    own = {name: generator(name) for name in NAMES}
    adverts = {}
    for name, drawn in own.items():
        body = field(1, plan_id) + field(2, name.encode()) + field(3, public(drawn["channel"]))
        body += b"".join(field(4, public(secret)) for secret in drawn["mask"])
        adverts[name] = body + b"".join(field(5, digest(b"seed-commitment", seed)) for seed in drawn["seed"])
    setup = digest(b"setup", plan_id + b"".join(digest(b"setup", body) for body in adverts.values()))

    pair_keys, self_keys = {}, {}
    for number, size in product(range(1, ROUNDS + 1), SIZES):
        for one, other in combinations(NAMES, 2):
            secret, theirs = own[one]["mask"][number - 1], public(own[other]["mask"][number - 1])
            about = [number, one, other, BASES[number].hex()]
            pair_keys[f"{size}/{number}/{one}/{other}"] = derive(
                agree(secret, theirs), setup, b"pair-mask" + SIZES[size], about
            )
        for name in NAMES:
            seed = own[name]["seed"][number - 1]
            self_keys[f"{size}/{number}/{name}"] = derive(seed, setup, b"self-mask" + SIZES[size], [number, name])

    shares, cells = {}, {}
    for dealer in NAMES:
        for number in range(1, ROUNDS + 1):
            for kind, what in enumerate(("mask", "seed")):
                drawn = keystream(
                    derive(own[dealer]["coins"][number - 1], setup, b"coins", [number, kind]), 48 * (TAU - 1)
                )
                powers = [int.from_bytes(own[dealer][what][number - 1], "big")]
                powers += [int.from_bytes(drawn[at : at + 48], "big") for at in range(0, len(drawn), 48)]
                for place, receiver in enumerate(NAMES, 1):
                    value = sum(coefficient * place**power for power, coefficient in enumerate(powers)) % PRIME
                    share = value.to_bytes(33, "big")
                    key = derive(
                        agree(own[dealer]["channel"], public(own[receiver]["channel"])),
                        setup,
                        b"channel",
                        [dealer, receiver],
                    )
                    where = [number, kind, 1 + NAMES.index(dealer), place]
                    bound = setup + b"".join(each.to_bytes(4, "big") for each in where)
                    nonce = number.to_bytes(8, "big") + kind.to_bytes(4, "big")
                    at = f"{number}/{what}/{dealer}/{receiver}"
                    shares[at] = share
                    cells[at] = ChaCha20Poly1305(key).encrypt(nonce, share, bound) + digest(b"share", bound + share)

    vectors = {
        f"{size}/{name}": [((at + 1) * 10**18 + place) % 256**size for place in range(WIDTH)]
        for size in SIZES
        for at, name in enumerate(NAMES)
    }
    masked = {}
    for size, number, name in product(SIZES, range(1, ROUNDS + 1), NAMES):
        own_mask = words(keystream(self_keys[f"{size}/{number}/{name}"], size * WIDTH), size)
        total = [a + b for a, b in zip(vectors[f"{size}/{name}"], own_mask, strict=True)]
        for peer in NAMES:
            if peer != name:
                first, second = sorted((name, peer))
                mask = words(keystream(pair_keys[f"{size}/{number}/{first}/{second}"], size * WIDTH), size)
                sign = 1 if name < peer else -1
                total = [a + sign * b for a, b in zip(total, mask, strict=True)]
        masked[f"{size}/{number}/{name}"] = b"".join((each % 256**size).to_bytes(size, "little") for each in total)

    def hexadecimal(values: dict[str, bytes]) -> dict[str, str]:
        return {name: value.hex() for name, value in values.items()}

    return {
        "source": "tests/protocols/secagg/vectors/make_vectors.py",
        "enrolled_seeds": hexadecimal(enrolled),
        "plan": plan,
        "plan_id": plan_id.hex(),
        "adverts": hexadecimal(adverts),
        "setup_id": setup.hex(),
        "bases": {str(number): basis.hex() for number, basis in BASES.items()},
        "pair_keys": hexadecimal(pair_keys),
        "self_keys": hexadecimal(self_keys),
        "shares": hexadecimal(shares),
        "cells": hexadecimal(cells),
        "vectors": {name: [str(value) for value in values] for name, values in vectors.items()},
        "masked": hexadecimal(masked),
    }


def text() -> str:
    return json.dumps(make(), indent=1) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(FILE.read_text() != text())
    FILE.write_text(text())

"""Change bytes at random, the same way for the same seed: what storage, transfer and malice do to files."""

import random
import struct

_BYTES = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x2C, 0x3C, 0x5B, 0x7B)
_INTEGERS = (0, 1, 2, 3, 4, 255, 256, 4096, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_TOKENS = (
    b"NaN", b"-1", b"1e999", b"null", b"true", b'""', b"[]", b"{}", b"\r\n", b"\x00", b"\xff\xfe",
    "\u202e".encode(), b"../../../etc/x", b"99999999999999999999", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;",
    b"[" * 50, b'{"a":' * 50, b"a" * 300, b"=1+1", b"[[images]]\n", b"--cut\r\n",
    b"Content-Length: 99999999999\r\n\r\n", b"II*\0", b"PK\x03\x04",
)  # fmt: skip


def mutate(data: bytes, seed: str, others: tuple[bytes, ...] = ()) -> bytes:
    """One to several random changes, fixed by the seed."""
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 10))):
        data = rng.choice(_CHANGES)(rng, data, others)
    return data


def _at(rng, data):
    """A place; the first kilobyte, where headers are, three times as often as chance would have it."""
    n = len(data)
    return rng.randrange(min(n, 1024) if rng.random() < 0.66 else n) if n else 0


def _set_byte(rng, data, _):
    k = _at(rng, data)
    return data[:k] + bytes([rng.choice(_BYTES) if rng.random() < 0.5 else rng.randrange(256)]) + data[k + 1 :]


def _flip_bit(rng, data, _):
    k = _at(rng, data)
    return data[:k] + bytes([data[k] ^ (1 << rng.randrange(8))]) + data[k + 1 :] if data else data


def _set_integer(rng, data, _):
    kind = rng.choice(("<H", ">H", "<I", ">I", "<Q"))
    k = _at(rng, data) & ~1
    packed = struct.pack(kind, rng.choice(_INTEGERS) & (2 ** (8 * struct.calcsize(kind)) - 1))
    return data[:k] + packed + data[k + len(packed) :]


def _cut_end(rng, data, _):
    return data[: rng.randrange(len(data) + 1)]


def _remove(rng, data, _):
    k = _at(rng, data)
    return data[:k] + data[k + rng.choice((1, 2, 4, 16, 100)) :]


def _repeat(rng, data, _):
    k = _at(rng, data)
    piece = data[k : k + rng.choice((1, 4, 12, 100))]
    return data[:k] + piece * rng.choice((2, 3, 50)) + data[k:]


def _insert_token(rng, data, _):
    k = _at(rng, data)
    return data[:k] + rng.choice(_TOKENS) + data[k + rng.choice((0, 0, 1, 4)) :]


def _splice(rng, data, others):
    if not others:
        return _flip_bit(rng, data, others)
    other = rng.choice(others)
    return data[: _at(rng, data)] + other[_at(rng, other) :]


_CHANGES = (_set_byte, _set_byte, _flip_bit, _flip_bit, _set_integer, _set_integer, _cut_end, _remove, _repeat,
            _insert_token, _splice)  # fmt: skip

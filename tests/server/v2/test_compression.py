"""Compressed requests, and answers compressed for who wants them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from tests.server.application import Client
from tests.server.v2.asking import iris, outputs, refused, request

GOOD, _ = request(iris())
PATH = "/v2/models/random_forest/infer"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP"])
@pytest.mark.parametrize("form", ["flat", "binary"])
def test_a_compressed_request(client: Client, encoding: str, form: str) -> None:
    """The length header counts the JSON as it was before."""
    body, headers = request(iris(form))
    pack = gzip.compress if encoding.lower() == "gzip" else zlib.compress
    headers["Content-Encoding"] = encoding
    assert len(outputs(client.post(PATH, content=pack(body), headers=headers))["label"]) == 3


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("br", GOOD, "expected Content-Encoding gzip or deflate"),
        ("gzip, gzip", gzip.compress(GOOD), "expected Content-Encoding"),
        ("gzip", GOOD, "is not gzip"),
        ("gzip", zlib.compress(GOOD), "is not gzip"),
        ("deflate", gzip.compress(GOOD), "is not deflate"),
        ("gzip", b"", "not one whole gzip stream"),
        ("gzip", gzip.compress(GOOD)[:-1], "not one whole"),
        ("gzip", gzip.compress(GOOD) + b"x", "not one whole"),
        ("gzip", gzip.compress(GOOD) + gzip.compress(b" "), "not one whole"),
    ],
)
def test_what_is_not_compressed_as_it_says(client: Client, encoding: str, body: bytes, words: str) -> None:
    """Refused in words."""
    refused(client.post(PATH, content=body, headers={"Content-Encoding": encoding}), words)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(
    connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """A small body that grows without end is refused when it is one byte over the cap, and no later."""
    cap, grown = 100_000, []
    client = connect(max_body_bytes=cap)
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    headers = {"Content-Encoding": encoding}
    assert client.post(PATH, content=pack(GOOD.ljust(cap)), headers=headers).status_code == 200
    refused(client.post(PATH, content=pack(GOOD.ljust(cap + 1)), headers=headers), f"at most {cap} bytes")

    class Watched:
        """A decompressor that says what it was let to make."""

        def __init__(self, bits: int) -> None:
            self._real = real(bits)

        def decompress(self, data: bytes, *limit: int) -> bytes:
            grown.append(made := self._real.decompress(data, *limit))
            return made

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    bomb = pack(bytes(50_000_000))
    assert len(bomb) < cap
    refused(client.post(PATH, content=bomb, headers=headers), f"at most {cap} bytes")
    assert [len(made) for made in grown] == [cap + 1]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        *[(other, None) for other in ("gzip, deflate", "gzip, deflate, br", "identity", "*", "br", "")],
    ],
)
@pytest.mark.parametrize("form", ["flat", "binary"])
def test_an_answer_is_compressed_when_that_is_asked_for(
    client: Client, accepted: str, packed: str | None, form: str
) -> None:
    """By one name alone: the list that a library sends by itself is no wish. Lengths are from before."""
    body, headers = request(iris(form), parameters={"binary_data_output": form == "binary"})
    response = client.post(PATH, content=body, headers={**headers, "Accept-Encoding": accepted})
    assert response.headers.get("content-encoding") == packed
    assert len(outputs(response)["label"]) == 3

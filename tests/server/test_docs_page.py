"""The page behind ``GET /docs``: whole in itself, and careful with what the server sends."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import server

PAGE = (Path(server.__file__).parent / "docs.html").read_text("utf-8")
VOID = {"meta", "input", "br", "link"}


class Elements(HTMLParser):
    """Collects start tags, and notices tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep the element."""
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must end what was begun last."""
        assert self.open.pop() == tag


@pytest.fixture
def elements() -> list[tuple[str, dict[str, str | None]]]:
    """Every element of the page as it is sent."""
    parser = Elements()
    parser.feed(PAGE)
    parser.close()
    assert parser.open == []
    return parser.found


def test_nothing_comes_from_another_host() -> None:
    """The page works without internet, under the policy default-src 'self' 'unsafe-inline'; img-src data:."""
    assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]|@import|url\(|\bimport\b|\beval\b", PAGE)


def test_links_stay_on_the_page_or_the_server(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    """No script, style or image is fetched, and every link within the page has its place."""
    places = {attributes.get("id") for _, attributes in elements}
    for tag, attributes in elements:
        assert not {"src", "srcset", "action", "data"} & attributes.keys(), tag
        assert tag not in ("img", "iframe", "object", "base")
        target = attributes.get("href")
        if tag == "link":  # an empty icon, so that browsers do not ask for one
            assert (attributes["rel"], target) == ("icon", "data:,")
            continue
        assert target is None or target == "/openapi.json" or target.removeprefix("#") in places


def test_what_the_server_sends_is_never_markup() -> None:
    """A feature or class may be called anything, also <script>."""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|javascript:", PAGE
    )


def test_the_page_asks_for_what_it_shows() -> None:
    """Model, form and endpoints come from the running server, so they are those of this generation."""
    for path in ("/health", "/models", "/openapi.json"):
        assert f'ask("{path}")' in PAGE
    for header in ("X-Model-Name", "X-Model-Version", "X-Model-Generation"):
        assert header in PAGE


def test_the_page_asks_for_probabilities_only_where_there_are_any() -> None:
    """A regression refuses to be asked; each use of the query is the chosen model's own."""
    assert PAGE.count("?probabilities=true") == 1
    assert 'details.probabilities ? "?probabilities=true" : ""' in PAGE


def test_the_page_serves_keyboard_reader_and_small_screens(
    elements: list[tuple[str, dict[str, str | None]]],
) -> None:
    """A language, a viewport, landmarks, a label for the fixed field, a live region for the answer."""
    tags = [tag for tag, _ in elements]
    assert {"header", "main", "nav", "h1", "noscript"} <= set(tags)
    assert ("html", {"lang": "en"}) in elements
    assert any(attributes.get("name") == "viewport" for _, attributes in elements)
    assert ("label", {"for": "model"}) in elements
    assert any(a.get("id") == "answer" and a.get("aria-live") == "polite" for _, a in elements)
    assert "prefers-color-scheme: dark" in PAGE


def test_every_element_that_the_script_looks_for_exists(
    elements: list[tuple[str, dict[str, str | None]]],
) -> None:
    """No part of the page is left empty because of a misspelt name."""
    places = {attributes.get("id") for _, attributes in elements}
    assert set(re.findall(r'\$\("([^"]+)"\)', PAGE)) <= places

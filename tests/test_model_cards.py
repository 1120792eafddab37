"""The model cards in ``docs/models`` are those of the registry that ships."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from bench.process import ServerProcess
from registry.__main__ import main
from registry.store import Store
from server.settings import SHIPPED_REGISTRY

CARDS = Path(__file__).parent.parent / "docs" / "models"
NAMES = Store(Path(SHIPPED_REGISTRY)).names()


def files(folder: Path) -> dict[str, str]:
    """Every file under a folder, with its text."""
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.*")}


def test_the_cards_are_fresh(tmp_path: Path) -> None:
    """After a conversion: ``mps models card --all --out docs/models``."""
    command = ["card", "--all", "--out", str(tmp_path), "--registry", str(SHIPPED_REGISTRY)]
    assert main(command) == 0
    assert files(CARDS) == files(tmp_path), "run: mps models card --all --out docs/models"


def test_every_shipped_model_answers_as_its_card_says() -> None:
    """The request of the card is pasted; the answer is the card's."""
    with ServerProcess() as server:
        for name in NAMES:
            version = Store(Path(SHIPPED_REGISTRY)).current(name)
            page = (CARDS / name / str(version) / "README.md").read_text("utf-8")
            found = re.search(r"```sh\n(curl .*?)\n```.*?```json\n(.*?)\n```", page, re.DOTALL)
            assert found
            command = shlex.split(found[1].replace("\\\n", ""))
            assert f"mps serve --model {name}@{version}\n" in page
            connection = server.connect()
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/models/{name}@{version}/predict", command[-1], headers)
            assert json.loads(connection.getresponse().read()) == json.loads(found[2])
            connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_that_is_shown_is_there(name: str) -> None:
    """And none lies there that is not shown."""
    for page in CARDS.glob(f"{name}/*/README.md"):
        shown = set(re.findall(r"!\[.*?\]\((.*?)\)", page.read_text("utf-8")))
        assert shown == {path.name for path in page.parent.glob("*.svg")}

"""Traffic in a plan: what the settings split and shadow may say, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry.store import Entry
from server.cost import Cost
from server.counters import PREDICT, series_index
from server.errors import SettingsError
from server.plan import Past, Plan, draw
from server.prediction import Ask, takes_long
from server.settings import check_override, resolve
from server.traffic import Aborted, Shadow, Traffic
from tests.server.application import serve
from tests.server.homemade import classifier, regression, shelve

SHARES = {"random_forest@1": 9_000, "xgboost@1": 1_000}
"""What most of these tests split."""


def planned(environ: dict[str, str], past: Past = Past(), **override: Any) -> Plan:  # noqa: B008  it is frozen
    """A plan by these variables (without their prefix) and overrides."""
    variables = {f"MPS_{name}": value for name, value in environ.items()}
    return draw(resolve(variables, None, override), 1, past)


def shares(traffic: Traffic) -> dict[str, int]:
    """Slots by model, in the order in which they lie."""
    return {variant.model: variant.slots for variant in traffic.split}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Models of one interface, ``words`` and ``more``, and others that differ from it in one thing each."""
    entries = [classifier("words"), classifier("more"), regression("amount"), classifier("wholes", (0, 1))]
    entries += [classifier("unsure", probabilities=False), inches(classifier("inches"))]
    return shelve(tmp_path_factory.mktemp("registry"), *entries)


def inches(entry: Entry) -> Entry:
    """The entry with another unit for its first feature."""
    card = entry.manifest.card
    first, *others = card.signature.features
    features = (msgspec.structs.replace(first, unit="inch"), *others)
    card = msgspec.structs.replace(card, signature=msgspec.structs.replace(card.signature, features=features))
    return msgspec.structs.replace(entry, manifest=msgspec.structs.replace(entry.manifest, card=card))


@pytest.mark.parametrize("text", ["random_forest=90,xgboost=10", " xgboost = 10.00 , random_forest=9e1,"])
def test_the_environment_deals_out(text: str) -> None:
    """Model and percent, in any order; spaces and a last comma do no harm."""
    traffic = planned({"SPLIT": text, "MODEL_TYPE": "random_forest"}).traffic
    assert list(shares(traffic).items()) == [("xgboost@1", 1_000), ("random_forest@1", 9_000)]
    assert [variant.percent for variant in traffic.split] == [10, 90]


@pytest.mark.parametrize(
    "text",
    ["split = {random_forest = 90, xgboost = 10.0}", "[split]\nrandom_forest = 90\nxgboost = 10"],
)
def test_the_file_deals_out(tmp_path: Path, text: str) -> None:
    """A table of either spelling, with whole numbers and with points."""
    file = tmp_path / "mps.toml"
    file.write_text(text)
    resolved = resolve({"MPS_MODEL_TYPE": "random_forest"}, file, {})
    assert shares(draw(resolved, 1).traffic) == SHARES
    assert resolved.sources["split"] == "file"
    assert resolved.file == str(file)


@pytest.mark.parametrize(
    "split",
    [
        {"random_forest": 90, "xgboost": 10.0},
        {"random_forest": "90", "xgboost": "10"},
        "xgboost=10,random_forest=90",
    ],
)
def test_a_reload_deals_out(split: object) -> None:
    """A JSON object or the text of the environment, over what was set; null takes an override away."""
    check_override({"split": split, "shadow": ["heuristic"], "sticky_header": "X-User"})
    plan = planned({"SPLIT": "heuristic=100", "MODEL_TYPE": "random_forest"}, split=split)
    assert shares(plan.traffic) == SHARES
    check_override({"split": None, "shadow": None, "sticky_header": None})


def test_without_a_split_nothing_is_dealt_out() -> None:
    """That is the default; an empty variable is no split either."""
    for environ in ({}, {"SPLIT": "", "SHADOW": "", "STICKY_HEADER": ""}):
        assert planned(environ).traffic == Traffic()


WRONG_TEXTS = [
    ("random_forest=90", r"^split: expected percents that are 100 together, came 90 = 90$"),
    ("random_forest=90,xgboost=20", r"came 90 \+ 20 = 110$"),
    (",", r"^split: expected percents that are 100 together, came nothing = 0$"),
    ("random_forest=nan,xgboost=10", r"^environment: MPS_SPLIT: Expected `float` >= 0.0.*'nan'"),
    ("random_forest=110,xgboost=-10", r"^environment: MPS_SPLIT: Expected `float` <= 100.0.*'110'"),
    ("random_forest=90,xgboost=ten", r"^environment: MPS_SPLIT: Expected `float`, got `str`.*'ten'"),
    (
        "random_forest=90,xgboost",
        r"^environment: MPS_SPLIT: expected model=percent,.*came: 'random_forest=90,xgb",
    ),
    (
        "xgboost=90,xgboost=10",
        r"^environment: MPS_SPLIT: .*each model once \(came: 'xgboost=90,xgboost=10'\)$",
    ),
    ("xgboost=90,xgboost@1=10", r"^split: xgboost and xgboost@1 are both xgboost@1$"),
    ("heuristic@1=90,heuristic=10", r"^split: heuristic and heuristic@1 are both heuristic@1$"),
    (
        "xgboost=90,nobody=10",
        r"^split: no model 'nobody' in the registry; there are: decision_tree, heuristic,",
    ),
    ("xgboost=90,xgboost@7=10", r"^split: no version 7 of model 'xgboost'; there are: 1$"),
    ("xgboost=90,=10", r"^split: '' is not a model name"),
    ("xgboost=99.995,random_forest=0.005", r"^split: xgboost: expected at most two decimals, came 99\.995$"),
]


@pytest.mark.parametrize(("text", "words"), WRONG_TEXTS)
def test_a_split_that_is_none_is_refused(text: str, words: str) -> None:
    """Where, what was expected, and what came."""
    with pytest.raises(SettingsError, match=words):
        planned({"SPLIT": text})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("split = {random_forest = nan, xgboost = 10}", r"^file: split: Expected `float` >= 0.0.*nan"),
        ("split = {random_forest = inf, xgboost = 10}", r"^file: split: Expected `float` <= 100.0.*inf"),
        ("split = {random_forest = 101, xgboost = -1}", r"^file: split: Expected `float` <= 100.0.*101"),
        ("split = {xgboost = -1, random_forest = 101}", r"^file: split: Expected `float` >= 0.0.*-1"),
        ("split = {random_forest = '90', xgboost = 10}", r"^file: split: Expected `float`, got `str`"),
        ("split = {}", r"^split: .*came nothing = 0$"),
        ("split = ['xgboost']", r"^file: split: Expected `object.*`, got `array`"),
        ("split = {xgboost = 10, xgboost = 90}", r"^file: mps.toml is not TOML"),
        ("abort_error_percent = nan", r"^file: abort_error_percent: Expected `float` >= 0.0"),
        ("abort_p99_ms = nan", r"^file: abort_p99_ms: Expected `float` > 0.0"),
        ("abort_p99_ms = 0", r"^file: abort_p99_ms: Expected `float` > 0.0"),
        ("abort_min_requests = 0", r"^file: abort_min_requests: Expected `int` >= 1"),
        ("abort_window_s = 1.5", r"^file: abort_window_s: Expected `int`"),
        ('sticky_header = "X-User\\n"', r"^file: sticky_header: Expected `str` matching"),
        ('shadow = "xgboost"\nsticky_header = 3', r"^file: sticky_header: Expected `str"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """TOML has numbers that are none, and tables of anything."""
    file = tmp_path / "mps.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        draw(resolve({}, file, {}), 1)


@pytest.mark.parametrize("name", ["X User", "X_User", "X-User:", "Benutzer-Prüfung", "x" * 65])
def test_a_sticky_header_is_a_headers_name(name: str) -> None:
    """What no request could have, or what a gateway drops, is refused."""
    with pytest.raises(SettingsError, match=r"MPS_STICKY_HEADER: Expected `str` matching regex.*\(came: "):
        planned({"STICKY_HEADER": name})
    assert planned({"STICKY_HEADER": "X-User-2"}).traffic.sticky_header == "X-User-2"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("amount", "features weight, count, colour, note; a regression, no classes$"),
        ("wholes", "features weight, count, colour, note; classes 0, 1$"),
        ("unsure", "classes no, yes, without probabilities$"),
        ("inches", "features weight, count, colour, note; classes no, yes$"),
    ],
)
def test_traffic_is_shared_by_models_of_one_signature(registry: str, other: str, words: str) -> None:
    """A client cannot know who answers it, and a copy must be one that the shadow takes."""
    own = {"REGISTRY": registry, "MODEL_TYPE": "words"}
    assert shares(planned({**own, "SPLIT": "words=90,more=10", "SHADOW": "more"}).traffic)
    for setting, value in (
        ("split", f"words=90,{other}=10"),
        ("split", f"{other}=100"),
        ("shadow", f"more,{other}"),
    ):
        told = rf"^{setting}: {other}@1 has another signature than words@1, which /predict .*: .*{words}"
        with pytest.raises(SettingsError, match=told):
            planned({**own, setting.upper(): value})


def test_a_champion_that_is_not_named_gets_the_rest() -> None:
    """Nothing, as the others have everything; it is there to take over their shares."""
    traffic = planned({"SPLIT": "random_forest=90,xgboost=10"}).traffic
    assert list(shares(traffic).items()) == [*SHARES.items(), ("heuristic@1", 0)]
    assert [variant.name for variant in traffic.split] == ["random_forest", "xgboost", "heuristic"]


def test_a_variant_is_called_as_the_setting_calls_it() -> None:
    """With its version or without; the champion, too, and it is the last in any case."""
    traffic = planned({"SPLIT": "heuristic@1=50,xgboost=30,decision_tree@1=20"}).traffic
    names = [(variant.name, variant.model) for variant in traffic.split]
    assert names == [
        ("decision_tree@1", "decision_tree@1"),
        ("xgboost", "xgboost@1"),
        ("heuristic@1", "heuristic@1"),
    ]


def aborted(*models: str) -> Past:
    """What is remembered of variants that were over a limit."""
    return Past(aborted=tuple(Aborted(model, "too slow", "2026-01-01T00:00:00+00:00") for model in models))


def test_the_share_of_an_aborted_variant_goes_to_the_champion() -> None:
    """It stays in the split with nothing, whatever it is called there; the others keep what they have."""
    for name in ("xgboost", "xgboost@1"):
        environ = {"SPLIT": f"random_forest=60,{name}=30,heuristic=10"}
        traffic = planned(environ, aborted("xgboost@1")).traffic
        assert shares(traffic) == {"random_forest@1": 6_000, "xgboost@1": 0, "heuristic@1": 4_000}
        assert [each.model for each in traffic.aborted] == ["xgboost@1"]


def test_the_champion_is_never_taken_out() -> None:
    """Somebody has to answer, also when everybody was over a limit; other versions were not."""
    split = {"SPLIT": "random_forest=60,xgboost=40"}
    everybody = aborted("xgboost@1", "random_forest@1", "heuristic@1")
    assert planned(split, everybody).traffic.split[-1].slots == 10_000
    promoted = planned({**split, "MODEL_TYPE": "xgboost"}, everybody).traffic
    assert shares(promoted) == {"random_forest@1": 0, "xgboost@1": 10_000}
    assert shares(planned(split, aborted("xgboost@2")).traffic)["xgboost@1"] == 4_000


def test_what_meets_requests_is_loaded() -> None:
    """Split and shadow need not be named by the setting models as well."""
    settings = {"models": "heuristic", "split": "heuristic=90,xgboost=10", "shadow": "decision_tree"}
    generation = serve(**settings).generation
    assert set(generation.lanes) == {
        name + version for name in ("heuristic", "xgboost", "decision_tree") for version in ("", "@1")
    }
    assert [lane.model.manifest.name for lane in generation.variants] == ["xgboost", "heuristic"]
    assert [ghost.model for ghost in generation.ghosts] == [generation.lanes["decision_tree"].model]


def test_a_shadow_is_there_once() -> None:
    """By name and by version it is the same, and it would meet each request twice."""
    plan = planned({"SHADOW": "xgboost, xgboost@1,heuristic,"})
    assert [shadow.model for shadow in plan.traffic.shadows] == ["xgboost@1", "heuristic@1"]


def test_an_unknown_shadow_is_refused() -> None:
    """By the name of the setting."""
    with pytest.raises(SettingsError, match=r"^shadow: no model 'nobody' in the registry"):
        planned({"SHADOW": "xgboost,nobody"})


def test_what_is_seen_as_a_variant_is_counted_apart() -> None:
    """Alone, in a split and as a shadow a model has three series; they stay in every later plan."""
    first = planned({"SPLIT": "xgboost=10,heuristic@1=90", "SHADOW": "xgboost,xgboost@1"})
    variant, shadow = first.traffic.split[0], first.traffic.shadows[0]
    alone = next(model.series for model in first.models if model.reference == "xgboost@1")
    assert len({variant.series, shadow.series, alone}) == 3
    assert variant.series == series_index(first.series, "xgboost@1:split")
    later = planned(
        {"SPLIT": "decision_tree=50,xgboost=50", "SHADOW": "random_forest,xgboost"}, Past(first.series)
    )
    assert later.traffic.split[1].series == variant.series
    assert later.traffic.shadows[1] == Shadow("xgboost@1", shadow.series)
    assert later.series[: len(first.series)] == first.series
    assert len(set(later.series)) == len(later.series)


@pytest.mark.parametrize("name", ["heuristic", "xgboost"])
def test_a_slow_variant_is_left_to_a_thread(name: str) -> None:
    """Nobody knows yet who will answer: an event loop must not wait for the slowest of them."""
    serving = serve(split="heuristic=90,xgboost=10")
    ask = Ask(None, None, "", b"{}", None, "id", 0, 0, dict[str, str]().get)
    assert not takes_long(serving, ask, PREDICT)
    model = serving.generation.lanes[name].model
    model.cost = Cost(5e6, model.cost.byte_ns, model.cost.slice_rows)
    assert takes_long(serving, ask, PREDICT)
    assert not takes_long(serving, msgspec.structs.replace(ask, model="random_forest"), PREDICT)

"""Dealing out: exact shares by turns, the same variant for the same key, and little movement."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import InvalidValues, SettingsError
from server.split import MAX_KEY, Split, Turns, Variable, cgi_name
from server.traffic import SLOTS, Traffic, Variant, dealt, slots

CHAMPION = "champion@3"
KEYS = [f"user-{number}" for number in range(20_000)]
Answers = list[str]
"""Who answers, by name: one after another."""


def traffic(percents: Mapping[str, float], header: str | None = None, champion: str = CHAMPION) -> Traffic:
    """A split as a plan has it: the champion's percents are what the others leave."""
    references = {name: name if "@" in name else f"{name}@1" for name in percents}
    name = champion.partition("@")[0]
    wanted = slots({**percents, name: 100 - sum(percents.values())})
    shares = dealt(wanted, {**references, name: champion}, champion, frozenset())
    variants = (Variant(name, model, count, 1) for model, (name, count) in shares.items())
    return Traffic(tuple(variants), header)


def nobody(_: str) -> None:
    """A request without any header."""


def having(key: str, header: str = "X-User") -> Variable:
    """A request with one header."""
    return {cgi_name(header): key}.get


def answers(traffic: Traffic, requests: Iterable[Variable], split: Split | None = None) -> Answers:
    """Who answers these requests."""
    split = split or Split(traffic, Turns())
    return [traffic.split[split.choose(request).at].name for request in requests]


def meeting(traffic: Traffic, name: str) -> set[str]:
    """Which of the keys meet this variant."""
    dealt = answers(traffic, map(having, KEYS))
    return {key for key, answered in zip(KEYS, dealt, strict=True) if answered == name}


@st.composite
def shares(draw: st.DrawFn) -> dict[str, float]:
    """Percents with two decimals, 100 together."""
    cuts = draw(st.lists(st.integers(0, SLOTS), min_size=1, max_size=5))
    ends = [0, *sorted(cuts), SLOTS]
    return {f"m{n}": (two - one) / 100 for n, (one, two) in enumerate(pairwise(ends))}


def dealt_by_turns(percents: Mapping[str, float], every: int) -> Counter[str]:
    """How many each gets of ``SLOTS`` requests: of all, of every second, of every third."""
    *others, (champion, _) = percents.items()
    found = traffic(dict(others), champion=f"{champion}@1")
    return Counter(answers(found, [nobody] * (SLOTS * every))[::every])


@given(shares())
def test_percents_are_slots(percents: dict[str, float]) -> None:
    """Whatever two decimals a setting has, it gets them exactly, although floats do not hold them."""
    assert slots(percents) == {
        name: int(f"{percent:.2f}".replace(".", "")) for name, percent in percents.items()
    }


@given(shares())
@settings(max_examples=30)
def test_turns_are_exact(percents: dict[str, float]) -> None:
    """In ``SLOTS`` requests without a key each variant gets its slots, wherever the worker began."""
    expected = {name: count for name, count in slots(percents).items() if count}
    assert dealt_by_turns(percents, every=1) == expected


@given(shares())
@settings(max_examples=15)
def test_every_other_request_is_dealt_out_alike(percents: dict[str, float]) -> None:
    """A client that has every second or third turn meets the variants as often as everybody else."""
    wanted = slots(percents)
    second, third = (dealt_by_turns(percents, every) for every in (2, 3))
    for name, count in wanted.items():
        assert abs(second[name] - count) <= 1, name
        assert third[name] == count, name


@pytest.mark.parametrize("every", [1, 2, 3])
def test_turns_are_spread_out(every: int) -> None:
    """Nobody gets its requests in a row: a tenth of the slots is a tenth of any hundred, but for two."""
    found = traffic({"challenger": 10})
    dealt = answers(found, [nobody] * (SLOTS * every))[::every]
    for start in range(SLOTS - 100):
        assert 8 <= dealt[start : start + 100].count("challenger") <= 12


def test_workers_begin_at_different_turns() -> None:
    """Their first requests do not all meet the same variant."""
    found = traffic({"challenger": 50})
    first = Counter(answers(found, [nobody])[0] for _ in range(200))
    assert min(first["challenger"], first["champion"]) > 40


def test_a_switch_does_not_begin_anew() -> None:
    """The turns go on from one generation to the next: switching often changes nobody's share."""
    found, turns = traffic({"challenger": 10}), Turns()
    dealt = [name for _ in range(SLOTS // 8) for name in answers(found, [nobody] * 8, Split(found, turns))]
    assert Counter(dealt) == {"champion": 9_000, "challenger": 1_000}


def test_threads_share_the_turns() -> None:
    """No two requests have the same turn."""
    found = traffic({"challenger": 12.34})
    split, dealt = Split(found, Turns()), list[str]()

    def work() -> None:
        dealt.extend(answers(found, [nobody] * (SLOTS // 4), split))

    threads = [threading.Thread(target=work) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert Counter(dealt) == {"champion": 8_766, "challenger": 1_234}


header_text = st.text(
    st.characters(max_codepoint=255) | st.sampled_from("\udc80\udcff"), min_size=1, max_size=50
)
"""What a header may hold, also bytes that are no text."""


@given(st.lists(header_text, min_size=1, max_size=20))
def test_a_key_stays_with_its_variant(keys: list[str]) -> None:
    """On every worker, whoever else asks meanwhile, and in whatever order."""
    found = traffic({"challenger": 30, "other": 20}, "X-User")
    one, two = Split(found, Turns()), Split(found, Turns())
    first = answers(found, map(having, keys), one)
    mixed = [request for key in keys for request in (nobody, having(key))]
    assert answers(found, mixed, two)[1::2] == first
    assert answers(found, map(having, reversed(keys)), one) == first[::-1]


def test_a_key_stays_for_ever() -> None:
    """Another release of the server must not move the users of a running experiment."""
    found = traffic({"challenger": 50}, "X-User")
    dealt = answers(found, map(having, KEYS[:40]))
    assert [number for number, name in enumerate(dealt) if name == "challenger"] == [
        0,
        5,
        8,
        10,
        14,
        15,
        17,
        18,
        19,
        20,
        24,
        30,
    ]


@pytest.mark.parametrize("percents", [{"one": 50}, {"one": 1}, {"one": 33.33, "two": 33.33}, {"one": 99.5}])
def test_keys_are_shared_out_by_weight(percents: dict[str, float]) -> None:
    """Of many keys each variant has its share, within five standard deviations."""
    found = traffic(percents, "X-User")
    dealt = Counter(answers(found, map(having, KEYS)))
    for variant in found.split:
        share = variant.slots / SLOTS
        deviation = (len(KEYS) * share * (1 - share)) ** 0.5
        assert abs(dealt[variant.name] - len(KEYS) * share) < 5 * deviation, variant


def test_a_growing_challenger_takes_keys_from_the_champion_only() -> None:
    """From 1 to 10 to 50 %: whoever met it meets it still, and nobody moves the other way."""
    met: set[str] = set()
    for percent in (1, 10, 50, 99.99, 100):
        found = traffic({"challenger": percent}, "X-User")
        now = meeting(found, "challenger")
        assert met < now
        met = now
    assert met == set(KEYS)


def test_another_experiment_meets_other_keys() -> None:
    """It is not always the same tenth of the users that meets what is new."""
    one, two = (meeting(traffic({name: 10}, "X-User"), name) for name in ("xgboost", "forest"))
    assert 0.05 < len(one & two) / len(one) < 0.15


def test_another_version_meets_the_same_keys() -> None:
    """It is the same experiment, also after the champion's next version."""
    one = traffic({"xgboost@1": 10}, "X-User")
    two = traffic({"xgboost@2": 10}, "X-User", "champion@4")
    chosen = [[Split(found, Turns()).choose(having(key)).at for key in KEYS[:500]] for found in (one, two)]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("request_", [nobody, having(""), having("me", "X-Other")])
def test_without_a_key_it_goes_by_turns(request_: Variable) -> None:
    """An absent header and an empty one alike, and each such request is told apart."""
    found = traffic({"challenger": 10}, "X-User")
    split = Split(found, Turns())
    chosen = [split.choose(request_) for _ in range(SLOTS)]
    assert all(each.keyless for each in chosen)
    assert Counter(each.at for each in chosen) == {0: 1_000, 1: 9_000}
    assert not split.choose(having("me")).keyless


def test_without_a_sticky_header_nothing_is_keyless() -> None:
    """What is not asked for is not missed, and a header of that name means nothing."""
    found = traffic({"challenger": 50})
    split = Split(found, Turns())
    chosen = [split.choose(having("me")) for _ in range(100)]
    assert not any(each.keyless for each in chosen)
    assert {each.at for each in chosen} == {0, 1}


def test_keys_do_not_take_turns() -> None:
    """Whoever has a key leaves the shares of those without as they are."""
    found = traffic({"challenger": 10}, "X-User")
    mixed = [request for key in KEYS[:SLOTS] for request in (having(key), nobody)]
    assert Counter(answers(found, mixed)[1::2]) == {"champion": 9_000, "challenger": 1_000}


def test_a_key_may_be_so_long() -> None:
    """The longest is taken; one more character is refused in the header's name, with both numbers."""
    split = Split(traffic({"challenger": 10}, "X-User-Id"), Turns())
    split.choose(having("k" * MAX_KEY, "X-User-Id"))
    with pytest.raises(InvalidValues) as refusal:
        split.choose(having("k" * (MAX_KEY + 1), "X-User-Id"))
    (fault,) = refusal.value.faults
    assert fault == ("X-User-Id", "expected at most 1024 characters, came 1025")


def test_a_variant_of_no_slots_is_never_met() -> None:
    """Neither by turns nor by a key, at either end of the slots."""
    for percents in ({"a": 0, "b": 50}, {"a": 100}, {"a": 50, "z": 0}):
        found = traffic(percents, "X-User")
        dealt = answers(found, [nobody] * SLOTS) + answers(found, map(having, KEYS))
        assert set(dealt) == {variant.name for variant in found.split if variant.slots}


@pytest.mark.parametrize(
    ("percents", "words"),
    [
        ({"a": 90.0}, r"split: expected percents that are 100 together, came 90 = 90$"),
        ({"a": 90.0, "b": 11.0}, r"came 90 \+ 11 = 101$"),
        ({}, r"came nothing = 0$"),
        ({"a": float("nan"), "b": 10.0}, r"came nan \+ 10 = nan$"),
        ({"a": 99.995, "b": 0.005}, r"split: a: expected at most two decimals, came 99\.995$"),
    ],
)
def test_what_is_no_split_is_refused(percents: dict[str, float], words: str) -> None:
    """With what was expected and what came."""
    with pytest.raises(SettingsError, match=words):
        slots(percents)

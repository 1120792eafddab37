"""Rows on which a careless conversion would answer otherwise than the trained model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convert.coding import Coding, Matrix
from convert.proving.splits import Split
from registry.manifest import Signature

SEED = 0
RANDOM_ROWS = 100_000
REGIONS_PER_RANDOM_ROW = 5
"""How many more regions than random rows are still tried one by one."""
THRESHOLD_ROWS = 200_000
"""About how many rows are spent on thresholds; fewer base rows when there are many splits."""
MAX_SPLITS = 40_000
"""Of larger ensembles as many are tried, drawn at random: else the trained model would be asked for hours."""
MAX_BASES = 32
ANCHORS = 64
NEAR_TIE = 1e-3
MAX_TIES = 1_000
UNBOUNDED = 1e30
"""Stands for no bound: far outside any measurement, far inside float32."""
TINY = (1e-40, 1e-310)
"""Below the normal numbers of float32 and of float64."""


@dataclass(frozen=True)
class Ground:
    """What the adversary knows: the allowed range, the box around real rows, and some rows inside it."""

    allowed: tuple[Matrix, Matrix]
    """Smallest and largest allowed values, each ``(features,)``; infinite where there is no bound."""
    box: tuple[Matrix, Matrix]
    anchors: Matrix
    """``(n, features)``"""
    missing: tuple[int, ...]
    """Numbers of the features that may be missing."""
    strings: tuple[int, ...] = ()
    """Numbers of the features of strings, which are told by whole numbers (``convert.coding``)."""

    def clip(self, rows: Matrix) -> Matrix:
        """Move every value to the nearest allowed one."""
        clipped: Matrix = np.clip(rows, *self.allowed)
        clipped[:, self.strings] = np.floor(clipped[:, self.strings])
        return clipped


def allowed(signature: Signature, coding: Coding) -> tuple[Matrix, Matrix]:
    """Smallest and largest value of each feature, ``(features,)`` each; infinite where there is no bound."""
    low = [-np.inf if feature.minimum is None else feature.minimum for feature in signature.features]
    high = [np.inf if feature.maximum is None else feature.maximum for feature in signature.features]
    for feature, strings in coding.vocabulary.items():
        low[feature], high[feature] = 0, len(strings) - 1
    return np.array(low, np.float64), np.array(high, np.float64)


def survey(signature: Signature, splits: Sequence[Split], data: Matrix | None, coding: Coding) -> Ground:
    """Find the box around data and thresholds: a quarter wider on each side, inside the allowed range."""
    features = signature.features
    low, high = allowed(signature, coding)
    known = [[value for feature, value in splits if feature == number] for number in range(len(features))]
    for number, feature in enumerate(features):
        known[number] += [feature.example] if isinstance(feature.example, float) else []
        known[number] += [] if data is None else data[~np.isnan(data[:, number]), number].tolist()
        bounds = [bound for bound in (feature.minimum, feature.maximum) if bound is not None]
        known[number] = known[number] or bounds or [0.0]
    least, most = np.array([min(values) for values in known]), np.array([max(values) for values in known])
    margin = np.where(most > least, (most - least) / 4, 1.0)
    box = np.clip(least - margin, low, high), np.clip(most + margin, low, high)
    strings = tuple(sorted(coding.vocabulary))
    for (
        number
    ) in strings:  # up to but not including the next whole number: rounded down, each string as often
        box[0][number], box[1][number] = 0.0, np.nextafter(high[number] + 1, 0)
    anchors = np.random.default_rng(SEED).uniform(*box, (ANCHORS, len(features))) if data is None else data
    missing = tuple(number for number, feature in enumerate(features) if feature.may_be_missing)
    ground = Ground((low, high), box, anchors, missing, strings)
    return replace(ground, anchors=ground.clip(anchors))


def attack(ground: Ground, splits: Sequence[Split], random_rows: int = RANDOM_ROWS) -> dict[str, Matrix]:
    """Kinds of rows, each ``(n, features) float64``; kinds without rows are left out."""
    rows = {
        "thresholds": _thresholds(ground, splits),
        "regions": _regions(ground, splits, REGIONS_PER_RANDOM_ROW * random_rows),
        "random": _random(ground, random_rows),
        "extremes": _extremes(ground),
        "missing": _missing(ground),
        "infinite": _infinite(ground),
    }
    return {kind: found for kind, found in rows.items() if len(found)}


def ties(rows: Matrix, probabilities: Matrix) -> Matrix:
    """Those of ``rows`` whose two largest probabilities are equal or nearly so, the closest first."""
    if probabilities.shape[1] < 2:
        return rows[:0]
    largest = np.sort(probabilities, axis=1)
    gap = largest[:, -1] - largest[:, -2]
    closest = np.argsort(gap, kind="stable")[:MAX_TIES]
    return rows[closest[gap[closest] <= NEAR_TIE]]


def _thresholds(ground: Ground, splits: Sequence[Split]) -> Matrix:
    """Each threshold and neighbours in float64 and float32, on base rows that vary from split to split."""
    if len(splits) > MAX_SPLITS:
        drawn = np.random.default_rng(SEED).choice(len(splits), MAX_SPLITS, replace=False)
        splits = [splits[number] for number in np.sort(drawn)]
    groups = [(feature, value) for feature, threshold in splits for value in _beside(threshold)]
    bases = max(1, min(MAX_BASES, THRESHOLD_ROWS // max(1, len(groups))))
    features = np.repeat([feature for feature, _ in groups], bases).astype(np.int64)
    values = np.repeat([value for _, value in groups], bases)
    order = np.random.default_rng(SEED).permutation(len(ground.anchors))
    rows = ground.anchors[order[np.arange(len(features)) % len(order)]]
    rows[np.arange(len(rows)), features] = values
    return ground.clip(rows)


def _beside(threshold: float) -> list[float]:
    single = np.float32(threshold)
    near = {threshold, float(single)}
    for direction in (-np.inf, np.inf):
        near.add(float(np.nextafter(threshold, direction)))
        near.add(float(np.nextafter(single, np.float32(direction))))
    return sorted(near)


def _regions(ground: Ground, splits: Sequence[Split], limit: int) -> Matrix:
    """One row in every region that the thresholds cut the space into; none when that is more than ``limit``.

    A tree answers the same everywhere in a region, so where this kind is complete it proves every input.
    """
    axes = []
    for feature, (low, high) in enumerate(zip(*ground.box, strict=True)):
        inside = [value for number, value in splits if number == feature and low < value < high]
        edges = np.unique([low, *inside, high])
        axes.append((edges[:-1] + edges[1:]) / 2 if len(edges) > 1 else edges)
    for number in ground.strings:
        axes[number] = np.arange(ground.allowed[1][number] + 1)
    if not splits or math.prod(len(axis) for axis in axes) > limit:
        return np.empty((0, len(axes)))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def _random(ground: Ground, count: int) -> Matrix:
    """Half with every bit random, half with two decimals, as people measure."""
    rows = np.random.default_rng(SEED).uniform(*ground.box, (count, len(ground.box[0])))
    rows[count // 2 :] = rows[count // 2 :].round(2)
    return ground.clip(rows)


def _extremes(ground: Ground) -> Matrix:
    """Bounds, both zeros and the next to nothing, in one feature at a time and in all together."""
    low = np.where(np.isinf(ground.allowed[0]), -UNBOUNDED, ground.allowed[0])
    high = np.where(np.isinf(ground.allowed[1]), UNBOUNDED, ground.allowed[1])
    middle = ground.anchors[len(ground.anchors) // 2]
    everywhere = [low, high] + [np.full_like(low, value) for value in (0.0, -0.0, *TINY)]
    rows = list(everywhere)
    for feature in range(len(low)):
        for extreme in everywhere:
            row = middle.copy()
            row[feature] = extreme[feature]
            rows.append(row)
    clipped = ground.clip(np.array(rows))
    return np.where(clipped == rows, rows, clipped)  # clipping at 0 would turn -0.0 into 0.0


def _missing(ground: Ground) -> Matrix:
    """Each feature that may be missing, alone and together with the others, on the base rows."""
    bases = ground.anchors[:MAX_BASES]
    sets = [[feature] for feature in ground.missing] + [list(ground.missing)]
    rows = np.repeat(bases, len(sets), axis=0)
    for number, row in enumerate(rows):
        row[sets[number % len(sets)]] = np.nan
    return rows if ground.missing else rows[:0]


def _infinite(ground: Ground) -> Matrix:
    """Infinity of either sign, in each feature without a bound there."""
    middle = ground.anchors[len(ground.anchors) // 2]
    rows = []
    for bound in ground.allowed:
        for feature in np.flatnonzero(np.isinf(bound)):
            row = middle.copy()
            row[feature] = bound[feature]
            rows.append(row)
    return np.array(rows).reshape(-1, len(middle))

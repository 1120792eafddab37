"""The model card of a version: Markdown with pictures, of nothing but what is sealed in its entry.

So the card of a version never changes, however often it is written, and whatever is promoted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from registry import pictures
from registry.asking import question
from registry.errors import RegistryError
from registry.gates import main_metric
from registry.manifest import Feature, Manifest, label_text
from registry.markdown import code, table, words
from registry.report import sized, span, valued
from registry.store import Entry, Store

PAGE = "README.md"
"""What a folder shows by itself on the usual hosts of repositories."""
SORTS = ("accuracy", "r2")


def write_card(entry: Entry, out: Path) -> Path:
    """Write ``out/NAME/VERSION/README.md`` and its pictures; returns the page's path.

    Raises:
        RegistryError: the folder cannot be written.
    """
    manifest = entry.manifest
    folder = out / manifest.name / str(manifest.version)
    drawn = _pictures(manifest)
    files = {**drawn, PAGE: "\n".join(_page(entry, set(drawn))) + "\n"}
    _write(folder, files)
    return folder / PAGE


def write_index(store: Store, out: Path) -> Path:
    """Write ``out/README.md``, one line per version; returns its path.

    Raises:
        RegistryError: an entry is broken, or the folder cannot be written.
    """
    rows = []
    for name in store.published():
        for version in store.versions(name):
            manifest = store.manifest(name, version)
            metric = main_metric(manifest)
            quality = f"{words(metric.name)} {valued(metric)}" if metric else "not measured"
            link = f"[{words(manifest.reference)}]({name}/{version}/{PAGE})"
            rows.append((link, words(manifest.card.description), quality, sized(manifest.size_bytes)))
    command = "Written by `mps models card --all`; do not edit. Each card is of what is sealed in the entry."
    headings = ("version", "description", "quality", "model")
    _write(out, {PAGE: "\n".join(["# Model cards", "", command, "", *table(headings, rows)]) + "\n"})
    return out / PAGE


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, "utf-8", newline="\n")
    except OSError as error:
        raise RegistryError(f"{folder}: the card cannot be written: {error.strerror}") from None


def _pictures(manifest: Manifest) -> dict[str, str]:
    """File name to picture, of what there is to draw."""
    card, drawn = manifest.card, {}
    metrics = [metric for metric in card.metrics if any(sort in metric.name for sort in SORTS)]
    if card.training_data.histograms:
        drawn["features.svg"] = pictures.features(manifest.signature.features, card.training_data.histograms)
    if metrics:
        drawn["quality.svg"] = pictures.quality(metrics)
    if manifest.parity.kinds:
        drawn["parity.svg"] = pictures.parity(manifest.parity)
    return drawn


def _page(entry: Entry, drawn: set[str]) -> Iterator[str]:
    manifest = entry.manifest
    yield f"# Model card: {words(manifest.reference)}"
    yield from ("", words(manifest.card.description), "")
    yield f"Written by `mps models card {manifest.reference}`; do not edit."
    if manifest.parity.inexact:
        yield from ("", f"**Not exact:** {words(manifest.parity.inexact)}")
    for title, picture, content in (
        ("What goes in and what comes out", "", _interface(manifest)),
        ("Training data", "features.svg", _training(manifest)),
        ("Quality", "quality.svg", _quality(manifest)),
        ("Proof that it answers as the trained model", "parity.svg", _proof(manifest)),
        ("Gates, when it was published", "", _gates(manifest)),
        ("Cost", "", _cost(manifest)),
        ("Made with", "", _made(manifest)),
        ("How to ask it", "", question(entry)),
        ("How to verify it", "", _verification(manifest)),
        ("Limits", "", _limits(manifest)),
    ):
        yield from ("", f"## {title}", "")
        if picture in drawn:
            yield from (f"![{title}]({picture})", "")
        yield from content


def _interface(manifest: Manifest) -> Iterator[str]:
    signature = manifest.signature
    headings = ("feature", "type", "unit", "what is answered", "missing", "description")
    yield from table(headings, [_feature(feature) for feature in signature.features])
    yield ""
    if not signature.classes:
        yield "A regression: the answer is one number."
        return
    labels = ", ".join(code(label_text(label)) for label in signature.classes)
    sure = (
        "with probabilities where they are asked for" if signature.probabilities else "without probabilities"
    )
    yield f"A classification: the answer is one of {labels}, {sure}."


def _feature(feature: Feature) -> tuple[str, ...]:
    missing = "may be `null`" if feature.may_be_missing else "no"
    taken = words(span(feature))
    return words(feature.name), feature.dtype, words(feature.unit), taken, missing, words(feature.description)


def _training(manifest: Manifest) -> Iterator[str]:
    data = manifest.card.training_data
    if not data.sha256:
        yield "The registry was not told."
        return
    yield f"{words(data.name)}: {data.rows:,} rows. sha256 of rows and answers: `{words(data.sha256)}`"
    if len(data.histograms) > pictures.MAX_PANELS:
        yield f"The picture has the first {pictures.MAX_PANELS} of {len(data.histograms)} features."


def _quality(manifest: Manifest) -> Iterator[str]:
    metrics = manifest.card.metrics
    if not metrics:
        yield "None was measured."
        return
    rows = [(words(metric.name), valued(metric), words(metric.method)) for metric in metrics]
    yield from table(("metric", "value (95 % interval)", "how it was got"), rows)


def _proof(manifest: Manifest) -> Iterator[str]:
    parity = manifest.parity
    yield f"Held against {words(parity.oracle)}. Allowed: {parity.bound.words}."
    yield ""
    headings = ("kind of rows", "rows", "other labels", "max ulp", "max error", "within margin", "left out")
    rows = [
        (
            words(kind.kind),
            f"{kind.rows:,}",
            f"{kind.label_mismatches:,}",
            f"{kind.max_ulp:g}",
            f"{kind.max_abs_error:.2g}",
            f"{kind.within_margin:,}",
            f"{kind.refused:,}",
        )
        for kind in parity.kinds
    ]
    yield from table(headings, rows)
    changed = (
        f"{parity.rows_changed:,} with other bits, inside the bound" if parity.rows_changed else "same bits"
    )
    yield from ("", f"{parity.rows_alone:,} rows were asked alone and at other places of a batch: {changed}.")


def _gates(manifest: Manifest) -> Iterator[str]:
    verdict = manifest.verdict
    if verdict is None:
        yield "They were not asked."
        return
    champion = (
        f"Against the champion {words(verdict.champion)}." if verdict.champion else "There was no champion."
    )
    yield from (champion, "")
    rows = [
        (gate.name, "passed" if gate.passed else "**failed**", words(gate.found), words(gate.allowed))
        for gate in verdict.gates
    ]
    yield from table(("gate", "verdict", "found", "allowed"), rows)


def _cost(manifest: Manifest) -> Iterator[str]:
    measured = manifest.measured
    rows = [
        ("one row in process, p50", f"{measured.latency_p50_us:.1f} µs"),
        ("one row in process, p99", f"{measured.latency_p99_us:.1f} µs"),
        ("budget of a served row, p99", f"{manifest.card.budget_ms:g} ms"),
        ("memory of one more session", sized(measured.memory_bytes)),
        ("size of `model.onnx`", sized(manifest.size_bytes)),
    ]
    yield from table(("what", "figure"), rows)
    yield from ("", f"Measured when it was converted, on: {words(measured.machine)}.")


def _made(manifest: Manifest) -> Iterator[str]:
    rows = [(words(name), words(version)) for name, version in sorted(manifest.versions.items())]
    rows += [
        (f"opset {words(name or 'ai.onnx')}", str(opset)) for name, opset in sorted(manifest.opsets.items())
    ]
    yield from table(("part", "version"), rows)


def _verification(manifest: Manifest) -> Iterator[str]:
    yield from ("```sh", f"mps models verify {manifest.reference}", "```", "")
    yield "checks every byte against the seal, and runs the golden rows here. By hand, in its folder:"
    yield from ("", "```sh", "sha256sum -c SHA256SUMS", "```", "")
    yield f"sha256 of `model.onnx`: `{manifest.sha256}`"


def _limits(manifest: Manifest) -> Iterator[str]:
    signature, rows = manifest.signature, manifest.card.training_data.rows
    open_ended = [
        f for f in signature.features if f.dtype != "string" and (f.minimum is None or f.maximum is None)
    ]
    learnt = f"the {rows:,} rows above" if rows else "rows that the registry was not told of"
    yield f"- It was fitted on {learnt}; what it says of other kinds of rows nobody has measured."
    yield "- An interval tells what chance does to the figure, and nothing of rows that come from elsewhere."
    if open_ended:
        names = ", ".join(words(feature.name) for feature in open_ended[:5])
        more = f" and {len(open_ended) - 5} more" if len(open_ended) > 5 else ""
        yield f"- Numbers far from the training rows are answered: no full range was set for {names}{more}."
    else:
        yield "- Values outside the ranges above are refused; rows unlike the training rows are answered."
    if signature.classes and not signature.probabilities:
        yield "- It does not say how sure it is."
    yield "- Latency and memory are those of one machine. Who or what the rows stand for, how they were"
    yield "  collected, and whether the answers are fair to everybody, no file of the registry tells."

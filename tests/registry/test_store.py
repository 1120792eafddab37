"""The registry's folder: what is published stays as it was, and what was altered is never used."""

from __future__ import annotations

import hashlib
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from registry.errors import BrokenEntry, InvalidName, PublishRefused, RegistryError, UnknownModel
from registry.manifest import Golden, Label, Manifest, Measured, WorstRow, encode
from registry.store import GOLDEN, MANIFEST, MAX_FILE_BYTES, MODEL, SEAL, SEALED, Store

Offer = tuple[Manifest, bytes, Golden]
MakeOffer = Callable[..., Offer]


def files(root: Path) -> dict[str, bytes]:
    """Every file under a folder, with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def reseal(entry: Path) -> None:
    """What somebody does who alters an entry and its seal."""
    sums = (f"{hashlib.sha256((entry / name).read_bytes()).hexdigest()}  {name}\n" for name in SEALED)
    (entry / SEAL).write_text("".join(sums))


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Within the block the system refuses to write a larger file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestPublish:
    def test_an_entry_reads_back_as_it_was_offered(self, store: Store, offer: MakeOffer) -> None:
        """Manifest, golden rows and every byte of the model, under the next free number."""
        manifest, model, golden = offer()
        assert store.publish(manifest, model, golden) == (1, True)
        entry = store.read("flowers", 1)
        assert entry.manifest == msgspec.structs.replace(manifest, version=1)
        assert (entry.model, entry.golden) == (model, golden)
        assert store.manifest("flowers", 1) == entry.manifest
        assert store.seal("flowers", 1) == entry.seal

    def test_the_seal_is_what_sha256sum_reads(self, shelf: Store) -> None:
        """``sha256sum -c SHA256SUMS`` checks an entry by hand."""
        entry = shelf.root / "flowers" / "1"
        lines = [line.split("  ") for line in (entry / SEAL).read_text().splitlines()]
        assert {name: digest for digest, name in lines} == {
            name: hashlib.sha256((entry / name).read_bytes()).hexdigest()
            for name in (MODEL, MANIFEST, GOLDEN)
        }

    def test_the_same_again_is_no_new_version(self, store: Store, offer: MakeOffer) -> None:
        """Publishing twice changes not one byte, though another machine measured other figures."""
        store.publish(*offer())
        before = files(store.root)
        other = Measured(latency_p50_us=1, latency_p99_us=2, memory_bytes=3, machine="another desk")
        assert store.publish(*offer(measured=other)) == (1, False)
        assert store.publish(*offer(version=77)) == (1, False)
        assert files(store.root) == before

    @pytest.mark.parametrize(
        "change", [{"model": b"other"}, {"versions": {"trainer": "2"}}, {"opsets": {"": 19}}]
    )
    def test_anything_else_is_a_new_version(
        self, store: Store, offer: MakeOffer, change: dict[str, Any]
    ) -> None:
        """Another model, or another way in which it was made, gets its own number; old entries stay."""
        store.publish(*offer())
        before = files(store.root)
        assert store.publish(*offer(**change)) == (2, True)
        assert before.items() <= files(store.root).items()

    def test_other_golden_rows_are_a_new_version(self, store: Store, offer: MakeOffer) -> None:
        """The same model with another proof is another entry."""
        manifest, model, golden = offer()
        store.publish(manifest, model, golden)
        fewer = Golden(**{name: getattr(golden, name)[:1] for name in golden.__struct_fields__})
        assert store.publish(manifest, model, fewer) == (2, True)

    def test_labels_of_another_type_are_a_new_version(self, store: Store, offer: MakeOffer) -> None:
        """1, 1.0 and true are equal to Python; a client sees three things. A bound of 1 is one of 1.0."""
        manifest, model, golden = offer()
        kinds: list[tuple[Label, Label]] = [(0, 1), (0.0, 1.0), (False, True)]
        for version, classes in enumerate(kinds, 1):
            signature = msgspec.structs.replace(manifest.signature, classes=classes)
            card = msgspec.structs.replace(manifest.card, signature=signature, budget_ms=10)
            offered = msgspec.structs.replace(manifest, card=card)
            rows = msgspec.structs.replace(golden, labels=classes)
            assert store.publish(offered, model, rows) == (version, True)
            assert store.publish(offered, model, rows) == (version, False)

    def test_a_broken_newest_version_is_replaced_by_a_new_one(self, store: Store, offer: MakeOffer) -> None:
        """Publishing again mends a model without touching the entry that was damaged."""
        store.publish(*offer())
        (store.root / "flowers/1" / MODEL).write_bytes(b"rot")
        assert store.publish(*offer()) == (2, True)
        assert (store.root / "flowers/1" / MODEL).read_bytes() == b"rot"

    def test_publishing_does_not_promote(self, shelf: Store, offer: MakeOffer) -> None:
        """What is served changes by promotion only."""
        assert shelf.publish(*offer(model=b"fourth")) == (4, True)
        assert shelf.current("flowers") == 2
        assert shelf.names() == ["flowers"]
        assert shelf.published() == ["flowers", "trees"]

    @pytest.mark.parametrize("name", ["..", ".x", "a/b", "/a", "n" * 200, "naïve", "a\0b", "a@1", "a@0", ""])
    def test_a_name_stays_inside_the_registry(self, store: Store, offer: MakeOffer, name: str) -> None:
        """What is no name is refused before anything is written, and is never looked up either."""
        with pytest.raises(InvalidName):
            store.publish(*offer(name))
        for look in (store.versions, store.current, store.rollback):
            with pytest.raises(InvalidName):
                look(name)
        for read in (store.seal, store.manifest, store.read):
            with pytest.raises(InvalidName):
                read(name, 1)
        assert list(store.root.parent.rglob("*")) == [store.root]

    def test_a_manifest_of_another_model_is_refused(self, store: Store, offer: MakeOffer) -> None:
        """The digest must be that of the bytes that are published."""
        manifest, _, golden = offer()
        with pytest.raises(PublishRefused, match="sha256 is not that of the model"):
            store.publish(manifest, b"another", golden)
        assert files(store.root) == {}

    def test_what_json_cannot_hold_is_refused(self, store: Store, offer: MakeOffer) -> None:
        """A NaN would be written as null, and the entry could never be read again."""
        nan = Measured(latency_p50_us=float("nan"), latency_p99_us=1, memory_bytes=1, machine="")
        with pytest.raises(PublishRefused, match=r"manifest: Expected `float`, got `null`.*latency_p50_us"):
            store.publish(*offer(measured=nan))
        manifest, model, golden = offer()
        rows = ((float("nan"), "red"), golden.inputs[1])
        with pytest.raises(PublishRefused, match="golden: it holds a number that JSON does not have"):
            store.publish(manifest, model, msgspec.structs.replace(golden, inputs=rows))
        worst = WorstRow(inputs=(1.0, "red"), expected=("yes", 0.5), served=("yes", float("inf")))
        kinds = (msgspec.structs.replace(manifest.parity.kinds[0], worst=worst),)
        with pytest.raises(PublishRefused, match=r"manifest: .*got `null`.*worst\.served"):
            store.publish(*offer(parity=msgspec.structs.replace(manifest.parity, kinds=kinds)))
        with pytest.raises(PublishRefused, match="surrogates not allowed"):
            store.publish(*offer(versions={"trainer": "\ud800"}))
        assert files(store.root) == {}

    def test_golden_rows_of_another_signature_are_refused(self, store: Store, offer: MakeOffer) -> None:
        """An entry whose proof cannot be run does not come into being."""
        manifest, model, golden = offer()
        with pytest.raises(PublishRefused, match="'perhaps' is not a class"):
            store.publish(manifest, model, msgspec.structs.replace(golden, labels=("perhaps", "no")))
        assert files(store.root) == {}

    def test_a_file_in_place_of_the_registry_is_told(self, tmp_path: Path, offer: MakeOffer) -> None:
        """A registry that cannot be written refuses with the system's reason."""
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(PublishRefused, match="cannot write to the registry: Not a directory"):
            Store(tmp_path / "file").publish(*offer())
        with pytest.raises(PublishRefused, match="cannot write to the registry"):
            Store(Path("/proc/registry")).publish(*offer())

    def test_a_failure_leaves_nothing_half_written(self, shelf: Store, offer: MakeOffer) -> None:
        """When the disk takes no more, neither a folder nor a pointer changes."""
        before = files(shelf.root)
        with (
            largest_file(5000),
            pytest.raises(PublishRefused, match="cannot write to the registry: File too"),
        ):
            shelf.publish(*offer(model=bytes(10_000)))
        with largest_file(1), pytest.raises(RegistryError, match="cannot write to the registry: File too"):
            shelf.promote("flowers@3")
        assert files(shelf.root) == before
        assert not list((shelf.root / "flowers").glob(".*"))

    def test_a_taken_folder_is_not_overwritten(self, store: Store, offer: MakeOffer) -> None:
        """Whatever has the number keeps it; the new entry takes the next."""
        taken = store.root / "flowers" / "1"
        taken.mkdir(parents=True)
        (taken / "note").write_bytes(b"mine")
        assert store.publish(*offer()) == (2, True)
        assert files(taken) == {"note": b"mine"}

    def test_what_is_no_version_does_not_count(self, shelf: Store, offer: MakeOffer) -> None:
        """Copies, notes and hidden folders beside the versions disturb nothing."""
        for stray in ("2.bak", "9_9", "notes", ".incoming-x", "0", "07"):
            (shelf.root / "flowers" / stray).mkdir()
        (shelf.root / "my model" / "1").mkdir(parents=True)
        (shelf.root / "my model" / "current").write_text("1")
        assert shelf.versions("flowers") == [1, 2, 3]
        assert shelf.names() == ["flowers"]
        assert shelf.published() == ["flowers", "trees"]
        assert shelf.publish(*offer(model=b"fourth")) == (4, True)

    def test_publishers_that_race_all_get_a_number(self, store: Store, offer: MakeOffer) -> None:
        """Of eight at once each different model gets its own version, whole, and equal ones share one."""
        offers = [offer(model=b"model %d" % (number % 4)) for number in range(8)]
        results: list[tuple[int, bool]] = []
        start = threading.Barrier(len(offers))

        def publish(one: Offer) -> None:
            start.wait()
            results.append(store.publish(*one))

        threads = [threading.Thread(target=publish, args=(one,)) for one in offers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        versions = store.versions("flowers")
        assert len(results) == len(offers)
        assert (
            sorted(version for version, new in results if new)
            == versions
            == list(range(1, len(versions) + 1))
        )
        assert {store.read("flowers", version).model for version in versions} == {one[1] for one in offers}
        assert not list((store.root / "flowers").glob(".*"))


class TestChoose:
    def test_a_reference_resolves_to_a_version_that_exists(self, shelf: Store) -> None:
        """Without a version the current one is meant."""
        assert shelf.resolve("flowers") == ("flowers", 2)
        assert shelf.resolve("flowers@3") == ("flowers", 3)
        with pytest.raises(UnknownModel, match="no version 9 of model 'flowers'; there are: 1, 2, 3"):
            shelf.resolve("flowers@9")
        with pytest.raises(UnknownModel, match="no model 'weeds' in the registry; there are: flowers"):
            shelf.resolve("weeds")
        with pytest.raises(UnknownModel, match="run: mps models promote trees@1"):
            shelf.resolve("trees")
        with pytest.raises(InvalidName):
            shelf.resolve("flowers@0")

    def test_an_empty_or_absent_registry_has_no_models(self, tmp_path: Path) -> None:
        """Looking into nothing finds nothing, and says so."""
        for root in (tmp_path, tmp_path / "absent"):
            assert Store(root).names() == Store(root).published() == []
            with pytest.raises(UnknownModel, match="there are: none"):
                Store(root).versions("flowers")

    def test_promotion_names_the_newest_or_the_one_that_is_said(self, shelf: Store) -> None:
        """One small file changes, and the history beside it; nothing else."""
        before = files(shelf.root)
        assert shelf.promote("flowers") == ("flowers", 3)
        assert shelf.promote("flowers@1") == ("flowers", 1)
        after = files(shelf.root)
        assert after.pop("flowers/history.json") != before.pop("flowers/history.json")
        assert after == {**before, "flowers/current": b"1\n"}
        assert shelf.promote("trees") == ("trees", 1)
        assert shelf.names() == ["flowers", "trees"]

    def test_promotion_is_one_rename(self, shelf: Store) -> None:
        """A reader sees the old number or the new one at every moment, never an empty file."""
        seen: set[int] = set()
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                seen.add(shelf.current("flowers"))

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(60):
            shelf.promote(f"flowers@{number % 3 + 1}")
        done.set()
        reader.join()
        assert seen <= {1, 2, 3}
        assert not list((shelf.root / "flowers").glob(".*"))

    def test_rollback_goes_one_version_back(self, shelf: Store) -> None:
        """Until there is none; then nothing changes."""
        shelf.promote("flowers@3")
        assert shelf.rollback("flowers") == ("flowers", 2)
        assert shelf.rollback("flowers") == ("flowers", 1)
        with pytest.raises(UnknownModel, match="no version older than the current one, 1"):
            shelf.rollback("flowers")
        assert shelf.current("flowers") == 1
        with pytest.raises(UnknownModel, match="has no current version"):
            shelf.rollback("trees")

    def test_a_broken_version_is_not_promoted(self, shelf: Store) -> None:
        """Neither forward nor back; what was current stays."""
        for version in (1, 3):
            (shelf.root / f"flowers/{version}" / MODEL).write_bytes(b"rot")
            with pytest.raises(BrokenEntry, match="altered"):
                shelf.promote(f"flowers@{version}")
        with pytest.raises(BrokenEntry, match="altered"):
            shelf.rollback("flowers")
        with pytest.raises(UnknownModel):
            shelf.promote("flowers@4")
        assert shelf.current("flowers") == 2

    def test_a_promotion_that_cannot_be_written_changes_nothing(self, shelf: Store) -> None:
        """The refusal has the system's reason, and no temporary file stays."""
        current = shelf.root / "trees" / "current"
        current.mkdir()
        with pytest.raises(RegistryError, match="trees: cannot write to the registry: Is a directory"):
            shelf.promote("trees")
        assert not list(current.parent.glob(".*"))

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "does not hold a version number"),
            (b"two", "does not hold a version number"),
            (b"\xff\xfe", "does not hold a version number"),
            (b"9" * 10_000, "does not hold a version number"),
            (b"0", "says version 0; there are: 1, 2, 3"),
            (b"-1", "says version -1; there are"),
            (b"9", "says version 9; there are: 1, 2, 3"),
        ],
    )
    def test_garbage_in_current_is_told(self, shelf: Store, content: bytes, reason: str) -> None:
        """A pointer to nothing is never followed, and promoting mends it."""
        (shelf.root / "flowers/current").write_bytes(content)
        for ask in (shelf.current, shelf.resolve, shelf.rollback):
            with pytest.raises(BrokenEntry, match=reason):
                ask("flowers")
        shelf.promote("flowers@2")
        assert shelf.current("flowers") == 2

    def test_a_folder_in_place_of_current_is_told(self, shelf: Store) -> None:
        """What the system says of the file is passed on."""
        (shelf.root / "flowers/current").unlink()
        (shelf.root / "flowers/current").mkdir()
        with pytest.raises(BrokenEntry, match="'current' cannot be read: Is a directory"):
            shelf.current("flowers")


class TestTampering:
    @pytest.mark.parametrize("name", [MODEL, MANIFEST, GOLDEN, SEAL])
    def test_one_flipped_bit_is_noticed(self, shelf: Store, name: str) -> None:
        """At the beginning, in the middle and at the end of each file."""
        path = shelf.root / "flowers/2" / name
        sound = path.read_bytes()
        for place in (0, len(sound) // 2, len(sound) - 1):
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
            with pytest.raises(BrokenEntry, match="flowers@2: "):
                shelf.read("flowers", 2)
        path.write_bytes(sound)
        shelf.read("flowers", 2)

    @pytest.mark.parametrize("name", [MODEL, MANIFEST, GOLDEN, SEAL])
    @pytest.mark.parametrize("content", [b"", b"{}", None])
    def test_a_missing_or_emptied_file_is_noticed(
        self, shelf: Store, name: str, content: bytes | None
    ) -> None:
        """The entry still counts as published, so that it is reported rather than passed over."""
        path = shelf.root / "flowers/2" / name
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BrokenEntry, match=f"flowers@2: .*({name}|{SEAL})"):
            shelf.read("flowers", 2)
        assert shelf.versions("flowers") == [1, 2, 3]

    def test_a_file_of_more_than_the_runtime_takes_is_not_read(self, shelf: Store) -> None:
        """A file that would fill the memory is refused by its size alone."""
        with (shelf.root / "flowers/2" / MODEL).open("r+b") as file:
            file.truncate(MAX_FILE_BYTES + 1)
        with pytest.raises(BrokenEntry, match="no regular file of at most"):
            shelf.read("flowers", 2)

    @pytest.mark.parametrize(
        "seal",
        [
            b"\xff\xff",
            b"nonsense\n",
            b"00  model.onnx\n",
            b"00  model.onnx\n11  manifest.json\n22  golden.json\n33  ../secret\n",
            b"\n\n\n",
        ],
    )
    def test_a_malformed_seal_covers_nothing(self, shelf: Store, seal: bytes) -> None:
        """A seal that leaves a file out, or covers another, is no seal."""
        (shelf.root / "flowers/2" / SEAL).write_bytes(seal)
        for look in (shelf.read, shelf.manifest):
            with pytest.raises(BrokenEntry, match="does not cover exactly"):
                look("flowers", 2)

    def test_another_model_under_a_new_seal_is_noticed(self, shelf: Store) -> None:
        """The manifest names the one model that it describes."""
        entry = shelf.root / "flowers/2"
        (entry / MODEL).write_bytes(b"forged")
        reseal(entry)
        with pytest.raises(BrokenEntry, match="not the one that the manifest describes"):
            shelf.read("flowers", 2)

    def test_an_entry_in_the_wrong_folder_is_noticed(self, shelf: Store) -> None:
        """A sound entry that was copied to another name or number is refused."""
        (shelf.root / "flowers/1").rename(shelf.root / "flowers/4")
        (shelf.root / "trees").rename(shelf.root / "shrubs")
        for name, version, says in (("flowers", 4, "flowers@1"), ("shrubs", 1, "trees@1")):
            for look in (shelf.read, shelf.manifest):
                with pytest.raises(BrokenEntry, match=f"its manifest says {says}"):
                    look(name, version)

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            (MANIFEST, b"{}", "missing required field"),
            (MANIFEST, b"{", "truncated"),
            (MANIFEST, b'{"format":2}', "Invalid enum value 2"),
            (MANIFEST, b'{"name":"\xff"}', "utf-8"),
            (GOLDEN, b'{"kinds":[],"inputs":[],"labels":[],"probabilities":[]}', "at least one row"),
            (GOLDEN, b'{"kinds":' + b"[" * 100_000, "Expected `str`"),
        ],
    )
    def test_a_malformed_record_under_a_new_seal_is_told(
        self, shelf: Store, name: str, content: bytes, reason: str
    ) -> None:
        """Whoever altered the seal too still gets a clear refusal, not a crash."""
        entry = shelf.root / "flowers/2"
        (entry / name).write_bytes(content)
        reseal(entry)
        with pytest.raises(BrokenEntry, match=f"flowers@2: {name}: .*{reason}"):
            shelf.read("flowers", 2)

    def test_golden_rows_of_another_signature_are_told(self, shelf: Store, offer: MakeOffer) -> None:
        """They are refused before a model is run on them."""
        entry = shelf.root / "flowers/2"
        golden = msgspec.structs.replace(offer()[2], labels=("yes", "perhaps"))
        (entry / GOLDEN).write_bytes(encode(golden))
        reseal(entry)
        with pytest.raises(BrokenEntry, match=r"flowers@2: golden.json: .*'perhaps' is not a class"):
            shelf.read("flowers", 2)

    def test_equal_seals_mean_equal_entries(self, shelf: Store) -> None:
        """The identity changes with any file, also when the seal was made anew."""
        before = shelf.seal("flowers", 2)
        assert len({shelf.seal("flowers", version) for version in (1, 2, 3)}) == 3
        golden = shelf.root / "flowers/2" / GOLDEN
        golden.write_bytes(golden.read_bytes() + b"\n")
        reseal(golden.parent)
        assert shelf.seal("flowers", 2) != before

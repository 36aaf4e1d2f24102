"""Changed, lost and missing bytes: never a result, always one sentence."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.errors import NASGymError, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, Store, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import BitString


def rich(path: Path, cut: Any) -> dict[str, RunData]:
    """A store with all kinds of rows; what is in it."""
    space, bits = NASNetCell(blocks=1), BitString(5)
    failing = FailingEvaluator(Landscape(space), rate=0.2)
    nas_gym.search(space, failing, "random-search", budget=150, run="first", store=path)
    nas_gym.search(bits, Landscape(bits), "random-search", budget=150, run="bits", store=path)
    with pytest.raises(SystemExit):
        nas_gym.search(
            space, failing, "random-search",
            budget=40, seed=1, run="cut", store=path, watcher=cut(21),
        )  # fmt: skip
    with Store(path) as store:
        validation = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
        store.save_validation("first", validation)
    return {name: load_run(name, path) for name in ("first", "bits", "cut")}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, cut: Any) -> tuple[bytes, dict[str, RunData]]:
    """The bytes of a store with all kinds of rows, and what is in it."""
    path = tmp_path_factory.mktemp("sound") / "store.sqlite"
    runs = rich(path, cut)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()
    return path.read_bytes(), runs


def check_loads(path: Path, runs: dict[str, RunData], *, read_only: bool = True) -> int:
    """How many runs load; each is as it was, or refused in one sentence."""
    loaded, sentences = 0, []
    try:
        with Store(path, read_only=read_only) as store:
            for name, run in runs.items():
                try:
                    found = store.load_run(name)
                except StoreError as error:
                    sentences.append(str(error))
                    continue
                assert found == run
                loaded += 1
            listed = [run["name"] for run in store.runs()]
            assert loaded < len(runs) or listed == list(runs)
    except StoreError as error:
        sentences.append(str(error))
    assert all(sentence.isprintable() for sentence in sentences)
    return loaded


def flips(content: bytes, path: Path, seed: int, count: int) -> Iterator[int]:
    """Writes ``content`` with one byte changed, again and again; the changed place."""
    rng = random.Random(seed)
    for _ in range(count):
        # Every second one in the first pages: the header and the tables' definitions.
        end = 8192 if rng.random() < 0.3 else len(content)
        place = rng.randrange(end)
        changed = bytearray(content)
        changed[place] ^= rng.randrange(1, 256)
        for left in ("-wal", "-shm"):
            Path(f"{path}{left}").unlink(missing_ok=True)
        path.write_bytes(changed)
        yield place


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_changed_byte_never_becomes_a_result(
    seed: int, sound: tuple[bytes, dict[str, RunData]], tmp_path: Path
) -> None:
    content, runs = sound
    path = tmp_path / "store.sqlite"
    loaded = [check_loads(path, runs) for _ in flips(content, path, seed, 150)]
    assert 0 in loaded  # refused as a whole
    assert len(runs) in loaded  # in a place that is not used
    path.write_bytes(content)
    assert check_loads(path, runs) == len(runs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_written_to_a_store_whose_structure_is_damaged(
    seed: int, sound: tuple[bytes, dict[str, RunData]], tmp_path: Path
) -> None:
    content, runs = sound
    path = tmp_path / "store.sqlite"
    parts: Any = {"name": "nasnet-cell", "blocks": 1}, {"name": "landscape"}, "random-search"
    for _ in flips(content, path, 10 + seed, 150):
        changed = path.read_bytes()
        check_loads(path, runs, read_only=False)
        sentence = ""
        try:
            nas_gym.search(*parts, budget=8, run="new", store=path)
        except NASGymError as error:
            sentence = str(error)
        if not sentence:
            assert len(load_run("new", path).rows) == 8
            check_loads(path, runs | {"new": load_run("new", path)})
        elif "nothing was changed" in sentence and "recorded is kept" not in sentence:
            assert path.read_bytes() == changed


@pytest.mark.slow
def test_many_changed_bytes(sound: tuple[bytes, dict[str, RunData]], tmp_path: Path) -> None:
    content, runs = sound
    path = tmp_path / "store.sqlite"
    for _ in flips(content, path, 99, 1500):
        check_loads(path, runs)


def test_a_store_cut_short_is_refused(
    sound: tuple[bytes, dict[str, RunData]], tmp_path: Path, stores: Any
) -> None:
    content, runs = sound
    path = tmp_path / "store.sqlite"
    rng = random.Random(0)
    pages = range(4096, len(content), 4096 * 5)
    lengths = [1, 15, 16, 99, 100, 101, 4095, len(content) - 4096, *pages]
    last = len(content) - 4096
    for length in (*lengths, *(rng.randrange(1, last) for _ in range(40))):
        path.write_bytes(content[:length])
        for read_only in (True, False):
            with pytest.raises(StoreError, match=r"damaged|file of something else"):
                Store(path, read_only=read_only)
        assert path.read_bytes() == content[:length]
    for length in (len(content) - 1, *(rng.randrange(last, len(content)) for _ in range(9))):
        path.write_bytes(content[:length])
        check_loads(path, runs)  # SQLite takes what is missing of its last page for zeros
    path.write_bytes(content[: len(content) // 2])
    for command in stores.commands.values():
        assert f"{path} is damaged (its bytes are not" in stores.refused(*command, path)
    assert path.read_bytes() == content[: len(content) // 2]


@pytest.mark.slow
def test_a_changed_byte_in_the_log_of_a_killed_process_loses_its_end_at_most(
    tmp_path: Path, stores: Any
) -> None:
    """SQLite drops what follows: the run is then one that was cut a little earlier."""
    source = stores.killed(tmp_path / "killed.sqlite")
    content, log = source.read_bytes(), Path(f"{source}-wal").read_bytes()
    path = tmp_path / "store.sqlite"
    lost = set()
    with Store(shutil.copy(source, tmp_path / "copy.sqlite")) as copy:
        first = copy.load_run("first")
    shutil.copy(f"{source}-wal", f"{path}-wal")
    path.write_bytes(content)
    whole = load_run("cut", path)
    rng = random.Random(0)
    for place in [0, 30, *(rng.randrange(len(log)) for _ in range(60))]:
        changed = bytearray(log)
        changed[place] ^= rng.randrange(1, 256)
        Path(f"{path}-shm").unlink(missing_ok=True)
        Path(f"{path}-wal").write_bytes(changed)
        path.write_bytes(content)
        assert load_run("first", path) == first
        with Store(path, read_only=True) as store:
            names = [run["name"] for run in store.runs()]
            found = store.load_run("cut").rows if "cut" in names else ()
        assert found == whole.rows[: len(found)]
        lost.add(len(whole.rows) - len(found))
    assert {0, 8} <= lost

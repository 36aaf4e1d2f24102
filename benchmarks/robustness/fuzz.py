"""Try thousands of broken genotypes, options, records, images, tables and files.

    python benchmarks/robustness/fuzz.py                           a minute or so, always the same
    python benchmarks/robustness/fuzz.py --examples 5000 --seed 7  more, and others
    python benchmarks/robustness/fuzz.py --doors rows options      only some

Each example is read, or refused with one sentence (a ``NASGymError``). Anything else, and whatever
takes over ten seconds, is printed with what caused it, and the exit status is 1.
"""

import argparse
import io
import json
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console

import nas_gym
from nas_gym.errors import NASGymError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.tables.file import TableFile
from nas_gym.plugins import names
from nas_gym.registry import make, options_of
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.store import Store, load_run
from nas_gym.store.schema import TABLES, summed
from nas_gym.testing.spaces import BitString

EXAMPLES, SEED = 150, 0  # of each door
LIMIT = 10.0  # seconds of one example that this process works; six times that if it waits
OUTCOMES = ("read", "refused", "traceback", "over ten seconds")
Door = Callable[[st.DataObject, Path], None]

HUGE = st.sampled_from([2**31, 2**53, 2**63, 10**22, 10**400, -1, -(2**63), 10**9])
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "..", "../../x", "con", "\x1b[31m", "\u202e", "\0", "os:system", "[bold]",
                     "$\\frac{", "](javascript:alert(1))", "<script>", "9" * 5000, "nan"]),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), HUGE, st.floats(), TEXTS, st.just("x" * 10**5)
)
DEEP = st.integers(60, 90).map(lambda depth: _nested(depth))
JUNK = st.one_of(
    SCALARS,
    st.recursive(
        SCALARS, lambda x: st.lists(x, max_size=4) | st.dictionaries(TEXTS, x, max_size=3)
    ),
    DEEP,
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def changed(data: st.DataObject, value: Any) -> Any:
    """Return JSON data with one value in it, anywhere, replaced, lost or doubled."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 4)) == 0:
        return data.draw(JUNK)
    copy: Any = value.copy()
    keys = list(copy) if isinstance(copy, dict) else list(range(len(copy)))
    key = data.draw(st.sampled_from(keys))
    how = data.draw(st.integers(0, 5))
    if how == 0:
        del copy[key]
    elif how == 1 and isinstance(copy, list):
        copy += [copy[key]] * data.draw(st.sampled_from([1, 300]))
    else:
        copy[key] = changed(data, copy[key])
    return copy


def as_json(value: Any) -> str:
    """Return JSON text as a stranger may write it: NaN and half characters are in it."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 5000
    except ValueError:  # a number of more than 4300 digits
        return "1" * 5000


# ---------------------------------------------------------------- the doors


SPACES = ("nasnet-cell", "amoebanet-cell", "enas-micro-cell", "nasbench201", "nats-size",
          "conv-net", "rnn-cell", "enas-rnn-cell")  # fmt: skip


def genotypes(data: st.DataObject, folder: Path) -> None:
    """Read a genotype's JSON with something changed."""
    del folder
    space = make("space", data.draw(st.sampled_from(SPACES)))
    tokens = random_tokens(space, np.random.default_rng(data.draw(st.integers(0, 99))))
    whole = genotype_to_json(decode(space, tokens))
    genotype = space.genotype_from_json(changed(data, whole))
    genotype_to_json(genotype)
    getattr(space, "canonical_key", str)(genotype)
    space.to_text(genotype)


def options(data: st.DataObject, folder: Path) -> None:
    """Make a part with options of any value."""
    del folder
    kind = data.draw(st.sampled_from(["space", "agent", "reward", "evaluator"]))
    name = data.draw(st.sampled_from(names(kind)))
    known = [o for o in options_of(kind, name) if o not in ("space", "file", "folder", "download")]
    given_ = data.draw(st.dictionaries(st.sampled_from([*known, "wrong"]), JUNK, max_size=3))
    made = make(kind, {"name": name, **given_}, space=make("space", "nasbench201"))
    if kind == "space":
        assert made.max_length > 0
        random_tokens(made, np.random.default_rng(0))


def rows(data: st.DataObject, folder: Path) -> None:
    """Read a store with a value changed, under a right checksum."""
    store = folder / "rows.sqlite"
    shutil.copy(folder / "sound.sqlite", store)
    connection = sqlite3.connect(store)
    connection.row_factory = sqlite3.Row
    table = TABLES.tables[data.draw(st.sampled_from(["runs", "evaluations", "requests",
                                                     "validations"]))]  # fmt: skip
    found = [dict(row) for row in connection.execute(f"SELECT rowid AS r, * FROM {table.name}")]
    row = data.draw(st.sampled_from(found))
    place = row.pop("r")
    column = data.draw(st.sampled_from([c.name for c in table.columns if c.name != "checksum"]))
    value = row[column]
    if isinstance(value, str) and value[:1] in ("{", "[") and data.draw(st.integers(0, 5)):
        value = as_json(changed(data, json.loads(value)))
    else:
        value = data.draw(st.one_of(SCALARS, st.binary(max_size=9)))
    row[column] = value
    try:
        row = summed(table, row)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(
            f"UPDATE {table.name} SET {column} = ?, checksum = ? WHERE rowid = ?",
            (value, row["checksum"], place),
        )
        connection.commit()
    except (sqlite3.Error, OverflowError, UnicodeEncodeError, ValueError):
        return  # no file can hold it
    finally:
        connection.close()
    show(store)


def show(store: Path) -> None:
    """Read a store as ``list``, ``report`` and ``export`` do, without drawings."""
    with Store(store, read_only=True) as opened:
        listed = [run["name"] for run in opened.runs()]
    for name in listed:
        assert name.isprintable()
        found = Findings.of(load_run(name, store))
        json.dumps(summary(found), allow_nan=False)
        page = io.StringIO()
        print_summary(found, Console(file=page, width=100))
        cards = [
            card_as_markdown(card_of(found, row, rank), found.leading)
            for rank, row in enumerate(found.ranked[:3], start=1)
        ]
        for text in (page.getvalue(), *cards):
            text.encode()
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "<script" not in page.getvalue() or text is page.getvalue()


def flipped(data: st.DataObject, folder: Path) -> None:
    """Read a store with a byte changed."""
    content = bytearray((folder / "sound.sqlite").read_bytes())
    end = data.draw(st.sampled_from([100, 8192, len(content)]))
    content[data.draw(st.integers(0, end - 1))] ^= data.draw(st.integers(1, 255))
    store = folder / "flipped.sqlite"
    for left in ("-wal", "-shm"):
        Path(f"{store}{left}").unlink(missing_ok=True)
    store.write_bytes(content)
    show(store)


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Return bytes that are cut, changed or doubled somewhere."""
    place = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.integers(0, 3))
    if how == 0:
        return content[:place]
    if how == 1:
        return content[:place] + data.draw(st.binary(max_size=20)) + content[place:]
    changed_ = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        changed_[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed_)


FORMATS = ("png", "jpg", "gif", "bmp", "tif", "webp")


def images(data: st.DataObject, folder: Path) -> None:
    """Read a folder of images, one of them damaged."""
    from nas_gym.training.images import load_dataset

    photos = folder / "photos"
    if not photos.exists():
        _write_images(photos)
    suffix = data.draw(st.sampled_from(FORMATS))
    sound = (folder / f"sound.{suffix}").read_bytes()
    broken = photos / "cat" / f"broken.{suffix}"
    broken.write_bytes(damaged(data, sound))
    try:
        load_dataset(str(photos), image_size=8)
    finally:
        broken.unlink()


def _write_images(photos: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(_pixels(rng)).save(photos / name / f"{i}.png")
    for suffix in FORMATS:
        Image.fromarray(_pixels(rng)).save(photos.parent / f"sound.{suffix}")


def _pixels(rng: np.random.Generator) -> Any:
    return rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)


def npz(data: st.DataObject, folder: Path) -> None:
    """Read an ``.npz`` file of images: damaged, or of other arrays."""
    from nas_gym.training.images import load_dataset

    path = folder / "data.npz"
    kinds = st.sampled_from(["u1", "f4", "f8", "i8", "U3", "c8", "?", "M8[s]", "O"])
    shape = data.draw(st.sampled_from([(40, 8, 8), (40, 8, 8, 3), (40,), (0, 8, 8), (40, 8, 8, 9)]))
    labels = data.draw(st.sampled_from([(40,), (40, 1), (3,), ()]))
    kind, of_labels = data.draw(kinds), data.draw(kinds)
    arrays = {"images": np.zeros(shape, kind), "labels": (np.zeros(labels, of_labels))}
    if data.draw(st.booleans()):
        arrays = {"images": np.zeros((40, 8, 8), "u1"), "labels": np.arange(40) % 2}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    if data.draw(st.booleans()):
        path.write_bytes(damaged(data, path.read_bytes()))
    load_dataset(str(path))


def tables(data: st.DataObject, folder: Path) -> None:
    """Read a table of a user's own, with something changed."""
    lines = [["architecture", "accuracy"], *([f"{i} {j}", "0.5"] for i in "01" for j in "01")]
    text = "\n".join(",".join(map(str, line)) for line in lines)
    if data.draw(st.booleans()):
        row, column = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 1))
        lines[row][column] = str(data.draw(st.one_of(TEXTS, st.floats(), HUGE)).__str__()[:4000])
        text = "\n".join(",".join(line) for line in lines)
    path = folder / "table.csv"
    content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(damaged(data, content) if data.draw(st.booleans()) else content)
    TableFile(BitString(2), path, unit="fraction", form="tokens")


DOORS: dict[str, Door] = {
    door.__name__: door for door in (genotypes, options, rows, flipped, images, npz, tables)
}


# ---------------------------------------------------------------- trying them


def write_sound(store: Path) -> None:
    """Write a store with two runs, failures and a final training."""
    from nas_gym.testing.evaluators import FailingEvaluator

    space = make("space", {"name": "nasnet-cell", "blocks": 1})
    judge = FailingEvaluator(make("evaluator", "landscape", space=space), rate=0.3)
    nas_gym.search(space, judge, "random-search", budget=12, run="first", store=store)
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=8, run="b", store=store)
    with Store(store) as opened:
        trained = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
        opened.save_validation("first", trained)
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


@contextmanager
def limited() -> Iterator[None]:
    """Raise TimeoutError in what takes too long, where the system can."""

    def stop(*_: object) -> None:
        raise TimeoutError

    if not hasattr(signal, "SIGPROF"):
        yield
        return
    timers = {signal.ITIMER_PROF: signal.SIGPROF, signal.ITIMER_REAL: signal.SIGALRM}
    before = {number: signal.signal(number, stop) for number in timers.values()}
    for timer, seconds in zip(timers, (LIMIT, 6 * LIMIT), strict=True):
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, number in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def outcome_of(door: Door, data: st.DataObject, folder: Path, faults: list[str]) -> str:
    """Try one example."""
    try:
        with limited():
            door(data, folder)
    except NASGymError as error:
        outcome = "refused"
        if len(str(error).splitlines()) > 1:
            faults.append(f"{door.__name__}: more than a sentence: {error}")
            outcome = "traceback"
    except TimeoutError:
        outcome = "over ten seconds"
        faults.append(f"{door.__name__}: {''.join(traceback.format_exc(limit=-6))}")
    except Exception:
        outcome = "traceback"
        faults.append(f"{door.__name__}: {traceback.format_exc(limit=-6)}")
    else:
        outcome = "read"
    return outcome


def fuzz(name: str, examples: int, start: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Try a door with so many examples; return the outcomes, and what was no good one."""
    counts: Counter[str] = Counter()
    faults: list[str] = []

    @seed(start)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def one(data: st.DataObject) -> None:
        counts[outcome_of(DOORS[name], data, folder, faults)] += 1

    one()
    return counts, faults


def main(arguments: list[str]) -> int:
    """Print a line per door; return 1 if any example was neither read nor refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each door")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--doors", nargs="+", choices=sorted(DOORS), default=list(DOORS))
    given_ = parser.parse_args(arguments)
    random.seed(given_.seed)
    every: list[str] = []
    print(f"{'door':12}" + "".join(f"{outcome:>18}" for outcome in OUTCOMES))
    for module in (
        "nas_gym.drawing.figures",
        "nas_gym.training.images.sources",
        "matplotlib.figure",
    ):
        import_module(module)  # no example's time
    with tempfile.TemporaryDirectory() as folder:
        write_sound(Path(folder) / "sound.sqlite")
        for name in given_.doors:
            counts, faults = fuzz(name, given_.examples, given_.seed, Path(folder))
            print(f"{name:12}" + "".join(f"{counts[o]:>18,}" for o in OUTCOMES), flush=True)
            every += faults
    for fault, times in Counter(every).most_common():
        print(f"\n{times} x {fault}", file=sys.stderr)
    return 1 if every else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

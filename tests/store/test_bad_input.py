"""Stores that cannot be used, each by its real cause: one sentence, status 2, nothing lost."""

import ast
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import NASGymError, StoreError
from nas_gym.evaluators.evaluation import Evaluation, Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, Store, load_run, sqlite
from nas_gym.store.schema import EVALUATIONS
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import BitString

CHEAP = ("--evaluator", "landscape", "--agent", "random-search", "--set", "space.blocks=2",
         "--workers", "1")  # fmt: skip
SEARCH = ("search", *CHEAP, "--budget", "8", "--run", "new", "--store")
REPORT = ("report", "first", "--json", "--store")
RESUME = ("resume", "cut", "--workers", "1", "--store")
LIST = ("list", "--store")


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one sentence that a command ends with."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert exit_.value.code == 2, shown.err
    return one_sentence(shown.err)


def one_sentence(stderr: str) -> str:
    assert "Traceback" not in stderr
    (sentence,) = (line for line in stderr.splitlines() if line.startswith("nas-gym: "))
    assert stderr.endswith(f"{sentence}\n")
    return sentence


def succeeded(*arguments: Any) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code in (0, None)


def history(run: RunData) -> list[Any]:
    return [(r.tokens, r.key, r.seed, r.metrics, r.reward, r.failure, r.detail) for r in run.rows]


class Cut:
    """A watcher that ends a search in the middle, as a kill does."""

    def __init__(self, evaluations: int) -> None:
        self.left = evaluations

    def started(self) -> None:
        pass

    replayed = requested = lambda self, first, answers: None

    def evaluated(self, answer: Any, seed: int) -> None:
        self.left -= 1
        if not self.left:
            raise SystemExit


def fill(path: Path, budget: int = 20) -> Path:
    """A store with a finished run ``first`` and a cut one ``cut``."""
    parts: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
    nas_gym.search(*parts, budget=budget, run="first", store=path)
    with pytest.raises(SystemExit):
        nas_gym.search(*parts, budget=16, seed=1, run="cut", store=path, watcher=Cut(11))
    return path


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    return fill(tmp_path / "store.sqlite")


def files_of(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()}


# --- What is no results database


@pytest.mark.parametrize("command", [SEARCH, REPORT, LIST, RESUME], ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"These are my notes.\n" * 300, "is a file of something else: name another"),
        (b"SQLite format 3\0" + bytes(4080), "is a file of something else|is damaged"),
        ("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')", "something else: name"),
        ("PRAGMA user_version = 3; CREATE TABLE runs (id)", r"newer nas-gym \(schema 3"),
        ("PRAGMA user_version = -1; CREATE TABLE runs (id)", r"newer nas-gym"),
        ("PRAGMA user_version = 2; CREATE TABLE runs (id)", "is damaged"),
    ],
)
def test_a_file_of_something_else(
    command: Sequence[str],
    content: Any,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "store.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.executescript(content)
        connection.close()
    before = path.read_bytes()
    sentence = refused(capsys, *command, path)
    assert re.search(message, sentence)
    assert path.read_bytes() == before  # not even its journal mode


def test_an_empty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "store.sqlite"
    path.touch()
    assert "is empty: run a search first" in refused(capsys, *REPORT, path)
    assert "is empty: run a search first" in refused(capsys, *RESUME, path)
    succeeded(*SEARCH, path)
    assert len(load_run("new", path).rows) == 8


def test_what_is_not_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "pipe", os.devnull):
        for command in (SEARCH, REPORT):
            assert f"{path} is not a file: name a file" in refused(capsys, *command, path)
    within = tmp_path / "file" / "store.sqlite"
    assert f"{within.parent} is not a folder" in refused(capsys, *SEARCH, within)
    assert "there is no results database" in refused(capsys, *REPORT, within)
    long = tmp_path / ("x" * 300)
    assert "cannot be opened (File name too long)" in refused(capsys, *SEARCH, long)


# --- What cannot be written


@pytest.mark.parametrize(
    ("ended", "ended_as"),
    [("closed", "interrupted"), ("killed", "cut"), ("killed, its shared memory lost", "")],
)
def test_a_read_only_disk(
    disk: Any, ended: str, ended_as: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = disk / "store.sqlite"
    if ended == "closed":
        fill(store)
        for left in ("-wal", "-shm"):
            Path(f"{store}{left}").unlink(missing_ok=True)
    else:
        killed(store)
        if ended.endswith("lost"):
            Path(f"{store}-shm").unlink()
    disk.remount("ro")
    before = files_of(disk.folder)
    out = Path(tempfile.mkdtemp())
    try:
        if ended.endswith("lost"):
            for command in (REPORT, LIST, RESUME, SEARCH):
                assert "ends in -wal), which cannot be read" in refused(capsys, *command, store)
            return
        succeeded(*REPORT, store, "--out", out)
        succeeded(*LIST, store)
        done = {"interrupted": 11, "cut": 8}[ended_as]
        assert f"cut: {ended_as}, {done} evaluations" in capsys.readouterr().out
        for command in (SEARCH, RESUME, (*SEARCH[:-2], "cut", "--resume", "--store")):
            assert f"{store} is read-only: make it" in refused(capsys, *command, store)
    finally:
        shutil.rmtree(out)
        assert files_of(disk.folder) == before


END = "--- end ---"
# A user who may not write; what another user perhaps cannot import is imported before.
AS_NOBODY = f"""
import concurrent.futures.process, json, os, sys
import sqlalchemy.dialects.sqlite
import nas_agents, nas_gym.evaluators.workers.parallel, nas_gym.evaluators.landscapes
from nas_gym.cli.main import main

def run(command):
    try:
        main(command)
    except SystemExit as exit_:
        print("exit", exit_.code or 0)
        for stream in (sys.stdout, sys.stderr):
            print({END!r}, end="", file=stream, flush=True)

os.chdir("/")
run(["list", "--store", "none"])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for command in json.loads(sys.argv[1]):
    run(command)
"""


@pytest.mark.parametrize("what", ["file", "folder", "hidden"])
def test_files_of_another_user(what: str) -> None:
    root = Path(tempfile.mkdtemp())  # pytest's own folder is closed to others
    store = fill(root / "store.sqlite")
    for left in ("-wal", "-shm"):
        Path(f"{store}{left}").unlink(missing_ok=True)
    store.chmod(0o444 if what == "file" else 0o644)
    before = store.read_bytes()
    root.chmod({"file": 0o777, "folder": 0o555, "hidden": 0o000}[what])
    try:
        second = REPORT if what == "hidden" else LIST
        searched, told = as_another_user([*SEARCH, str(store)], [*second, str(store)])
    finally:
        root.chmod(0o777)
    expected = "cannot be opened (Permission denied)" if what == "hidden" else "read-only: make it"
    assert expected in one_sentence(searched.stderr)
    assert searched.stdout == "exit 2\n"
    if what == "hidden":
        assert expected in one_sentence(told.stderr)
        assert told.stdout == "exit 2\n"
    else:
        assert "first: finished, 20 evaluations" in told.stdout, told.stderr
        assert "cut: interrupted, 11 evaluations" in told.stdout
    assert store.read_bytes() == before
    shutil.rmtree(root)


def as_another_user(*commands: Sequence[str]) -> "list[subprocess.CompletedProcess[str]]":
    """Run commands as a user who may not do everything; this one, unless it is root."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, json.dumps(commands)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    parts = zip(done.stdout.split(END), done.stderr.split(END), strict=True)
    return [subprocess.CompletedProcess([], 0, *shown) for shown in parts][1:-1]


@pytest.mark.slow
def test_a_live_run_is_seen_by_those_who_may_only_read() -> None:
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    store = fill(root / "store.sqlite")
    with Store(store) as opened:
        live = opened.start_run("live", {"budget": 3})
        (listed,) = as_another_user([*LIST, str(store)])
        live.close()
    (ended,) = as_another_user([*LIST, str(store)])
    assert "live: running, 0 evaluations" in listed.stdout, listed.stderr
    assert "live: cut, 0 evaluations" in ended.stdout, ended.stderr
    shutil.rmtree(root)


def test_a_disk_that_fills_up_in_the_middle(
    disk: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.remount("size=384k")
    search = ("search", *CHEAP, "--budget", "400", "--run", "cut", "--json", "--store")
    sentence = refused(capsys, *search, disk / "store.sqlite")
    assert "cannot grow, the disk is full: make room" in sentence
    assert "what was recorded is kept: go on with `nas-gym resume cut" in sentence
    again = refused(capsys, *search, disk / "store.sqlite")
    assert "there is a run 'cut'" in again or "the disk is full" in again
    disk.remount("size=8m")
    cut = load_run("cut", disk / "store.sqlite")
    assert cut.status == "cut"
    assert 0 < len(cut.rows) < 400
    with pytest.raises(SystemExit) as exit_:
        main(["resume", "cut", "--workers", "1", "--store", str(disk / "store.sqlite")])
    assert exit_.value.code in (0, None)
    whole = nas_gym.search(
        {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search",
        budget=400, run="whole", store=tmp_path / "store.sqlite",
    )  # fmt: skip
    assert len(whole.answers) == 400
    resumed = load_run("cut", disk / "store.sqlite")
    assert resumed.rows[: len(cut.rows)] == cut.rows
    assert history(resumed) == history(load_run("whole", tmp_path / "store.sqlite"))


def test_a_disk_that_was_full_before(disk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    disk.remount("size=256k")
    with (disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    sentence = refused(capsys, *SEARCH, disk / "store.sqlite")
    assert "the disk is full" in sentence
    (disk / "full").unlink()
    disk.remount("size=4m")
    succeeded(*SEARCH, disk / "store.sqlite")
    assert len(load_run("new", disk / "store.sqlite").rows) == 8


# --- What another program holds

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.2)


def locked(path: Path, *statements: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path), *statements],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("statements", "readable"),
    [
        (["BEGIN IMMEDIATE"], True),
        (["BEGIN EXCLUSIVE"], True),
        (["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"], False),
        (["PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"], False),
    ],
)
def test_a_store_that_another_program_has_locked(
    statements: list[str], readable: bool, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_run("first", filled)
    with locked(filled, *statements) as process:
        for command in (SEARCH, RESUME):
            sentence = refused(capsys, *command, filled)
            assert "has been locked by another program for too long: close" in sentence
        if readable:
            assert load_run("first", filled) == before
        else:
            assert "locked by another program" in refused(capsys, *REPORT, filled)
        process.communicate()
    nas_gym.resume("cut", filled)
    assert len(load_run("cut", filled).rows) == 16
    assert load_run("first", filled) == before


@pytest.mark.usefixtures("hasty")
def test_a_lock_in_the_middle_of_a_search(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Locks(Cut):
        process: Any = None

        def evaluated(self, answer: Any, seed: int) -> None:
            self.left -= 1
            if not self.left:
                self.process = locked(filled, "BEGIN IMMEDIATE")

    watcher = Locks(10)
    parts: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
    with pytest.raises(StoreError, match=r"locked by another.*`nas-gym resume mine"):
        nas_gym.search(*parts, budget=24, seed=2, run="mine", store=filled, watcher=watcher)
    watcher.process.communicate()
    assert len(load_run("mine", filled).rows) == 8
    succeeded("resume", "mine", "--workers", "1", "--store", filled)
    nas_gym.search(*parts, budget=24, seed=2, run="whole", store=tmp_path / "whole.sqlite")
    whole = load_run("whole", tmp_path / "whole.sqlite")
    assert history(load_run("mine", filled)) == history(whole)


# --- What is no run, or another


def test_an_unknown_run(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("report", "resume"):
        sentence = refused(capsys, command, "firts", "--store", filled)
        assert f"there is no run 'firts' in {filled}: did you mean 'first'?" in sentence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "2"], "begun with child_seed 1, and is given 2"),
        (["--budget", "4"], "has 8 evaluations already: give a budget of that many or more"),
        (["--agent", "regularized-evolution"], "begun with agent"),
        (["--num-envs", "3"], "begun with num_envs 8, and is given 3"),
        (["--reward", "accuracy-cubed"], "begun with reward"),
    ],
)
def test_another_configuration_is_refused(
    options: list[str], message: str, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_run("cut", filled)
    same = ("search", *CHEAP, "--budget", "16", "--seed", "1", "--run", "cut", "--resume")
    sentence = refused(capsys, *same, *options, "--store", filled)
    assert message in sentence
    assert load_run("cut", filled) == before


# --- What a database changes, or does not take


def test_texts_and_numbers_that_no_database_keeps(store: Store) -> None:
    """SQLite has no negative zero, PostgreSQL no text with a zero, neither half a character."""

    class Odd:
        stateful = False

        def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
            for i, each in enumerate(architectures):
                if i:
                    yield Evaluation(each, {"accuracy": -0.0}, seconds=-0.0)
                else:
                    yield Evaluation(each, failure="error: \0", detail="a \udc80 b \0 ü")

        def close(self) -> None:
            pass

    record = store.start_run("mine", {"budget": 2})
    ledger = Ledger(Odd(), lambda evaluation: -0.0, record=record)
    ledger.request([architecture_of(BitString(2), tokens) for tokens in ((0, 1), (1, 0))])
    failed, fine = store.load_run("mine").rows
    assert (failed.failure, failed.detail) == ("error: ?", "a ? b ? ü")
    assert (fine.reward, fine.seconds, fine.metrics) == (0.0, 0.0, {"accuracy": 0.0})


def test_what_was_written_may_be_written_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server can go away between its writing and its saying so; the work is then tried again."""
    write = store.database.write

    def twice(work: Any, **options: Any) -> Any:
        write(work, **options)
        return write(work, **options)

    monkeypatch.setattr(store.database, "write", twice)
    space = BitString(4)
    record = store.start_run("mine", {"budget": 20}, protocol={"space": "bits"})
    with pytest.raises(StoreError, match="there is a run 'mine'"):
        store.start_run("mine", {"budget": 20, "seed": 1})
    env = NASVectorEnv(space, Landscape(space), record=record)
    env.reset(seed=0)
    rounds = [[random_tokens(space, env.np_random) for _ in range(4)] for _ in range(5)]
    played = [answer for each in rounds for answer in env.play(each)]
    validation = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
    for seed in (7, 8):
        store.save_validation("mine", replace(validation, seed=seed))
    record.finish("finished")
    run = store.load_run("mine")
    assert [(r.tokens, r.reward) for r in run.rows] == [(a.tokens, a.reward) for a in played]
    assert [each.seed for each in run.validations] == [7, 8]
    count = sa.select(sa.func.count()).select_from(EVALUATIONS)
    keys = {row.key for row in run.rows}
    assert store.database.read(lambda c: c.execute(count).scalar()) == len(keys)


# --- What is damaged

KILLED = """
import os, signal, sys
import nas_gym

class Kill:
    left = 11
    def started(self): pass
    def requested(self, first, answers): pass
    def evaluated(self, answer, seed):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

parts = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
nas_gym.search(*parts, budget=20, run="first", store=sys.argv[1])
nas_gym.search(*parts, budget=16, seed=1, run="cut", store=sys.argv[1], watcher=Kill())
"""


def killed(path: Path) -> Path:
    """As ``fill``, but by a process that is killed: what is last is in the write-ahead log."""
    died = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert Path(f"{path}-wal").stat().st_size > 0
    return path


def rich(path: Path) -> dict[str, RunData]:
    """A store with all kinds of rows; what is in it."""
    space, bits = NASNetCell(blocks=1), BitString(5)
    failing = FailingEvaluator(Landscape(space), rate=0.2)
    nas_gym.search(space, failing, "random-search", budget=150, run="first", store=path)
    nas_gym.search(bits, Landscape(bits), "random-search", budget=150, run="bits", store=path)
    with pytest.raises(SystemExit):
        nas_gym.search(
            space, failing, "random-search",
            budget=40, seed=1, run="cut", store=path, watcher=Cut(21),
        )  # fmt: skip
    with Store(path) as store:
        validation = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
        store.save_validation("first", validation)
    return {name: load_run(name, path) for name in ("first", "bits", "cut")}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, RunData]]:
    """The bytes of a store with all kinds of rows, and what is in it."""
    path = tmp_path_factory.mktemp("sound") / "store.sqlite"
    runs = rich(path)
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
    sound: tuple[bytes, dict[str, RunData]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    for command in (SEARCH, REPORT, LIST, RESUME):
        assert f"{path} is damaged (its bytes are not" in refused(capsys, *command, path)
    assert path.read_bytes() == content[: len(content) // 2]


def test_a_changed_byte_in_the_log_of_a_killed_process_loses_its_end_at_most(
    tmp_path: Path,
) -> None:
    """SQLite drops what follows: the run is then one that was cut a little earlier."""
    source = killed(tmp_path / "killed.sqlite")
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


# --- What could run code of a stranger


def calls_and_imports(file: Path) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_that_is_read_can_run_code() -> None:
    """Pickles pass between our own processes alone; torch reads weights and numpy arrays alone.

    ``nas_gym.testing`` pickles what it is given and reads that again.
    """
    import nas_agents

    roots = [Path(module.__file__ or "").parent for module in (nas_gym, nas_agents)]
    unpicklers = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "joblib",
                  "marshal"}  # fmt: skip
    found = []
    for root in roots:
        for file in root.rglob("*.py"):
            if file.name == "plain_pickle.py":  # its unpickler refuses every import: see its tests
                continue
            own_processes = file.parent.name in ("workers", "testing")
            for name, node in calls_and_imports(file):
                options = {k.arg: ast.unparse(k.value) for k in getattr(node, "keywords", ())}
                bad = (
                    (name.partition(".")[0] in unpicklers and not own_processes)
                    or (name == "torch.load" and options.get("weights_only") != "True")
                    or name.endswith("read_pickle")
                    or options.get("allow_pickle", "False") != "False"
                    or name in ("eval", "exec", "yaml.load", "yaml.unsafe_load")
                )
                if bad:
                    found.append(f"{file.relative_to(root)}:{node.lineno}: {name}")  # type: ignore[attr-defined]
    assert found == []

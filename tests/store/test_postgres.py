"""A server that is not there, goes away, or is another than was meant: nothing recorded is lost."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import StoreError
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, Store, database, load_run
from nas_gym.store.begin import begin_run, continue_run
from nas_gym.store.schema import EVALUATIONS, REQUESTS, SCHEMA_VERSION

pytest.importorskip("psycopg")

SECRET = "s3cr3t:w0rd"  # of the server that the tests make
CHEAP = ("--evaluator", "landscape", "--agent", "random-search", "--set", "space.blocks=2",
         "--workers", "1")  # fmt: skip
PARTS: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
CONFIG = {"budget": 20, "seed": 0}


def history(run: RunData) -> list[Any]:
    return [(r.tokens, r.key, r.seed, r.metrics, r.reward, r.failure, r.source) for r in run.rows]


def with_options(url: str, **options: str) -> str:
    return sa.make_url(url).update_query_dict(options).render_as_string(hide_password=False)


def with_password(url: str, word: str) -> str:
    return sa.make_url(url).set(password=word).render_as_string(hide_password=False)


def shown_by(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one sentence of a command that ends with status 2 and shows no password."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert exit_.value.code == 2, shown.err
    assert "trying again" not in shown.err  # nothing was reached yet
    return one_sentence(shown.out + shown.err)


def one_sentence(shown: str) -> str:
    assert "Traceback" not in shown
    assert not any(part in shown for part in ("s3cr3t", "w0rd"))
    (sentence,) = (line for line in shown.splitlines() if line.startswith("nas-gym: "))
    return sentence


class Once:
    """A watcher that does something after so many evaluations."""

    def __init__(self, evaluations: int, work: Callable[[], object]) -> None:
        self.left = evaluations
        self.work = work

    def started(self) -> None:
        pass

    replayed = requested = lambda self, first, answers: None

    def evaluated(self, answer: Any, seed: int) -> None:
        self.left -= 1
        if not self.left:
            self.work()


def counts(url: str) -> tuple[int, int]:
    with Store(url) as store:
        return store.database.read(
            lambda c: tuple(
                c.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (EVALUATIONS, REQUESTS)
            )  # type: ignore[return-value]
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """The run that nothing happened to."""
    path = tmp_path_factory.mktemp("whole") / "store.sqlite"
    nas_gym.search(*PARTS, budget=48, run="mine", store=path)
    return load_run("mine", path)


# --- What is not there


@pytest.mark.few(10)
@pytest.mark.parametrize("command", ["search", "report", "list", "resume"])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:s3cr3t@127.0.0.1:1/mine", "check that the server runs"),
        ("postgresql://me@127.0.0.1:1/mine?password=s3cr3t", "check that the server runs"),
        ("postgresql://me:s3cr3t@no-such-host.invalid/mine", "check that the server runs"),
        ("postgresql://me:s3cr3t@127.0.0.1/mine?sslmod=off", "check that the server runs"),
        ("mysql://me:s3cr3t@127.0.0.1/mine", "give a SQLite file or a postgresql:// URL"),
        ("postgresql+asyncpg://me:s3cr3t@127.0.0.1/mine", "of a kind that nas-gym does not know"),
        ("nosuch://me:s3cr3t@127.0.0.1/mine", "of a kind that nas-gym does not know"),
        ("postgresql://me:s3cr3t@127.0.0.1:port/mine", "cannot be read: write it as"),
        ("postgresql://me:s3cr3t@w0rd@127.0.0.1/mine", "cannot be read: write it as"),
        ("postgres ql://me:s3cr3t@127.0.0.1/mine", "cannot be read: write it as"),
    ],
)
def test_a_url_that_leads_nowhere(
    command: str,
    url: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"search": [*CHEAP, "--run", "mine"], "list": []}.get(command, ["mine"])
    assert message in shown_by(capsys, command, *options, "--store", url)


def test_a_database_that_is_not_there(
    server_place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = sa.make_url(with_password(server_place, SECRET)).set(database="no_such")
    place = url.render_as_string(hide_password=False)
    sentence = shown_by(capsys, "report", "mine", "--store", place)
    assert 'database "no_such" does not exist' in sentence


@pytest.mark.slow
def test_the_driver_is_missing() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None; from nas_gym.cli.main import main;"
        "main(['report', 'mine', '--store', 'postgresql://me:s3cr3t@127.0.0.1/mine'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "pip install 'nas-gym[postgres]'" in one_sentence(done.stdout + done.stderr)


def test_a_newer_version_and_tables_of_something_else(
    server_place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is empty: run a search first" in shown_by(
        capsys, "report", "x", "--store", server_place
    )
    with Store(server_place) as store:
        begin_run(store, "mine", CONFIG).finish("finished")
        change = store.database.write
        newer = sa.text(f"UPDATE nas_gym_store SET version = {SCHEMA_VERSION + 1}")
        ours = sa.text(f"UPDATE nas_gym_store SET version = {SCHEMA_VERSION}")
        change(lambda c: c.execute(newer))
        for command in (["report", "mine"], ["resume", "mine"], ["search", *CHEAP], ["list"]):
            sentence = shown_by(capsys, *command, "--store", server_place)
            versions = f"(schema {SCHEMA_VERSION + 1}, this one reads {SCHEMA_VERSION})"
            assert f"written by another version of nas-gym {versions}" in sentence
        change(lambda c: c.execute(ours))
        assert load_run("mine", server_place).status == "finished"
        change(lambda c: c.execute(sa.text("DROP TABLE nas_gym_store")))
        for command in (["report", "mine"], ["search", *CHEAP]):
            sentence = shown_by(capsys, *command, "--store", server_place)
            assert "is a database of something else: name another" in sentence


@pytest.mark.slow
def test_no_password_is_shown_or_recorded(
    server_place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    place = with_password(server_place, SECRET)
    with pytest.raises(SystemExit) as exit_:
        main(["search", *CHEAP, "--budget", "8", "--run", "mine", "--store", place])
    shown = capsys.readouterr()
    assert exit_.value.code in (0, None), shown.err
    assert "recorded in postgresql://" in shown.err
    with Store(place) as store:
        texts = [shown.out, shown.err, store.database.shown]
        tables = sa.inspect(store.database.engine).get_table_names()
        for name in tables:
            query = sa.text(f'SELECT * FROM "{name}"')
            texts += store.database.read(lambda c, q=query: [str(row) for row in c.execute(q)])
    texts += [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(part in text for text in texts for part in ("s3cr3t", "w0rd"))


# --- What goes away


def end_connections(place: str, name: str) -> None:
    engine = sa.create_engine(sa.make_url(place).set(drivername="postgresql+psycopg"))
    query = sa.text(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = :n"
    )
    with engine.begin() as connection:
        assert all(connection.execute(query, {"n": name}).scalars())
    engine.dispose()


@pytest.mark.slow
def test_connections_that_end_in_the_middle(server_place: str, whole: RunData) -> None:
    name = f"nas-gym-{os.getpid()}"
    place = with_options(server_place, application_name=name)
    seen: list[str] = []

    class EndsTwice(Once):
        def evaluated(self, answer: Any, seed: int) -> None:
            self.left -= 1
            if self.left in (30, 9):
                end_connections(server_place, name)
            if self.left in (20, 1):  # a batch later: the run's lock is held again
                with Store(server_place) as store:
                    seen.extend(run["status"] for run in store.runs())
                    with pytest.raises(StoreError, match="written by another process"):
                        continue_run(store, "mine", load_run("mine", server_place).config)

    nas_gym.search(*PARTS, budget=48, run="mine", store=place, watcher=EndsTwice(48, lambda: None))
    assert seen == ["running", "running"]
    found = load_run("mine", server_place)
    assert (found.status, history(found)) == ("finished", history(whole))
    assert counts(server_place) == (sum(r.source != "memo" for r in whole.rows), 48)


def test_a_run_that_another_process_took_over_is_left_alone(
    server_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RETRY_PAUSES", (0.1, 0.1))
    name = f"nas-gym-{os.getpid()}-lost"
    space = NASNetCell(blocks=1)
    with Store(with_options(server_place, application_name=name)) as store:
        record = begin_run(store, "mine", CONFIG)
        env = NASVectorEnv(space, Landscape(space), num_envs=2)
        env.ledger = Ledger(Landscape(space), Accuracy(), record=record)
        env.play([(0,) * 10])
        end_connections(server_place, name)
        with Store(server_place) as other:
            taken = continue_run(other, "mine", CONFIG)
            with pytest.raises(StoreError, match="taken over by another process"):
                env.play([(1,) * 10])
            taken.close()
        # Nobody has it now, but it is another's all the same.
        with pytest.raises(StoreError, match="taken over by another process"):
            record.finish("finished")
    run = load_run("mine", server_place)
    assert (len(run.rows), run.status) == (1, "cut")


SLOW_PARTS = """
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from nas_gym.evaluators.landscapes import Landscape

NUMBERS = count()

@dataclass(frozen=True)
class Slow(Landscape):  # in one process; it gets no further than its middle until there is a file
    def evaluate(self, architectures, seeds):
        for pair in zip(architectures, seeds):
            time.sleep(0.01)
            while next(NUMBERS) >= 80 and not Path("go").exists():
                time.sleep(0.01)
            yield from super().evaluate(*([part] for part in pair))
"""
DRIVER = """
import sys
from nas_gym.cli.main import main
from nas_gym.store import database
database.RETRY_PAUSES = tuple(map(float, sys.argv[1].split()))
main(sys.argv[2:])
"""


def command(folder: Path, pauses: str, *arguments: str) -> "subprocess.Popen[str]":
    (folder / "slow_parts.py").write_text(SLOW_PARTS)
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, pauses, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip


def search_on(folder: Path, place: str, pauses: str) -> "subprocess.Popen[str]":
    slow = ("--evaluator", "slow_parts:Slow", *CHEAP[2:])
    return command(
        folder, pauses, "search", *slow, "--budget", "160", "--run", "mine", "--store", place
    )


def wait_for_rows(place: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with Store(place) as store:
            if any(run["requests"] >= 16 for run in store.runs()):
                return
        time.sleep(0.02)
    raise AssertionError("no rows")


@pytest.fixture(scope="module")
def slow_whole(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "go").touch()
    process = search_on(folder, "store.sqlite", "1")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return load_run("mine", folder / "store.sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_comes_back(
    how: str, server: Any, slow_whole: RunData, tmp_path: Path
) -> None:
    place = server.url()
    process = search_on(tmp_path, place, " ".join(map(str, database.RETRY_PAUSES)))
    wait_for_rows(place, process)
    getattr(server, how)()
    (tmp_path / "go").touch()
    time.sleep(1)
    server.start()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "cannot be reached: trying again in 0.5 s" in err
    assert not any(part in out + err for part in ("s3cr3t", "w0rd"))
    found = load_run("mine", place)
    assert (found.status, history(found)) == ("finished", history(slow_whole))
    assert counts(place) == (sum(r.source != "memo" for r in slow_whole.rows), 160)


@pytest.mark.slow
def test_a_server_that_stays_away(server: Any, slow_whole: RunData, tmp_path: Path) -> None:
    place = server.url()
    process = search_on(tmp_path, place, "0.1 0.2 0.3")
    wait_for_rows(place, process)
    server.stop()
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    sentence = one_sentence(out + err)
    assert "check that the server runs" in sentence
    assert "what was recorded is kept: go on with `nas-gym resume mine" in sentence
    assert err.count("cannot be reached: trying again") == 3
    server.start()
    cut = load_run("mine", place)
    assert cut.status == "cut"
    assert 16 <= len(cut.rows) < 160
    trusted = ("--trust", "slow_parts", "--workers", "1", "--store", place)
    resumed = command(tmp_path, "1", "resume", "mine", *trusted)
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    found = load_run("mine", place)
    assert found.rows[: len(cut.rows)] == cut.rows
    assert history(found) == history(slow_whole)
    assert counts(place) == (sum(r.source != "memo" for r in slow_whole.rows), 160)


@pytest.mark.slow
def test_a_wrong_password(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (server.url(password="w0rd"), server.url(password=None, username="nobody")):
        sentence = shown_by(capsys, "report", "mine", "--store", place)
        assert "password" in sentence
        assert "check that the server runs and the URL is right" in sentence


@pytest.mark.slow
def test_databases_of_other_encodings(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    address = sa.make_url(server.url()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("sql_ascii", "latin1"):
            made = f"CREATE DATABASE {name} ENCODING '{name}' TEMPLATE template0"
            connection.execute(sa.text(f"{made} LC_COLLATE 'C' LC_CTYPE 'C'"))
    engine.dispose()
    place = server.url(database="sql_ascii")
    with Store(place) as store:
        begin_run(store, "mine", CONFIG | {"text": "π"}, env_spec='{"id": "π"}')
        assert store.load_run("mine").env_spec == '{"id": "π"}'
    sentence = shown_by(capsys, "search", *CHEAP, "--store", server.url(database="latin1"))
    assert "its encoding is LATIN1: make one with CREATE DATABASE" in sentence


@pytest.mark.slow
def test_a_server_that_goes_away_again_and_again(
    server: Any, whole: RunData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment: what it says was written is written once."""
    monkeypatch.setattr(database, "RETRY_PAUSES", (0.1,) * 2000)
    place = server.url()

    def shake() -> None:
        for _ in range(8):
            server.stop()
            server.start()
            time.sleep(0.2)

    thread = threading.Thread(target=shake)

    class Sleeps(Once):
        def evaluated(self, answer: Any, seed: int) -> None:
            if thread.ident is None:
                thread.start()
            time.sleep(0.05)

    watcher = Sleeps(0, lambda: None)
    nas_gym.search(*PARTS, budget=48, num_envs=2, run="mine", store=place, watcher=watcher)
    thread.join()
    found = load_run("mine", place)
    assert (found.status, history(found)) == ("finished", history(whole))
    assert counts(place) == (sum(r.source != "memo" for r in whole.rows), 48)

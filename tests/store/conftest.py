"""Every kind of database: a SQLite file, and a PostgreSQL server if one is given.

A server of its own, which may be stopped, is made if PostgreSQL is installed. ``stores`` fills
stores with runs, and knows the commands on them.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.cli.main import main
from nas_gym.store import Store

POSTGRES = os.environ.get("NAS_GYM_TEST_POSTGRES")  # URL of a server that tests may write to


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new store can be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "folder" / "store.sqlite")
        return
    yield from new_schema()


@pytest.fixture
def server_place() -> Iterator[str]:
    """Where a new store can be made, in the server."""
    yield from new_schema()


def new_schema() -> Iterator[str]:
    if POSTGRES is None:
        pytest.skip("NAS_GYM_TEST_POSTGRES names no server")
    schema = f"nas_gym_{uuid.uuid4().hex}"
    url = sa.make_url(POSTGRES)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    options = {"options": f"-csearch_path={schema}"}
    yield url.update_query_dict(options).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sa.schema.DropSchema(schema, cascade=True))
    engine.dispose()


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with Store(place) as opened:
        yield opened


def free_port() -> int:
    """Return one that nobody listens at now, below those that the system gives to anybody."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


class Server:
    """A PostgreSQL server of our own, with a password."""

    password = "s3cr3t:w0rd"

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.port = free_port()
        (folder / "password").write_text(self.password)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        self._run("initdb", "-N", "-A", "scram-sha-256", "--pwfile", str(folder / "password"))

    def url(self, **parts: object) -> str:
        """Of its one database; ``parts`` are those of a SQLAlchemy URL."""
        known = {"username": "postgres", "password": self.password, "host": "127.0.0.1"}
        known |= {"port": self.port, "database": "postgres"}
        url = sa.URL.create("postgresql", **known | parts)  # type: ignore[arg-type]
        return url.render_as_string(hide_password=False)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self.folder / "log")
        for _ in range(200):  # after a kill its processes take a moment to end
            if self._run("pg_ctl", "-w", "-l", log, "-o", options, "start", check=False):
                return
            time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def kill(self) -> None:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    def _run(self, program: str, *arguments: str, check: bool = True) -> bool:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(self.programs / program), "-D", str(self.folder / "data")]
        done = subprocess.run(
            [*command, *arguments], cwd="/", check=check, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode == 0


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not installed or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp())
    try:
        try:
            made = Server(installed[-1], folder)
        except (subprocess.CalledProcessError, LookupError, OSError):
            pytest.skip("PostgreSQL cannot be run here")
        made.start()
        yield made
        made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(own_server: Server) -> Iterator[Server]:
    """Running, and with nothing in it; a test may stop and start it."""
    yield own_server
    own_server._run("pg_ctl", "status", check=False) or own_server.start()
    engine = sa.create_engine(sa.make_url(own_server.url()).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine.dispose()


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Of 4 MiB; ``remount`` makes it read-only (``ro``) or another ``size``."""
    folder = Path(tempfile.mkdtemp())
    options = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(options, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        folder.rmdir()
        pytest.skip("this user may not mount a file system")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


KILLED = """
import os, signal, sys
import nas_gym

class Kill:
    left = 11
    def started(self): pass
    def replayed(self, first, answers): pass
    def requested(self, first, answers): pass
    def evaluated(self, answer, seed):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

parts = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
nas_gym.search(*parts, budget=20, run="first", store=sys.argv[1])
nas_gym.search(*parts, budget=16, seed=1, run="cut", store=sys.argv[1], watcher=Kill())
"""


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


class Stores:
    """Stores with runs in them, and commands on any store.

    A command's last argument, the store, is still to be added.
    """

    cheap = ("--evaluator", "landscape", "--agent", "random-search", "--set", "space.blocks=2",
             "--workers", "1")  # fmt: skip
    search = ("search", *cheap, "--budget", "8", "--run", "new", "--store")
    report = ("report", "first", "--json", "--store")
    resume = ("resume", "cut", "--workers", "1", "--store")
    list_ = ("list", "--store")
    commands = {"search": search, "report": report, "list": list_, "resume": resume}  # noqa: RUF012
    parts: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def refused(self, *arguments: Any) -> str:
        """The one sentence that a command ends with."""
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        shown = self.capsys.readouterr()
        assert exit_.value.code == 2, shown.err
        return self.one_sentence(shown.err)

    @staticmethod
    def one_sentence(stderr: str) -> str:
        assert "Traceback" not in stderr
        (sentence,) = (line for line in stderr.splitlines() if line.startswith("nas-gym: "))
        assert stderr.endswith(f"{sentence}\n")
        return sentence

    @staticmethod
    def succeeded(*arguments: Any) -> None:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        assert exit_.value.code in (0, None)

    def fill(self, path: Path, budget: int = 20) -> Path:
        """A store with a finished run ``first`` and a cut one ``cut``."""
        nas_gym.search(*self.parts, budget=budget, run="first", store=path)
        with pytest.raises(SystemExit):
            nas_gym.search(*self.parts, budget=16, seed=1, run="cut", store=path, watcher=Cut(11))
        return path

    @staticmethod
    def killed(path: Path) -> Path:
        """Fill a store in a process that is killed: its last rows are in the write-ahead log."""
        died = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert died.returncode == -signal.SIGKILL
        assert Path(f"{path}-wal").stat().st_size > 0
        return path


@pytest.fixture(scope="session")
def cut() -> type[Cut]:
    """A watcher: ``cut(5)`` ends a search after five evaluations."""
    return Cut


@pytest.fixture
def stores(capsys: pytest.CaptureFixture[str]) -> Stores:
    return Stores(capsys)


@pytest.fixture
def filled(stores: Stores, tmp_path: Path) -> Path:
    return stores.fill(tmp_path / "store.sqlite")

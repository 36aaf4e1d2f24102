"""Every kind of database: a SQLite file, and a PostgreSQL server where one is given.

A server of its own, which may be stopped, is made where PostgreSQL is installed.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

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


class Server:
    """A PostgreSQL server of our own, with a password."""

    password = "s3cr3t:w0rd"

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
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
        for _ in range(20):  # after a kill its processes take a moment to end
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

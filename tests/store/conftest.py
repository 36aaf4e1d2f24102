"""Every kind of database: a SQLite file, and a PostgreSQL server where one is given."""

import os
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

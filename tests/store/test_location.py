import pytest

from nas_gym.errors import StoreError
from nas_gym.store.location import is_url, resume_command, shown_store


@pytest.mark.parametrize("path", ["runs/store.sqlite", "postgres.sqlite", "postgres/a.sqlite", "."])
def test_paths(path: str) -> None:
    assert not is_url(path)
    assert shown_store(path) == path


@pytest.mark.parametrize("url", ["postgresql:/host/x", "postgres:host", "postgresql+psycopg:x"])
def test_urls_that_are_not_quite(url: str) -> None:
    with pytest.raises(StoreError, match="write it as postgresql://"):
        shown_store(url)


def test_commands_find_the_store_and_show_no_password() -> None:
    assert resume_command("r", "runs/store.sqlite") == "nas-gym resume r"
    assert resume_command("r", "my runs/s.sqlite") == "nas-gym resume r --store 'my runs/s.sqlite'"
    url = "postgresql://me:secret@host/db?sslpassword=secret"
    command = resume_command("r", url)
    assert command == "nas-gym resume r --store postgresql://me@host/db"
    assert "secret" not in shown_store(url)
    assert "***" in shown_store(url)

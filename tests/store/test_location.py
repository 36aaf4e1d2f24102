from pathlib import Path

import pytest

from nas_gym.errors import StoreError
from nas_gym.store.location import (
    DEFAULT_STORE,
    check_place,
    file_of,
    folder_beside,
    is_url,
    resume_command,
    run_command,
    shown_store,
)


@pytest.mark.parametrize("path", ["runs/store.sqlite", "postgres.sqlite", "postgres/a.sqlite", "."])
def test_paths(path: str) -> None:
    assert not is_url(path)
    assert shown_store(path) == path


@pytest.mark.parametrize("url", ["postgresql:/host/x", "postgres:host", "postgresql+psycopg:x"])
def test_urls_that_are_not_quite(url: str) -> None:
    with pytest.raises(StoreError, match="write it as postgresql://"):
        shown_store(url)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (":memory:", "keep nothing"),
        ("file:x?mode=ro", "path of the file by itself"),
        ("sqlite:x", "path of the file by itself"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///x?mode=ro", "names no file"),
        ("/", "is not a file"),
        ("/dev/null/x", "/dev/null is not a folder"),
    ],
)
def test_what_no_store_can_be_is_refused(store: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        check_place(store)


def test_every_name_of_a_file_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/me")
    for store in (
        "~/x.sqlite",
        Path("~/x.sqlite"),
        "sqlite:///~/x.sqlite",
        "sqlite:////me/x.sqlite",
    ):
        assert file_of(store) == Path("/me/x.sqlite")
        assert folder_beside(store) == Path("/me")
        assert resume_command("r", store) == "nas-gym resume r --store /me/x.sqlite"
    for name in ("a b", "x?y#z%41", "-x", "x[/lab]", "postgres.sqlite"):
        assert file_of(name) == Path(name)


def test_commands_find_the_store_and_show_no_password() -> None:
    assert resume_command("r", "runs/store.sqlite") == "nas-gym resume r"
    assert resume_command("r", "my runs/s.sqlite") == "nas-gym resume r --store 'my runs/s.sqlite'"
    url = "postgresql://me:secret@host/db?sslpassword=secret"
    command = resume_command("r", url)
    assert command == "nas-gym resume r --store postgresql://me@host/db"
    assert "secret" not in shown_store(url)
    assert "***" in shown_store(url)


def test_the_command_that_goes_on_names_the_users_modules() -> None:
    parts = {
        "space": {"name": "my_parts:Space"},
        "evaluator": {"name": "training"},
        "agent": {"name": "their.agents:Agent/small"},
        "reward": {"name": "my_parts:Reward"},
        "budget": 3,
    }
    command = resume_command("r", "runs/store.sqlite", parts)
    assert command == "nas-gym resume r --trust my_parts --trust their.agents"
    for name, trust in {
        "report": " --trust my_parts --trust their.agents",
        "export": " --trust my_parts --trust their.agents",
        "train": " --trust my_parts",
        "validate": " --trust my_parts",
    }.items():
        assert run_command(name, "r", parts) == f"nas-gym {name} r{trust}"
    made = "nas_gym.evaluators.workers.engines.naming:FromFactory"
    engine = {"executor": {"name": made, "factory": "my_cluster:client"}}
    assert resume_command("r", DEFAULT_STORE, engine) == "nas-gym resume r --trust my_cluster"
    own_loop = {"space": "mine", "evaluator": {"name": "none of ours"}, "agent": None}
    assert resume_command("r", "runs/store.sqlite", own_loop) == "nas-gym resume r"

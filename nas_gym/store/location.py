"""The names of a store, a path or a URL, and how messages show them."""

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from nas_gym.errors import StoreError
from nas_gym.options import check

if TYPE_CHECKING:  # loaded for URLs only: a path needs none of it
    import sqlalchemy as sa

DEFAULT_STORE = Path("runs") / "store.sqlite"
_SERVER = re.compile(r"postgres\w*(\+\w+)?:")
SECRETS = ("password", "sslpassword")  # options of a URL that no message may show


def check_store(store: object, run: object = "") -> None:
    """Raise InvalidOption unless ``store`` is a path or a text, and ``run`` a text."""
    check("store", store, str | Path)
    check("run", run, str)


def is_url(store: str | Path) -> bool:
    """Return whether ``store`` is a database URL, well written or not, and not a path."""
    return isinstance(store, str) and ("://" in store or _SERVER.match(store) is not None)


def shown_store(store: str | Path) -> str:
    """Return a path or URL as messages may show it: without a password.

    Raises:
        StoreError: The URL cannot be read.
    """
    return without_secrets(url_of(str(store))) if is_url(store) else str(store)


def resume_command(run: str, store: str | Path) -> str:
    """Return the command that goes on with a run."""
    return f"nas-gym resume {run}{store_option(store)}"


def store_option(store: str | Path) -> str:
    """Return the option with which a command finds the store, after a space; without a password.

    (``PGPASSWORD`` or ``~/.pgpass`` gives it.)
    """
    shown = str(store)
    if is_url(store):
        import sqlalchemy as sa

        url = url_of(shown).difference_update_query(SECRETS)
        plain = sa.URL.create(  # url.set(password=None) would keep it
            url.drivername,
            username=url.username,
            host=url.host,
            port=url.port,
            database=url.database,
            query=url.query,
        )
        shown = plain.render_as_string()
    return "" if shown == str(DEFAULT_STORE) else f" --store {shlex.quote(shown)}"


def folder_beside(store: str | Path) -> Path:
    """Return the folder for files about runs: that of a database file, or of the default store."""
    return DEFAULT_STORE.parent if is_url(store) else Path(store).parent


def check_there(store: str | Path) -> None:
    """Raise StoreError if ``store`` is a path and there is nothing."""
    if is_url(store):
        return
    try:
        os.stat(store)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"there is no results database {store}: run a search first, or name another with "
            "--store"
        ) from None
    except OSError:
        pass  # whoever opens it says why that is not possible


def url_of(text: str) -> "sa.URL":
    """Read a URL; raise StoreError if that is not possible."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is not None and url.drivername == "postgres":  # as libpq lets people write
        url = url.set(drivername="postgresql")
    if url is None or "@" in (url.host or ""):  # not shown: its password cannot be told apart
        raise StoreError(
            f"the given {text.partition(':')[0]} URL of a database cannot be read: write it as "
            "postgresql://user:password@host:5432/database, with any of : / @ in the password as "
            "%3A %2F %40"
        ) from None
    return url


def without_secrets(url: "sa.URL") -> str:
    """Return the URL as messages may show it."""
    hidden = {name: "***" for name in SECRETS if name in url.query}
    return url.update_query_dict(hidden).render_as_string()

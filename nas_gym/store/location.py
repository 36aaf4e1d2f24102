"""The names of a store, a path or a URL, and how messages show them."""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidOption, StoreError
from nas_gym.options import check
from nas_gym.options.paths import user_path

if TYPE_CHECKING:  # loaded for URLs only: a path needs none of it
    import sqlalchemy as sa

DEFAULT_STORE = Path("runs") / "store.sqlite"
_SERVER = re.compile(r"postgres\w*(\+\w+)?:")
# The parts that a command about a run imports; others import all.
_IMPORTED = {
    "report": ("space", "agent"),  # drawings; the agent's objectives
    "export": ("space", "agent"),
    "train": ("space",),
    "validate": ("space", "evaluator"),
}
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?<!\.)")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows's own names
SECRETS = ("password", "sslpassword")  # options of a URL that no message may show
# SQLAlchemy takes anything but @ for a part of a password; people write that as well.
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*@", re.DOTALL)
_SECRET = re.compile(rf"(?<=[?&])({'|'.join(SECRETS)})=[^&]*&?", re.IGNORECASE)


def is_run_name(name: object) -> bool:
    """Return whether ``name`` can name a run, whose files lie in a folder of that name."""
    named = isinstance(name, str) and _RUN_NAME.fullmatch(name) and not _DEVICES.fullmatch(name)
    return bool(named)


def checked_run_name(name: str) -> str:
    """Return ``name``; raise InvalidOption if it cannot name a row and a folder."""
    if not is_run_name(name):
        raise InvalidOption(
            f"the run name {name!r} cannot name a folder on every system: use up to 100 letters, "
            "digits, '.', '_' and '-', starting with a letter or digit and not ending with '.', "
            "and none of Windows's own names such as 'con'"
        )
    return name


def check_store(store: object, run: object = "") -> None:
    """Raise InvalidOption unless ``store`` is a path or a text, and ``run`` a text."""
    check("store", store, str | Path)
    check("run", run, str)


def is_url(store: str | Path) -> bool:
    """Return whether ``store`` is a database URL, well written or not, and not a path."""
    return isinstance(store, str) and ("://" in store or _SERVER.match(store) is not None)


def file_of(store: str | Path) -> Path | None:
    """Return the file that ``store`` means, as a path or as ``sqlite:///path``; None for a server.

    Raises:
        InvalidOption: It is no path (see ``nas_gym.options.paths.user_path``).
        StoreError: It is a URL that cannot be read, or SQLite's notation for what is no file.
    """
    if is_url(store):
        url = url_of(str(store))
        if url.drivername.partition("+")[0] != "sqlite":
            return None
        if not url.database or url.query or url.host or url.database == ":memory:":
            raise StoreError(f"{without_secrets(url)} names no file: give the path of a file")
        return user_path(url.database, "store")
    if str(store) == ":memory:":
        raise StoreError("a store :memory: would keep nothing: name a file with store=…")
    if isinstance(store, str) and store.startswith(("file:", "sqlite:")):
        raise StoreError(f"{store!r} is no URL of a store: give the path of the file by itself")
    return user_path(store, "store")


def check_place(store: str | Path) -> None:
    """Raise StoreError if there can be no such store; opens and makes nothing.

    Its folder may be missing: it is made with the store.
    """
    path = file_of(store)
    if path is None:
        return
    for place in (path, *path.parents):
        try:
            found = os.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise StoreError(
                f"the results database {path} cannot be opened ({error.strerror}): check the path "
                "and its permissions, or name another with store=…"
            ) from error
        if place == path and not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} is not a file: name a file with store=…")
        if place != path and not stat.S_ISDIR(found.st_mode):
            raise StoreError(f"{place} is not a folder: name a file with store=…")
        return


def shown_store(store: str | Path) -> str:
    """Return a path or URL as messages may show it: without a password.

    Raises:
        StoreError: The URL cannot be read.
    """
    path = file_of(store)
    return without_secrets(url_of(str(store))) if path is None else str(path)


def place_in_words(store: str | Path) -> str:
    """Return ``shown_store``, and which folder has to be made for it: a name may be mistyped.

    That of the default store goes without saying.
    """
    path = file_of(store)
    if path is None or path == DEFAULT_STORE:
        return shown_store(store)
    missing = [folder for folder in path.parents if not folder.exists()]
    return f"{path}, in the new folder {missing[-1]}" if missing else str(path)


def resume_command(run: str, store: str | Path, parts: Mapping[str, Any] | None = None) -> str:
    """Return the command that goes on with a run; see ``run_command``."""
    return run_command("resume", run, parts or {}, store)


def run_command(
    command: str, run: str, parts: Mapping[str, Any], store: str | Path = DEFAULT_STORE
) -> str:
    """Return a command about a run that can be copied: it names what it needs.

    Args:
        command: E.g. ``"resume"``.
        run: The run's name.
        parts: What it is made of, as JSON data by kind, so that ``--trust`` names the user's own
            modules that the command imports; other keys are passed over.
        store: Where the run is.
    """
    from nas_gym.registry import modules_to_trust, trust_option

    kinds = _IMPORTED.get(command, tuple(parts))
    trust = trust_option(modules_to_trust({kind: parts.get(kind) for kind in kinds}))
    return f"nas-gym {command} {run}{store_option(store)}{trust}"


def store_option(store: str | Path) -> str:
    """Return the option with which a command finds the store, after a space; without a password.

    (``PGPASSWORD`` or ``~/.pgpass`` gives it.)
    """
    path = file_of(store)
    shown = str(path)
    if path is None:
        import sqlalchemy as sa

        url = url_of(str(store)).difference_update_query(SECRETS)
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


def passwords_removed(argument: str) -> str:
    """Return an argument of a command without the passwords of URLs in it, as ``store_option``.

    Of what cannot be read as a URL rather too much is left out than too little.
    """
    if "://" not in argument:
        return argument
    return _SECRET.sub("", _PASSWORD.sub(r"\1@", argument))


def folder_beside(store: str | Path) -> Path:
    """Return the folder for files about runs: that of a database file, or of the default store."""
    path = file_of(store)
    return DEFAULT_STORE.parent if path is None else path.parent


def run_meant(given: str | Path, store: str | Path = DEFAULT_STORE) -> str:
    """Return the name of the run that a name, or the folder of a run's files, stands for."""
    place = Path(given)
    return place.name if place.parent == folder_beside(store) else str(given)


def check_there(store: str | Path) -> None:
    """Raise StoreError if ``store`` is a path and there is nothing."""
    path = file_of(store)
    if path is None:
        return
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"there is no results database {path}: run a search first, or name another with store=…"
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

"""The results database: all runs, their evaluations and the ordered requests of each.

``store`` opens one and reads its runs, with ``queries`` and ``rows``; ``run_data`` is what comes
back. ``begin`` begins a run and goes on with it, ``recorder`` writes it. ``claims`` keep two runs
from the same training, ``locks`` say which runs are alive. ``schema`` has the tables,
``migrations`` makes them and checks their version. ``location`` knows paths and URLs, ``database``
is the connection to one, ``sqlite`` has what is special about a file.

What protects a record: SQLite's integrity check when a file is opened, and a checksum in every row
of a run, which is checked whenever the run is read. A changed byte is therefore an error and never
a result. One place is different: in the log of a process that was killed (``-wal``), SQLite drops
what follows a changed byte, so that the run ends earlier, as if it had been cut there.

The names below are imported when they are first used: most need SQLAlchemy.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.store.begin import start_run
    from nas_gym.store.location import DEFAULT_STORE, folder_beside
    from nas_gym.store.recorder import RunRecorder
    from nas_gym.store.run_data import Row, RunData
    from nas_gym.store.schema import SCHEMA_VERSION
    from nas_gym.store.store import Store, load_run

__all__ = [
    "DEFAULT_STORE",
    "SCHEMA_VERSION",
    "Row",
    "RunData",
    "RunRecorder",
    "Store",
    "folder_beside",
    "load_run",
    "start_run",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "DEFAULT_STORE": "location",
        "Row": "run_data",
        "RunData": "run_data",
        "RunRecorder": "recorder",
        "SCHEMA_VERSION": "schema",
        "Store": "store",
        "folder_beside": "location",
        "load_run": "store",
        "start_run": "begin",
    },
)

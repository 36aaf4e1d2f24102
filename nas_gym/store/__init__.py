"""The results database: all runs, their evaluations and the ordered requests of each.

``store`` opens one, ``journal`` writes a run, ``rows`` is what comes back; ``schema`` has the
tables, ``database`` the connection, ``locks`` says which runs are alive, ``migrations`` brings
older files up to date.
"""

from nas_gym.store.journal import RunRecord
from nas_gym.store.rows import Row, RunData
from nas_gym.store.schema import SCHEMA_VERSION
from nas_gym.store.store import DEFAULT_STORE, Store, folder_beside, load_run, start_run

__all__ = [
    "DEFAULT_STORE",
    "SCHEMA_VERSION",
    "Row",
    "RunData",
    "RunRecord",
    "Store",
    "folder_beside",
    "load_run",
    "start_run",
]

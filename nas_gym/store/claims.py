"""Claims, which keep two runs of one store from training the same child at once.

A claim says that a run has begun with a training. Whoever else needs the result waits for it, or
takes the claim over if the process of that run has died.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from nas_gym.envs.recorder import Claim
from nas_gym.evaluators.evaluation import ChildKey, Job
from nas_gym.store.database import Database
from nas_gym.store.locks import RunLocks
from nas_gym.store.schema import CLAIMS, EVALUATIONS

SHARED_FAILURES = (None, "diverged")  # others depend on the machine and its limits
CHUNK = 500  # keys in one query
Row = dict[str, Any]
_child = itemgetter("key", "seed", "epochs")
_BY_KEY = {
    table: sa.select(table).where(
        table.c.protocol_id == sa.bindparam("protocol"),
        table.c.key.in_(sa.bindparam("keys", expanding=True)),
    )
    for table in (EVALUATIONS, CLAIMS)
}


class Claims:
    """The claims of one run, and the evaluations of all runs of its protocol.

    Args:
        database: Has them.
        locks: Say which runs are alive.
        run_id: The run.
        protocol_id: What its evaluations depend on beside architecture and seed.
    """

    def __init__(self, database: Database, locks: RunLocks, run_id: int, protocol_id: int) -> None:
        self.database = database
        self.locks = locks
        self.run_id = run_id
        self.protocol_id = protocol_id
        self._insert = database.prepared_insert(CLAIMS)
        self._delete = database.prepared_delete(CLAIMS, [c.name for c in CLAIMS.columns])

    def take(self, jobs: Sequence[Job]) -> list[Row | Claim]:
        """Return for each job the row of its evaluation, if any run has it; else who trains it."""
        # A claim that a power failure undoes costs nothing but a training.
        return self.database.write(lambda c: self._take(c, jobs), durable=False)

    def release(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Drop the claims for these rows of evaluations, in the transaction that writes them."""
        self._delete.execute(connection, rows)

    def take_over(self, job: Job) -> bool:
        """Take ``job`` over from a run that is dead; return whether it is ours now."""
        where = (
            CLAIMS.c.protocol_id == self.protocol_id,
            CLAIMS.c.key == job.architecture.key,
            CLAIMS.c.seed == job.seed,
            CLAIMS.c.epochs == job.fidelity.epochs,
        )
        query = sa.select(CLAIMS.c.run_id).where(*where)
        owner = self.database.read(lambda c: c.execute(query).scalar())
        if owner is None or owner == self.run_id or self.locks.is_alive(owner):
            return False
        lock = self.locks.take(owner)  # so that nobody goes on with that run meanwhile
        if lock is None:
            return False
        change = CLAIMS.update().where(*where, CLAIMS.c.run_id == owner)
        taken = change.values(run_id=self.run_id)
        try:
            return self.database.write(lambda c: c.execute(taken).rowcount) == 1
        finally:
            lock.release()

    def _take(self, connection: sa.Connection, jobs: Sequence[Job]) -> list[Row | Claim]:
        wanted = [job.child for job in jobs]
        own = {"protocol_id": self.protocol_id, "run_id": self.run_id}
        claims = [
            {**own, "key": key, "seed": seed, "epochs": epochs}
            for key, seed, epochs in sorted(wanted)  # in one order for all, or two runs could block
        ]
        # First, so that whoever writes an evaluation at this moment is waited for.
        inserted = self._insert.execute(connection, claims)
        found: dict[ChildKey, Row | Claim] = {}
        for row in self._by_key(connection, EVALUATIONS, wanted):
            if row["failure"] in SHARED_FAILURES:
                found.setdefault(_child(row), row)
        known = [claim for claim in claims if _child(claim) in found]
        if known:
            self._delete.execute(connection, known)
        ours = set(wanted)
        if inserted < len(claims):
            rows = self._by_key(connection, CLAIMS, wanted)
            ours = {_child(row) for row in rows if row["run_id"] == self.run_id}
        # A job is ours only by our claim. In a server, every query sees what was committed before
        # it: a run that writes its evaluation between two of them has neither here. Who waits for
        # it finds it.
        return [found.get(job, Claim.OURS if job in ours else Claim.THEIRS) for job in wanted]

    def _by_key(
        self, connection: sa.Connection, table: sa.Table, jobs: Iterable[ChildKey]
    ) -> Iterator[Row]:
        keys = sorted({key for key, _, _ in jobs})
        for first in range(0, len(keys), CHUNK):
            chosen = {"protocol": self.protocol_id, "keys": keys[first : first + CHUNK]}
            for row in connection.execute(_BY_KEY[table], chosen):
                yield row._asdict()

"""Values that a database changes or does not take, and work that is done twice."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from nas_gym.envs.ledger import Ledger
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import StoreError
from nas_gym.evaluators.evaluation import Evaluation, Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.store import Store
from nas_gym.store.begin import begin_run
from nas_gym.store.schema import EVALUATIONS
from nas_gym.testing.spaces import BitString


def test_texts_and_numbers_that_no_database_keeps(store: Store) -> None:
    """SQLite has no negative zero, PostgreSQL no text with a zero, neither half a character."""

    class Odd:
        stateful = False

        def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
            for i, each in enumerate(architectures):
                if i:
                    yield Evaluation(each, {"accuracy": -0.0}, seconds=-0.0)
                else:
                    yield Evaluation(each, failure="error: \0", detail="a \udc80 b \0 ü")

        def close(self) -> None:
            pass

    record = begin_run(store, "mine", {"budget": 2})
    ledger = Ledger(Odd(), lambda evaluation: -0.0, record=record)
    ledger.request([architecture_of(BitString(2), tokens) for tokens in ((0, 1), (1, 0))])
    failed, fine = store.load_run("mine").rows
    assert (failed.failure, failed.detail) == (r"error: \x00", r"a \udc80 b \x00 ü")
    assert (fine.reward, fine.seconds, fine.metrics) == (0.0, 0.0, {"accuracy": 0.0})


def test_what_was_written_may_be_written_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server can go away between its writing and its saying so; the work is then tried again."""
    write = store.database.write

    def twice(work: Any, **options: Any) -> Any:
        write(work, **options)
        return write(work, **options)

    monkeypatch.setattr(store.database, "write", twice)
    space = BitString(4)
    record = begin_run(store, "mine", {"budget": 20}, protocol={"space": "bits"})
    with pytest.raises(StoreError, match="there is a run 'mine'"):
        begin_run(store, "mine", {"budget": 20, "seed": 1})
    env = NASVectorEnv(space, Landscape(space), record=record)
    env.reset(seed=0)
    rounds = [[random_tokens(space, env.np_random) for _ in range(4)] for _ in range(5)]
    played = [answer for each in rounds for answer in env.play(each)]
    validation = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
    for seed in (7, 8):
        store.save_validation("mine", replace(validation, seed=seed))
    record.finish("finished")
    run = store.load_run("mine")
    assert [(r.tokens, r.reward) for r in run.rows] == [(a.tokens, a.reward) for a in played]
    assert [each.seed for each in run.validations] == [7, 8]
    count = sa.select(sa.func.count()).select_from(EVALUATIONS)
    keys = {row.key for row in run.rows}
    assert store.database.read(lambda c: c.execute(count).scalar()) == len(keys)

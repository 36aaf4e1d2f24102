"""The command that measures proxies in searches: what it tabulates."""

from pathlib import Path

from benchmarks.learning import proxies_in_search
from nas_gym.benchmark import chunks
from nas_gym.benchmark.suite import Suite
from nas_gym.benchmark.trials import run_chunk
from nas_gym.registry import make


def test_agents_are_compared_with_themselves_alone(tmp_path: Path) -> None:
    entries, pairs = proxies_in_search.entries(["genetic", "predictor-evolution"], 50, "x.jsonl")
    assert [entry.label for entry in entries] == [
        "genetic", "genetic, first", "genetic, filter", "predictor-evolution",
        "predictor-evolution, first", "predictor-evolution, filter",
        "predictor-evolution, features", "predictor-evolution, features, early",
    ]  # fmt: skip
    assert set(pairs.values()) == {"genetic", "predictor-evolution"}
    for entry in entries:
        make("agent", entry.agent)
    suite = Suite(
        "x", "x", tuple(entries[:1]), proxies_in_search.tables(["cifar10"]), seeds=3, budget=9,
        checkpoints=(4, 9),
    )  # fmt: skip
    (unit,) = chunks.units(suite, tmp_path)
    chunks.write(run_chunk(unit.chunk), unit.file)
    found = proxies_in_search.recommended([unit])
    assert found["genetic", "cifar10"].shape == (3, 2)
    better = found["genetic", "cifar10"] + 1
    both = {**found, ("genetic, first", "cifar10"): better}
    told: dict[tuple[str, int], list[tuple[float, bool]]] = {}
    page = proxies_in_search.table_of(suite, "cifar10", both, {"genetic, first": "genetic"}, told)
    assert "(+1.00 ± 0.00)" in page
    assert told == {("first", 0): [(1.0, False)], ("first", 1): [(1.0, False)]}  # of three seeds
    row = "| first | +1.00 (0 better, 0 worse of 1) | +1.00 (0 better, 0 worse of 1) |"
    assert row in proxies_in_search.summary_of(suite, told)

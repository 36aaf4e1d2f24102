"""Whatever evaluates: other test figures change nothing that an agent can see."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_gym
from nas_gym.errors import InvalidOption
from nas_gym.plugins import names
from nas_gym.registry import make
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.grammar import tokens_of
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import load_run
from nas_gym.testing import BitString
from nas_gym.training.images.sources import load_dataset

Pair = tuple[Any, tuple[int, ...], Any, Any]  # space, an architecture, two evaluators


def digits_and_wrong() -> list[Any]:
    """Digits, and digits whose test part is noise under wrong labels."""
    digits = load_dataset("digits")
    assert digits.test_images is not None
    assert digits.test_labels is not None
    wrong = replace(
        digits,
        test_images=digits.test_images.flip(0),
        test_labels=(digits.test_labels + 1) % digits.classes,
    )
    return [digits, wrong]


def training(folder: Path) -> Pair:
    space, recipe = NASNetCell(blocks=1), {"name": "quick", "epochs": 1}
    made = [
        make("evaluator", {"name": "training", "dataset": data, "recipe": recipe}, space=space)
        for data in digits_and_wrong()
    ]
    return space, (0,) * space.max_length, *made


def zero_cost(folder: Path) -> Pair:
    space = NASNetCell(blocks=1)
    options = {"name": "zero-cost", "proxies": ["nwot", "snip"], "images": 4, "pool": 3}
    made = [
        make("evaluator", {**options, "dataset": data}, space=space) for data in digits_and_wrong()
    ]
    return space, (0,) * space.max_length, *made


def weight_sharing(folder: Path) -> Pair:
    space = NASNetCell(blocks=1)
    recipe = {"name": "supernet", "steps": 4, "filters": 2, "batch_size": 32}
    made = [
        make(
            "evaluator",
            {
                **{"name": "weight-sharing", "dataset": data, "recipe": recipe},
                "checkpoints": str(folder / str(number)),
            },
            space=space,
        )
        for number, data in enumerate(digits_and_wrong())
    ]
    return space, (0,) * space.max_length, *made


def table(folder: Path) -> Pair:
    space = BitString(3)
    made = []
    for name, test in (("a.csv", 0.25), ("b.csv", 0.75)):
        rows = [f'"{",".join(map(str, t))}",{sum(t) / 8},{test}' for t in enumerate_tokens(space)]
        (folder / name).write_text("\n".join(["architecture,accuracy,held_out", *rows]))
        spec = {"name": "table", "file": str(folder / name), "unit": "fraction", "form": "tokens"}
        made.append(make("evaluator", {**spec, "test": "held_out"}, space=space))
    assert [each.test_accuracy((0, 1, 1)) for each in made] == [0.25, 0.75]
    return space, (0, 1, 1), *made


def nats_bench(folder: Path) -> Pair:
    source = Path(__file__).parent / "evaluators" / "tables" / "test_nats_bench.py"
    spec = importlib.util.spec_from_file_location("nats_files", source)
    assert spec is not None
    assert spec.loader is not None
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    space, cell = NASBench201(), files.CELLS[0]
    made = []
    for name, more in (("a", 0.0), ("b", 30.0)):
        (folder / name).mkdir()
        data = files.results(cell, 0, 20.0)
        for schedule in data.values():
            for run in schedule["all_results"].values():
                accuracies = run["eval_acc1es"]
                accuracies |= {k: v + more for k, v in accuracies.items() if "test" in k}
        files.save(folder / name / "meta.pickle.pbz2", {"meta_archs": files.CELLS})
        files.save(folder / name / "000000.pickle.pbz2", data)
        made.append(
            make("evaluator", {"name": "nats-bench", "folder": str(folder / name)}, space=space)
        )
    tokens = tokens_of(space, space.genotype_from_json(cell))
    assert made[1].test_accuracy(tokens) == pytest.approx(made[0].test_accuracy(tokens) + 0.3)
    return space, tokens, *made


def without(space: Any, name: str) -> Callable[[Path], Pair]:
    """An evaluator that has no test figures."""
    evaluator = make("evaluator", name, space=space)
    return lambda folder: (space, (0,) * space.max_length, evaluator, evaluator)


def language_model(folder: Path) -> Pair:
    """A text, and the same with other words to test, of which training knows none."""
    space = RNNCell(base=2)
    lines = "the cat sat on the mat\nthe dog sat on the cat\n"
    recipe = {"epochs": 1, "batch_size": 4, "bptt": 5, "hidden": 4}
    made = []
    for name, test in (("a", lines), ("b", "strange words that nobody knows yet\n" * 3)):
        (folder / name / "text").mkdir(parents=True)
        for part, content in (("train", lines * 9), ("valid", lines), ("test", test)):
            (folder / name / "text" / f"{part}.txt").write_text(content)
        spec = {"name": "language-model", "dataset": str(folder / name / "text"), "recipe": recipe}
        made.append(make("evaluator", spec, space=space))
    assert made[0].data.fingerprint != made[1].data.fingerprint
    return space, (0,) * space.max_length, *made


MEASURED = ("trained", "proxy", "shared weights")  # sources whose seconds are of the clock
PAIRS: dict[str, Callable[[Path], Pair]] = {
    "training": training,
    "language-model": language_model,
    "table": table,
    "nats-bench": nats_bench,
    "nasbench201": without(NASBench201(), "nasbench201"),
    "landscape": without(BitString(3), "landscape"),
    "zero-cost": zero_cost,
    "weight-sharing": weight_sharing,
}


def test_every_evaluator_is_here() -> None:
    assert set(PAIRS) == set(names("evaluator"))


@pytest.mark.few(1)
@pytest.mark.parametrize("name", PAIRS)
def test_nothing_that_an_agent_sees_depends_on_test_figures(name: str, tmp_path: Path) -> None:
    space, tokens, *evaluators = PAIRS[name](tmp_path)
    seen = [(episode(space, e, tokens), round_of_two(space, e, tokens)) for e in evaluators]
    assert seen[0] == seen[1]
    assert "test" not in seen[0][0].lower() + seen[0][1].lower()
    assert "accuracy" in seen[0][0]


def episode(space: Any, evaluator: Any, tokens: tuple[int, ...]) -> str:
    """All that an episode of the environment shows."""
    env = gym.make("NASNetCell-v0", space=space, evaluator=evaluator)
    shown: list[object] = [env.reset(seed=0)]
    for token in tokens:
        observation, reward, terminated, truncated, info = env.step(token)
        if "evaluation" in info and info["evaluation"]["source"] in MEASURED:
            del info["evaluation"]["seconds"]
        shown += [observation, reward, terminated, truncated, info]
    assert terminated
    return repr(shown)


def round_of_two(space: Any, evaluator: Any, tokens: tuple[int, ...]) -> str:
    """All that a round of the vector environment shows, and ``play``."""
    env = gym.make_vec("NASNetCell-v0", num_envs=2, space=space, evaluator=evaluator)
    shown: list[object] = [env.reset(seed=0)]
    for token in tokens:
        *rest, infos = env.step(np.array([token, token]))
        for evaluation in infos.get("final_info", {}).get("evaluation", ()):
            del evaluation["seconds"]
        shown += [*rest, infos]
    shown += [(played.reward, dict(played.evaluation.metrics)) for played in env.play([tokens])]
    return repr(shown)


def test_validate_looks_a_table_up_after_the_search(tmp_path: Path) -> None:
    space, _, evaluator, _ = table(tmp_path)
    store = tmp_path / "store.sqlite"
    nas_gym.search(space, evaluator, "random-search", budget=30, run="r", store=store)
    run = load_run("r", store)
    saved: list[Any] = []
    found = validate(run, best=2, save=saved.append)
    first = found[0]
    assert (first.tokens, first.accuracy, first.test_accuracy) == ((1, 1, 1), 0.375, 0.25)
    assert saved == found
    (tmp_path / "a.csv").write_text((tmp_path / "b.csv").read_text())
    with pytest.raises(InvalidOption, match="has changed since its search"):
        validate(run)
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=3, run="n", store=store)
    with pytest.raises(InvalidOption, match="has no test accuracies"):
        validate(load_run("n", store))

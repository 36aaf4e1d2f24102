"""What every command of ``nas-gym`` prints and which files it writes, on small but real cases."""

import csv
import json
import os
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

COMMANDS = [
    *("search", "resume", "report", "validate", "export", "tabulate", "list", "describe"),
    *("benchmark", "train", "predict", "check", "ask-tell"),
]
LIMITS = ("--workers", "1", "--memory-limit", "4")  # the defaults depend on the machine
AGENTS = ("random-search", "regularized-evolution", "reinforce")
TABLE = ("--space", "nasbench201", "--evaluator", "nasbench201")

# Settings, in which trained children have no part.
SETTINGS = ("config", "protocol", "recipe", "task", "space", "agent", "evaluator", "dataset")


def stable(data: Any, trained: bool = False) -> Any:
    """Return ``data`` without what another day, version or processor changes.

    Times and versions are left out and numbers are rounded. Of children that were ``trained`` all
    measurements are left out, and so is the order that they bring.
    """
    if isinstance(data, dict):
        return {key: _stable_value(key, value, trained) for key, value in data.items()}
    if isinstance(data, list):
        items = [stable(item, trained) for item in data]
        if trained and items and all(isinstance(item, dict) and "tokens" in item for item in items):
            return sorted(items, key=lambda item: list(item["tokens"]))
        return items
    if isinstance(data, float):
        return "measured" if trained else round(data, 6)
    return data


def _stable_value(key: str, value: Any, trained: bool) -> Any:
    if key in ("started", "own_milliseconds"):
        return f"some {type(value).__name__}"
    if key == "versions":
        return sorted(value)
    if key in ("warnings", "facts") and trained:  # sentences with measurements
        return f"some {type(value).__name__}"
    if key == "rank" and trained:
        return "some rank"
    return stable(value, trained and key not in SETTINGS)


class Steps:
    """Runs one command after the other, and keeps what they show."""

    def __init__(self, run: Callable[..., Any], trained: bool = False) -> None:
        self.run = run
        self.trained = trained
        self.shown: dict[str, Any] = {}

    def json(self, name: str, *arguments: str, status: int = 0) -> Any:
        """Run a command with ``--json``; returns what it says."""
        shown = self.run(*arguments, "--json")
        assert shown.status == status, shown.err
        here = f"{os.getcwd()}{os.sep}"  # runs record absolute paths
        said = json.loads(shown.out.replace(here, ""))
        self.shown[name] = stable(said, self.trained)
        return said

    def text(self, name: str, *arguments: str) -> None:
        """Run a command as a person does."""
        shown = self.run(*arguments)
        assert shown.status == 0, shown.err
        self.shown[name] = undated(shown.out)

    def files(self, name: str, folder: str) -> None:
        """Keep the names of what is in a folder."""
        self.shown[name] = sorted(path.name for path in Path(folder).iterdir())

    def check(self, golden: Any, case: str) -> None:
        """Compare all of it with what is recorded."""
        for name, shown in self.shown.items():
            golden.check(f"commands-{case}", name, shown)
        assert set(golden.recorded(f"commands-{case}")) == set(self.shown)


def undated(text: str) -> list[str]:
    """Return the lines without dates, versions and the current folder."""
    text = text.replace(f"{os.getcwd()}{os.sep}", "")
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00", "DATE", text)
    text = re.sub(r"(?m)^\| versions \|.*", "| versions | VERSIONS |", text)
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture
def steps(nas_gym_command: Callable[..., Any]) -> Steps:
    return Steps(nas_gym_command)


@pytest.fixture
def trained(nas_gym_command: Callable[..., Any]) -> Steps:
    return Steps(nas_gym_command, trained=True)


# ---------------------------------------------------------------- tables


@pytest.mark.slow
def test_searches_of_a_table(steps: Steps, golden: Any) -> None:
    for agent in AGENTS:
        search = ("search", *TABLE, "--agent", agent, "--budget", "30", "--run", agent, *LIMITS)
        steps.json(agent, *search, "--seed", "4", "--top", "3")
    steps.text("report", "report", "reinforce", "--top", "2")
    steps.files("files", "runs/reinforce")
    steps.json("export", "export", "reinforce", "--best", "1", "--out", "exported")
    steps.shown["card"] = undated(Path("exported/best-1.md").read_text(encoding="utf-8"))
    steps.shown["list"] = stable(steps.json("list", "list")["runs"])
    steps.check(golden, "table")


@pytest.mark.slow
def test_a_search_with_many_options(steps: Steps, golden: Any) -> None:
    search = ["search", *TABLE, "--agent", "regularized-evolution", "--dataset", "cifar100"]
    search += ["--reward", "accuracy-cubed", "--num-envs", "3", "--child-seed", "7", *LIMITS]
    search += ["--budget-seconds", "90000", "--simulated-workers", "2", "--run", "simulated"]
    search += ["--set", "evaluator.seeds=random", "agent.population_size=5", "agent.sample_size=2"]
    steps.json("search", *search)
    steps.text("report", "report", "simulated")
    steps.check(golden, "options")


@pytest.mark.slow
def test_a_run_that_goes_on(steps: Steps, golden: Any) -> None:
    options = ("--agent", "genetic", "--run", "mine", *LIMITS)
    steps.json("begun", "search", *TABLE, *options, "--budget", "12")
    steps.json("resumed", "resume", "mine", "--budget", "40", "--workers", "1")
    again = ("search", *TABLE, *options, "--budget", "50", "--resume")
    steps.json("resumed by search", *again)
    steps.check(golden, "resume")


@pytest.mark.slow
def test_a_table_of_ones_own(steps: Steps, golden: Any) -> None:
    """With test figures, with several trainings, and with architectures that it does not have."""
    with open("mine.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", "one", "two", "hours", "size", "test"])
        for cell in product(range(5), repeat=6):
            number = sum(token * 7**place for place, token in enumerate(cell))
            if number % 6:
                one, test = 50 + number % 41, 49 + number % 43
                writer.writerow([" ".join(map(str, cell)), one, one + 1, number % 9, number, test])
    search = ["search", "--space", "nasbench201", "--evaluator", "mine.csv", "--agent", "nsga2"]
    search += ["--budget", "40", "--run", "mine", *LIMITS, "--set", "evaluator.unit=percent"]
    search += ["evaluator.form=tokens", "evaluator.architecture=cell", "evaluator.seconds=hours"]
    search += ['evaluator.accuracy=["one", "two"]', "evaluator.test=test", "evaluator.metrics=size"]
    steps.json("search", *search, "evaluator.missing=failure")
    steps.json("validate", "validate", "mine", "--best", "2", "--workers", "1")
    steps.text("validate in words", "validate", "mine", "--best", "2", "--workers", "1")
    steps.json("report", "report", "mine", "--top", "2")
    steps.text("report in words", "report", "mine", "--top", "2")
    steps.json("export", "export", "mine", "--best", "1")
    steps.files("files", "runs/mine")
    steps.shown["card"] = undated(Path("runs/mine/best-1.md").read_text(encoding="utf-8"))
    steps.check(golden, "own-table")


@pytest.mark.slow
def test_a_benchmark(steps: Steps, golden: Any) -> None:
    agents = ("--agents", "random-search,regularized-evolution,reinforce")
    options = ("--datasets", "cifar10", "--seeds", "3", "--budget", "12", "--workers", "1")
    line = ("benchmark", "rl-vs-evolution", *agents, *options, "--out", "out")
    steps.json("benchmark", *line)
    for name in ("results.csv", "verdict.md"):
        steps.shown[name] = Path("out", name).read_text(encoding="utf-8").splitlines()
    steps.files("files", "out")
    steps.check(golden, "benchmark")


# ---------------------------------------------------------------- trained children


@pytest.mark.slow
def test_a_search_that_trains(trained: Steps, golden: Any) -> None:
    search = ["search", "--agent", "random-search", "--budget", "2", "--run", "digits", *LIMITS]
    trained.json(
        "search", *search, "--set", "space.blocks=1", "recipe.epochs=1", "recipe.filters=2"
    )
    validate = ("validate", "digits", "--best", "2", "--repeats", "1", *LIMITS)
    trained.json("validate", *validate)
    trained.json("report", "report", "digits")
    trained.json("export", "export", "digits", "--best", "2")
    trained.files("files", "runs/digits")
    trained.check(golden, "digits")


@pytest.mark.slow
def test_a_search_of_language_models(trained: Steps, golden: Any) -> None:
    lines = "the cat sat on the mat\nthe dog sat on the cat\n"
    Path("text").mkdir()
    for part, times in (("train", 9), ("valid", 1), ("test", 1)):
        Path("text", f"{part}.txt").write_text(lines * times, encoding="utf-8")
    search = ["search", "--space", "rnn-cell", "--dataset", "text", "--agent", "random-search"]
    search += ["--budget", "2", "--run", "text", *LIMITS, "--set", "space.base=2"]
    search += ["recipe.epochs=1", "recipe.batch_size=4", "recipe.bptt=5", "recipe.hidden=4"]
    trained.json("search", *search)
    trained.json("validate", "validate", "text", "--best", "2", "--repeats", "1", *LIMITS)
    trained.json("report", "report", "text")
    trained.json("export", "export", "text", "--best", "2")
    trained.check(golden, "text")


# ---------------------------------------------------------------- without a run


def test_the_lists(steps: Steps, golden: Any) -> None:
    steps.json("json", "list")
    steps.text("text", "list")
    steps.check(golden, "list")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options(command: str, golden: Any, nas_gym_command: Callable[..., Any]) -> None:
    shown = nas_gym_command(command, "--help")
    assert shown.status == 0
    options = sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", shown.out)))
    golden.check("command-options", command, options)


DESCRIBED = {
    "nasnet-a": "nasnet-a",
    "amoebanet-a": "amoebanet-a --repeats 6 --filters 36 --auxiliary",
    "darts-v2": "darts-v2 --repeats 2 --filters 16 --concat unused --classes 100",
    "imagenet": "darts-v1 --repeats 4 --filters 48 --image-size 224 --classes 1000 --stem imagenet",
    "nas-v1": "nas-v1",
    "nas-v1-chain": "nas-v1-chain --width-multiplier 1.5 --more-filters 2 --image-size 16",
    "nas-v1-dense": "nas-v1-dense --channels 1",
    "nas-cell": "nas-cell",
    "lstm-like": "lstm-like --vocabulary 50 --layers 1 --hidden 8 --embedding 4 --untied",
    "nasbench201": "3,0,3,1,0,1 --space nasbench201",
    "nasbench201 string": "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|"
    "skip_connect~2|",
    "nats-size": "8:8:40:32:40 --classes 120 --image-size 16",
    "enas-rnn-cell": "0,0,1,1,2,2,0,3,1,1,2,2,0,3,1,4,2,5,0,6,1,7,2 --space enas-rnn-cell",
}


SLOWER = ("amoebanet-a", "imagenet", "nas-v1-dense", "nas-v1-chain")


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "described",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOWER else ()) for n in DESCRIBED],
)
def test_an_architecture_is_described(described: str, steps: Steps, golden: Any) -> None:
    arguments = ("describe", *DESCRIBED[described].split(" "))
    steps.json("json", *arguments)
    steps.text("text", *arguments)
    golden.check("describe", described, steps.shown)

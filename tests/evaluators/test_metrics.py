import ast
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import nas_gym
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.metrics import (
    ACCURACY,
    METRICS,
    PARAMETERS,
    PERPLEXITY,
    Metric,
    leader_of,
    leading_metric,
    metric_named,
)
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.config import own_metric
from nas_gym.runs.findings import Findings
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run

PACKAGE = Path(nas_gym.__file__).parent
LATENCY = Metric("latency_ms", "latency", better="lower", digits=1, beside=("joules",))


@dataclass(frozen=True)
class Phone:
    """Says how long an architecture would take; nothing is trained."""

    space: Any = field(default_factory=lambda: NASNetCell(blocks=1))
    stateful = False
    leading_metric = LATENCY

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        for architecture in architectures:
            latency = 10.0 + sum(architecture.tokens)
            metrics = {"accuracy": 1 / latency, "latency_ms": latency, "joules": 0.5}
            yield Evaluation(architecture, metrics, source="proxy")

    def close(self) -> None:
        pass


def test_values_are_shown_with_their_digits() -> None:
    assert ACCURACY.in_words(0.98765) == "0.9877"
    assert PERPLEXITY.in_words(1234.567) == "1234.57"
    assert PARAMETERS.in_words(1234567.0) == "1,234,567"
    assert PARAMETERS.in_words(None) == "-"
    assert ACCURACY.best_of(0.1, 0.3, 0.2) == 0.3
    assert PERPLEXITY.best_of(5.0, 3.0, 4.0) == 3.0


def test_every_metric_is_in_the_table_by_its_name() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert {shown.name for shown in metric.shown} <= set(METRICS)
    assert metric_named("latency_ms") == Metric("latency_ms", words="latency ms")


@pytest.mark.parametrize("name", ["test_accuracy", "accuracy-test", "valTest", ""])
def test_no_metric_is_a_figure_of_the_test_part(name: str) -> None:
    with pytest.raises(InvalidOption, match="give the name of a validation figure"):
        Metric(name)
    with pytest.raises(InvalidOption, match="give the name of a validation figure"):
        Metric("accuracy", beside=(name,))


def test_an_evaluator_names_its_leading_metric() -> None:
    assert leading_metric(Landscape(NASNetCell())) == ACCURACY
    assert leading_metric(LanguageModelEvaluator) == PERPLEXITY
    assert leading_metric(Phone()) == LATENCY
    assert own_metric(Landscape(NASNetCell())) is None  # ours: nothing is recorded of it
    assert own_metric(Phone()) == LATENCY
    for wrong, message in ((3, "leading_metric is 3"), ("test_x", "a validation figure")):
        named = type("Named", (), {"leading_metric": wrong})
        with pytest.raises(InvalidOption, match=message):
            leading_metric(named)


def test_recorded_figures_tell_what_leads() -> None:
    assert leader_of({"accuracy", "perplexity", "parameters"}) == PERPLEXITY
    assert leader_of({"parameters", "accuracy"}) == ACCURACY
    assert leader_of({"reward"}) == leader_of(()) == ACCURACY


def test_a_metric_of_ones_own_leads_everywhere(tmp_path: Path) -> None:
    space, store = NASNetCell(blocks=1), tmp_path / "store.sqlite"
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    with SearchProgress(5, "", console, leading=own_metric(Phone(space))) as progress:
        nas_gym.search(
            *(space, Phone(space), "random-search"),
            budget=5, run="own", store=store, watcher=progress,
        )  # fmt: skip
        found = Findings.of(load_run("own", store))
        fastest = min(row.metrics["latency_ms"] for row in found.rows)
        assert f"best latency {fastest:.1f}, " in progress.status()
    assert found.leading == LATENCY
    console = Console(width=120, record=True)
    print_summary(found, console)
    shown = console.export_text()
    assert " latency " in shown
    assert "accuracy" not in shown
    best = found.ranked[0]
    assert f" {best.metrics['latency_ms']:.1f} " in shown
    page = card_as_markdown(card_of(found, best, 1), found.leading)
    assert f"| validation latency in the search | {best.metrics['latency_ms']:.1f} |" in page
    assert "| validation joules in the search | 0.5000 |" in page
    nas_gym.search(
        *(space, Phone(space), "random-search"),
        budget=7, run="own", store=store, resume=True,
    )  # fmt: skip
    assert len(load_run("own", store).rows) == 7


# ---------------------------------------------------------------- nothing else knows the task

WORDS = ("perplexity", "perplexities", "language", "bits_per", "bits per")
KNOWING = ("training", "networks", "evaluators", "models")  # may know what is trained
NAMING = {  # these may name it, for the reason given
    "plugins.py": "the table of names",
    "envs/ids.py": "the objectives of the recurrent cells' environment",
    "envs/rewards.py": "rewards of two papers, defined as c / perplexity: they ask for that metric",
    "envs/limits.py": "limits the cost of networks, of recurrent ones too",
    "search_spaces/limits/same.py": "counts what language models of one genotype's kind have",
    "runs/certainty.py": "compares with guessing by frequency, if that is recorded",
    "cli/main.py": "what `predict` says of a text",
    "cli/predict.py": "what it says of a text",
    "cli/tabulate.py": "names the evaluator in its help, as search does",
    "search_spaces/rnn_cell/source.py": "writes the text of its networks",
    "search_spaces/enas_rnn_cell/source.py": "writes the text of its networks",
    "search_spaces/enas_rnn_cell/supernet.py": "builds its networks with shared weights",
    "search_spaces/rnn_cell/space.py": "names its task and what is usual for it",
    "search_spaces/enas_rnn_cell/space.py": "names its task and what is usual for it",
}
DOCUMENTING = {  # in docstrings, of which those under an option are its help, and nowhere else
    "cli/sizes.py": "--vocabulary and --untied are sizes of language models",
    "cli/describe.py": "--text is for the prompt of a language model",
    "cli/search.py": "--evaluator language-model is one of the names to give",
    "envs/env.py": "the page of the environments, one of which trains language models",
    "search_spaces/grammar.py": "says which tasks `build` may be asked for",
}


def _without_docs(source: str) -> str:
    """The source without comments and docstrings, those of fields among them."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                each
                for each in body
                if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def test_only_the_rooms_that_train_know_of_language_models() -> None:
    named = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE).as_posix()
        if path.startswith(KNOWING):
            continue
        source = file.read_text(encoding="utf-8")
        checked = _without_docs(source) if path in DOCUMENTING else source
        found = [word for word in WORDS if word in checked.lower()]
        assert path in NAMING or not found, (path, found)
        if any(word in source.lower() for word in WORDS):
            named.add(path)
    assert named == NAMING.keys() | DOCUMENTING.keys()  # no reason that is not needed any more

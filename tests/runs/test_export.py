import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.export import document, export, write_files, write_text
from nas_gym.runs.findings import Findings, best_rows
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasnet_cell.genotype import genotype_from_json
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, load_run
from nas_gym.testing.spaces import LayerChain
from nas_gym.training.images.sources import load_dataset

SPACE = NASNetCell(blocks=1)
SHORT = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 0.1}
STORE = "runs/store.sqlite"


def search(run: str, evaluator: Any, store: Path | str = STORE, budget: int = 3) -> RunData:
    nas_gym.search(SPACE, evaluator, "random-search", budget=budget, run=run, store=store, seed=4)
    return load_run(run, store)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run of three children that were really trained."""
    store = tmp_path_factory.mktemp("found") / "store.sqlite"
    return search("found", {"name": "training", "recipe": SHORT}, store)


@pytest.fixture(scope="module")
def validated_run(found: RunData) -> RunData:
    return replace(found, validations=tuple(validate(found, best=1, repeats=2)))


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def read(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_the_card_says_what_was_recorded(found: RunData) -> None:
    row = best_rows(found, 2)[1]
    card = card_of(Findings.of(found), row, 2)
    assert (card["run"], card["rank"], card["request"]) == ("found", 2, row.number + 1)
    for name in ("parameters", "multiply_adds", "accuracy", "final_accuracy"):
        assert card[name] == row.metrics[name]
    assert card["reward"] == row.reward
    assert card["seeds"] == {"run": 4, "search": [row.seed], "validation": []}
    assert card["recipe"] == found.config["protocol"]["recipe"]
    assert card["recipe"]["epochs"] == 1
    fingerprint = load_dataset("digits").fingerprint
    assert card["dataset"] == {"dataset": "digits", "fingerprint": fingerprint}
    assert card["agent"] == {"name": "random-search"}
    assert card["versions"] == found.sessions[0]["versions"]
    assert card["failures"] == card["validations"] == []


def test_the_card_has_the_final_validations(validated_run: RunData) -> None:
    best, second = best_rows(validated_run, 2)
    card = card_of(Findings.of(validated_run), best, 1)
    (validation,) = card["validations"]
    trainings = validated_run.validations
    assert validation["accuracies"] == [v.accuracy for v in trainings]
    assert validation["test_accuracies"] == [v.test_accuracy for v in trainings]
    assert card["seeds"]["validation"] == [v.seed for v in trainings]
    assert card_of(Findings.of(validated_run), second, 2)["validations"] == []
    failed = replace(trainings[0], seed=1, accuracy=None, test_accuracy=None, failure="timeout")
    run = replace(validated_run, validations=(failed, *trainings))
    assert card_of(Findings.of(run), best, 1)["failures"] == ["timeout"]


def test_the_card_for_people(validated_run: RunData) -> None:
    best, second = best_rows(validated_run, 2)
    page = card_as_markdown(card_of(Findings.of(validated_run), best, 1), drawing="best-1.svg")
    assert page.startswith("# Architecture 1 of run found\n")
    assert "![The architecture, drawn](best-1.svg)" in page
    assert f"| parameters | {best.metrics['parameters']:,.0f} |" in page
    assert "| test accuracy of 2 new trainings (recipe as in the search) | 0." in page
    assert "| epochs | 1 |" in page
    assert f"| child seeds in the search | {best.seed} |" in page
    assert "recipe (quick, epochs 1, filters 2" in page
    page = card_as_markdown(card_of(Findings.of(validated_run), second, 2))
    assert "| test accuracy | not measured: `nas-gym validate found` does |" in page


def test_a_failure_cannot_break_the_table(found: RunData) -> None:
    row = best_rows(found, 1)[0]
    failed = Validation(row.key, row.tokens, 1, None, None, 1.0, "error: E: a|b\n# c", None, {})
    page = card_as_markdown(card_of(Findings.of(replace(found, validations=(failed,))), row, 1))
    assert "| failed trainings of this architecture | error: E: a\\|b # c |" in page


@pytest.mark.slow
def test_the_files_are_those_of_the_report(validated_run: RunData, tmp_path: Path) -> None:
    files = export(Findings.of(validated_run), 2, tmp_path / "deep" / "out")
    endings = ("json", "md", "png", "svg")
    assert {file.name for file in files} == {f"best-{i}.{e}" for i in (1, 2) for e in endings}
    for rank, row in enumerate(best_rows(validated_run, 2), start=1):
        saved = read(tmp_path / "deep" / "out" / f"best-{rank}.json")
        assert saved == json.loads(json.dumps(document(Findings.of(validated_run), row, rank)))
        assert genotype_from_json(saved["architecture"]) == decode(SPACE, saved["tokens"])
        assert saved["task"] == validated_run.config["protocol"]["task"]
    write_files(Findings.of(validated_run), tmp_path / "report", top=2)
    for file in files:
        assert file.read_bytes() == (tmp_path / "report" / file.name).read_bytes()


def test_an_export_can_be_described_and_trained(
    found: RunData, capsys: pytest.CaptureFixture[str]
) -> None:
    export(Findings.of(found), 1, "out")
    saved = read("out/best-1.json")
    assert command("describe", "out/best-1.json", "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["parameters"] == saved["card"]["parameters"]
    assert described["multiply_adds"] == saved["card"]["multiply_adds"]
    assert described["architecture"] == saved["architecture"]


def test_any_space_and_evaluator() -> None:
    space = LayerChain(max_depth=1)  # nothing of nas-gym's draws or describes it
    nas_gym.search(space, Landscape(space), "random-search", budget=4, run="own", store=STORE)
    run = load_run("own", STORE)
    files = export(Findings.of(run), 2, "out")
    assert len(files) == 8
    card = read("out/best-1.json")["card"]
    assert card["recipe"] is None
    assert card["dataset"] == {"dataset": None, "fingerprint": None}
    assert "| data set | - |" in Path("out/best-1.md").read_text()


def test_what_cannot_be_exported(found: RunData) -> None:
    with pytest.raises(InvalidOption, match="best is 0"):
        export(Findings.of(found), 0, "out")
    with pytest.raises(StoreError, match="nothing to export"):
        export(Findings.of(replace(found, rows=(), unanswered=())), 1, "out")
    Path("out/best-1.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot write to out/best-1\.json"):
        export(Findings.of(found), 1, "out")


@pytest.mark.slow
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    run = search("mine", Landscape(SPACE), budget=5)
    assert command("export", "mine", "--best", "2") == 0
    files = capsys.readouterr().out.splitlines()
    assert "runs/mine/best-2.md" in files
    assert all(Path(file).stat().st_size > 200 for file in files)
    assert command("export", "mine", "--best", "50", "--out", "here", "--json") == 0
    shown = capsys.readouterr()
    exported = json.loads(shown.out)
    count = len({row.key for row in run.rows})
    assert [e["card"]["rank"] for e in exported] == list(range(1, count + 1))
    assert f"the run has {count} different architectures" in shown.err
    assert exported[0] == read("here/best-1.json")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("export mien", "did you mean 'mine'"),
        ("export mine --best 0", "--best is 0: give 1 or more"),
        ("export mine --out file", "cannot write to file"),
        ("export mine --out file/out", "--out"),
        ("export mine --store nothing.sqlite", "no results database"),
        ("export failed", "nothing to export"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    search("mine", Landscape(SPACE), budget=2)
    search("failed", {"name": "training", "recipe": {**SHORT, "learning_rate": 1e30}}, budget=1)
    Path("file").write_text("")
    assert command(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence


def test_pages_with_names_that_are_not_utf8_are_written(tmp_path: Path) -> None:
    write_text(tmp_path / "page.md", "photos of caf\udce9")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == r"photos of caf\udce9"

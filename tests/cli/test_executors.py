"""The option ``--executor``: what is refused before anything begins."""

from collections.abc import Callable
from pathlib import Path

import pytest

SEARCH = "search --evaluator training --budget 2"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"{SEARCH} --executor rya", "unknown executor 'rya': did you mean 'ray'"),
        (f"{SEARCH} --executor ray --workers 2", "--workers 2 and --executor ray are both given"),
        (f"{SEARCH} --set executor.cpus=2", "executor.cpus is given without an engine"),
        (f"{SEARCH} --executor mpi --set executor.nope=2", "unknown option of executor 'mpi'"),
        (f"{SEARCH} --executor mpi --set executor.workers=0", "workers of executor 'mpi' is 0"),
        (f"{SEARCH} --executor mpi", "executor 'mpi' has no processes: start the command with"),
        (f"{SEARCH} --executor nowhere:make", "there is no module 'nowhere' to import"),
        (f"{SEARCH} --executor os:sep", "cannot be called: name a function"),
        (f"{SEARCH} --executor os:abort --device cpu,cpu", "device is 'cpu,cpu', and there is an"),
        ("tabulate nasbench201 --to t.npz --executor mpi", "executor 'mpi' has no processes"),
        ("tabulate nasbench201 --to t.npz --executor mpi --workers 1", "are both given"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: str,
    says: str,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments.split()) == 2
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("nas-gym: ")
    assert says in last
    assert not Path("runs").exists()


def test_a_table_needs_no_machines(
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    command = "search --space nasbench201 --evaluator nasbench201 --budget 3 --executor os:abort"
    assert run(*command.split()) == 0
    said = capsys.readouterr().err
    assert "answers in this process: --executor does not apply" in said
    assert "3 evaluations, in this process; recorded in" in said  # not: executor os:abort

"""Shell completion knows the options of each command, and the names of parts."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_gym.plugins import names

Run = Callable[..., int]
TRY = """
. ./nas-gym.bash
read -ra COMP_WORDS <<< "$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_tyro_nas_gym
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(run: Run, capfd: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """What bash offers for the last word of a line."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    assert run("--tyro-print-completion", "bash") == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    Path("nas-gym.bash").write_text(shown.out)

    def offered(line: str) -> list[str]:
        done = subprocess.run(
            [bash, "-c", TRY, "bash", line], capture_output=True, text=True, check=True
        )
        return done.stdout.split("\n")[:-1]

    return offered


def test_bash_completes_commands_options_and_names(complete: Callable[[str], list[str]]) -> None:
    assert complete("nas-gym se") == ["search"]
    assert complete("nas-gym search --ag") == ["--agent"]
    assert complete("nas-gym report own --tr") == ["--trust"]
    wanted = [name for name in names("agent") if name.startswith("re")]
    assert complete("nas-gym search --agent re") == wanted
    assert "reinforce" in wanted
    assert complete("nas-gym search --agent reinforce --space nasb") == ["nasbench201"]
    # What an option does is no word to choose from, however long it is.
    assert all(word.startswith("--") for word in complete("nas-gym benchmark --"))

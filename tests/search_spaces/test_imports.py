"""Spaces, genotypes and published tables are read without what builds and draws networks."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2] / "nas_gym" / "search_spaces"
HEAVY = {
    "costs",
    "exact",
    "fronts",
    "network",
    "layers",
    "fused",
    "drawing",
    "layout",
    "plain",
    "source",
    "supernet",
}  # imported by those who build and draw, and for limits
PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*{"torch", "matplotlib", "numpy", "scipy"} & set(sys.modules))
"""


def test_neither_torch_nor_matplotlib_nor_numpy_is_imported() -> None:
    modules = [path.relative_to(ROOT.parents[1]).with_suffix("") for path in ROOT.rglob("*.py")]
    light = [".".join(m.parts).removesuffix(".__init__") for m in modules if m.name not in HEAVY]
    light.remove("nas_gym.search_spaces.rendering")  # stands on the canvas
    assert len(light) > 20
    command = [sys.executable, "-c", PROGRAM, *light]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_published_table_is_read_without_the_other_spaces() -> None:
    for space in ("nasnet_cell", "conv_net", "rnn_cell"):
        program = (
            f"import sys, nas_gym.search_spaces.{space}.published\n"
            "print(*{name.split('.')[2] for name in sys.modules\n"
            "        if name.startswith('nas_gym.search_spaces.') and name.endswith('.space')})"
        )
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [space]

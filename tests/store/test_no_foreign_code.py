"""Nothing that is read can run code of a stranger."""

import ast
from collections.abc import Iterator
from pathlib import Path

import nas_gym


def calls_and_imports(file: Path) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_that_is_read_can_run_code() -> None:
    """Pickles pass between our own processes alone; torch reads weights and numpy arrays alone.

    ``nas_gym.testing`` pickles what it is given and reads that again.
    """
    import nas_agents

    roots = [Path(module.__file__ or "").parent for module in (nas_gym, nas_agents)]
    unpicklers = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "joblib",
                  "marshal"}  # fmt: skip
    found = []
    for root in roots:
        for file in root.rglob("*.py"):
            if file.name == "plain_pickle.py":  # its unpickler refuses every import: see its tests
                continue
            own_processes = file.parent.name in ("workers", "engines", "testing")
            for name, node in calls_and_imports(file):
                options = {k.arg: ast.unparse(k.value) for k in getattr(node, "keywords", ())}
                bad = (
                    (name.partition(".")[0] in unpicklers and not own_processes)
                    or (name == "torch.load" and options.get("weights_only") != "True")
                    or name.endswith("read_pickle")
                    or options.get("allow_pickle", "False") != "False"
                    or name in ("eval", "exec", "yaml.load", "yaml.unsafe_load")
                )
                if bad:
                    found.append(f"{file.relative_to(root)}:{node.lineno}: {name}")  # type: ignore[attr-defined]
    assert found == []

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("folder", ["nas_gym.evaluators", "nas_gym.training"])
def test_a_folder_exports_its_public_names_and_imports_them_late(folder):
    module = importlib.import_module(folder)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert name.isupper() or getattr(module, name).__module__.startswith(folder)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = module.Nothing
    code = f"import sys, {folder}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

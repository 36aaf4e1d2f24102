"""Tensors and JSON data in one file's content, with a checksum; nothing in it can run code."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas_gym.options.json_text import read_json

if TYPE_CHECKING:
    from torch import Tensor

_DIGEST = 32  # bytes


def pack(name: str, tensors: Mapping[str, "Tensor"], facts: Any, of: str = "") -> bytes:
    """Return the content of a file.

    Args:
        name: Of the facts among the tensors.
        tensors: Of any device and order of axes; a tied pair is written twice.
        facts: JSON data.
        of: Whose content it is; the checksum says so too.
    """
    import torch
    from safetensors.torch import save

    # Of a tied pair each is written, and a tensor in another order of its axes as it is read.
    plain = {n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}
    text = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)
    data = save({**plain, name: text})
    return _checksum(of, data) + data


def unpack(name: str, content: bytes, of: str = "") -> tuple[dict[str, "Tensor"], Any]:
    """Return tensors and facts; raise ValueError if the content is not what was packed."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    digest, data = content[:_DIGEST], content[_DIGEST:]
    if _checksum(of, data) != digest:
        raise ValueError("the checksum is another")
    try:
        tensors = load(data)
        return tensors, read_json(bytes(tensors.pop(name).tolist()).decode())
    except (SafetensorError, LookupError) as error:
        raise ValueError(str(error)) from error


def _checksum(of: str, data: bytes) -> bytes:
    return hashlib.sha256(of.encode() + data).digest()

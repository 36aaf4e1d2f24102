"""Checkpoints of a training: JSON and safetensors, written whole or not at all.

``checkpoint.json`` names the file of tensors and its checksum. It is replaced when that file is
there, so that a kill or a full disk at any moment leaves the checkpoint of before.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.errors import InvalidModel
from nas_gym.options.files import read_bytes, sync_folder, write_file
from nas_gym.options.json_text import read_json
from nas_gym.options.printable import printable

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
CHECKPOINT = "checkpoint.json"
LARGEST_JSON = 64 * 2**20  # bytes; it has a line per epoch


class Checkpoint(NamedTuple):
    """A moment of a training."""

    tensors: dict[str, "Tensor"]  # ``Training.state``
    facts: dict[str, Any]  # JSON data: what was measured so far


def write_checkpoint(
    folder: Path, tensors: Mapping[str, "Tensor"], facts: Mapping[str, Any], number: int
) -> None:
    """Write a checkpoint in place of the one before.

    Args:
        folder: Of the training; it is there.
        tensors: ``Training.state``.
        facts: JSON data.
        number: Of steps, which tells the files of two checkpoints apart.

    Raises:
        InvalidModel: It cannot be written; the one before is kept.
    """
    from safetensors.torch import save

    name = f"checkpoint-{number}.safetensors"
    # Of a tied pair each is written, and a tensor in another order of its axes as it is read.
    plain = {n: tensor.detach().cpu().contiguous().clone() for n, tensor in tensors.items()}
    data = save(plain)
    content = {
        "format": FORMAT,
        "tensors": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "facts": dict(facts),
    }
    text = json.dumps({**content, "checksum": _checksum(content)}, indent=1)
    try:
        write_file(folder / name, data)
        write_file(folder / CHECKPOINT, text.encode())
        sync_folder(folder)
    except OSError as error:
        before = "the one before is kept" if (folder / CHECKPOINT).exists() else "there is none yet"
        raise InvalidModel(
            f"cannot write a checkpoint to {printable(folder)} ({error.strerror or error}); "
            f"{before}: make room, then go on with resume=True"
        ) from error
    remove_tensors(folder, name)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in a folder; None if there is none yet.

    Raises:
        InvalidModel: It is damaged.
    """
    if not (folder / CHECKPOINT).exists():
        return None
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = read_checked(folder / CHECKPOINT)
    name = content.get("tensors")
    if not isinstance(name, str) or os.sep in name or not isinstance(content.get("facts"), dict):
        raise damaged(folder / CHECKPOINT)
    try:
        data = read_bytes(folder / name)
    except (OSError, ValueError) as error:
        raise InvalidModel(
            f"{printable(folder / name)} cannot be read ({getattr(error, 'strerror', error)}): "
            "bring it back, or begin the training again with replace=True"
        ) from error
    if hashlib.sha256(data).hexdigest() != content.get("sha256"):
        raise damaged(folder / name)
    try:
        return Checkpoint(load(data), content["facts"])
    except SafetensorError as error:
        raise damaged(folder / name) from error


def damaged(path: Path) -> InvalidModel:
    """Return the error for a file that is not as it was written."""
    return InvalidModel(
        f"{printable(path)} is cut off, or was changed after it was written: bring the old file "
        "back, or begin the training again with replace=True"
    )


def read_checked(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file whose ``checksum`` is right; raise InvalidModel."""
    try:
        data = read_bytes(path)
        if len(data) > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON:,} bytes")
        content = read_json(data.decode())
    except (OSError, ValueError) as error:
        raise InvalidModel(
            f"{printable(path)} cannot be read ({getattr(error, 'strerror', None) or error}): "
            "bring the old file back, or begin the training again with replace=True"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise damaged(path)
    if content.pop("checksum", None) != _checksum(content):
        raise damaged(path)
    return content


def write_checked(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with its checksum, whole or not at all; raise OSError."""
    whole = {"format": FORMAT, **content}
    text = json.dumps({**whole, "checksum": _checksum(whole)}, indent=2)
    write_file(path, f"{text}\n".encode())


def remove_tensors(folder: Path, but: str = "") -> None:
    """Remove what other checkpoints left, as one does that was killed."""
    for path in (*folder.glob("checkpoint-*.safetensors"), *folder.glob(".checkpoint*.new")):
        if path.name != but:
            path.unlink(missing_ok=True)


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""Files that are written whole or not at all."""

import os
from pathlib import Path


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file; raise ValueError for a pipe or a device."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    return path.read_bytes()


def write_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file whole, or leave what is there; raise OSError.

    Args:
        path: Where to.
        data: Its content.
        durable: Whether it is on the disk when this returns.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where a system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

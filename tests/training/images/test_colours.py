"""What a file says of its own colours is obeyed, in whichever way it stores them."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_gym.errors import InvalidDataset
from nas_gym.training.images import colours
from nas_gym.training.images.decoding import Picture, read_picture

SIDE = 32
GREY = (np.arange(SIDE)[:, None] * 4 + np.arange(SIDE) * 4).astype(np.uint8)  # 0 to 248
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
LINEAR = (GREY / 255) ** 2.2  # what a screen shows as GREY, as light


def in_three(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)


def assert_shows(path: Path, array: np.ndarray, within: float = 0.0) -> Picture:
    picture = read_picture(str(path), SIDE)
    shown = picture.pixels.transpose(1, 2, 0).astype(float)
    assert np.abs(shown - in_three(array)).mean() <= within
    return picture


def png(path: Path, bits: int, kind: int, rows: list[bytes], **chunks: bytes) -> Path:
    """Write a PNG of any kind: Pillow writes but some of them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, bits, kind, 0, 0, 0))
    between = b"".join(chunk(name.encode(), content) for name, content in chunks.items())
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + between + data + chunk(b"IEND", b""))
    return path


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    if bits >= 8:
        return [row.astype(f">u{bits // 8}").tobytes() for row in values]
    single = (values[..., None] >> np.arange(bits)[::-1]) & 1
    return [np.packbits(row.reshape(-1)).tobytes() for row in single.astype(np.uint8)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_grey_that_is_transparent_is_white(tmp_path, bits):
    most = (1 << bits) - 1
    values = np.rint(GREY / 248 * most).astype(int)
    key = int(values[20, 20])
    shown = np.where(values == key, 255, values >> 8 if bits == 16 else values * (255 // most))
    path = png(tmp_path / "a.png", bits, 0, packed(values, bits), tRNS=struct.pack(">H", key))
    assert colours.ON_WHITE in assert_shows(path, shown).notes


@pytest.mark.parametrize("bits", [8, 16])
def test_the_colour_that_is_transparent_is_white(tmp_path, bits):
    values = COLOUR.astype(int) * (257 if bits == 16 else 1)
    key = values[3, 4]
    shown = np.where((values == key).all(-1, keepdims=True), 255, COLOUR)
    path = png(tmp_path / "a.png", bits, 2, packed(values, bits), tRNS=struct.pack(">HHH", *key))
    assert colours.ON_WHITE in assert_shows(path, shown).notes


def gamma(of: float) -> bytes:
    return struct.pack(">I", round(of * 100_000))


def test_the_gamma_of_a_png_is_that_of_browsers(tmp_path):
    light = packed(np.rint(LINEAR * 255), 8)
    picture = assert_shows(png(tmp_path / "a.png", 8, 0, light, gAMA=gamma(1)), GREY, within=3)
    assert picture.notes == {colours.GAMMA}
    deep = packed(np.rint(LINEAR * 65_535), 16)
    picture = assert_shows(png(tmp_path / "b.png", 16, 0, deep, gAMA=gamma(1)), GREY, within=3)
    assert colours.GAMMA in picture.notes
    veil = np.dstack([np.rint(LINEAR * 255), np.where(GREY < 100, 0, 255)])
    path = png(tmp_path / "c.png", 8, 4, packed(veil, 8), gAMA=gamma(1))
    assert_shows(path, np.where(GREY < 100, 255, GREY), within=3)


@pytest.mark.parametrize(
    "chunks", [{"gAMA": gamma(1 / 2.2)}, {"gAMA": gamma(0)}, {"gAMA": gamma(1), "sRGB": b"\0"}]
)
def test_the_usual_gamma_changes_nothing(tmp_path, chunks):
    path = png(tmp_path / "a.png", 8, 2, packed(COLOUR, 8), **chunks)
    assert assert_shows(path, COLOUR).notes == frozenset()


def grey_profile() -> bytes:
    """Return an ICC profile of grey whose values are amounts of light."""
    white = struct.pack(">iii", 63_190, 65_536, 54_061)
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 6) + b"light\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + white,
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IHH", 1, 256, 0),
    }
    tags = {name: content + bytes(-len(content) % 4) for name, content in tags.items()}
    table, content = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(content), len(tag))
        content += tag
    size = struct.pack(">I", 128 + len(table) + len(content))
    head = size + b"\0\0\0\0\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + table + content


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_profile_of_grey_counts_with_16_bits_and_with_alpha(tmp_path, suffix):
    light = np.rint(LINEAR * 255).astype(np.uint8)
    hole = np.where(GREY < 100, 0, 255).astype(np.uint8)
    cases = {
        "8": (light, GREY),
        "16": (np.rint(LINEAR * 65_535).astype(np.uint16), GREY),
        "opaque": (np.dstack([light, np.full_like(light, 255)]), GREY),
        "hole": (np.dstack([light, hole]), np.where(hole == 0, 255, GREY)),
    }
    for name, (stored, shown) in cases.items():
        path = tmp_path / f"{name}.{suffix}"
        Image.fromarray(stored).save(path, icc_profile=grey_profile())
        assert colours.PROFILE in assert_shows(path, shown, within=4).notes


def tiff(path: Path, array: np.ndarray, photometric: int, planes: int = 1) -> Path:
    """Write a TIFF as other programs do: Pillow writes no signs, planes or inverted floats."""
    array = np.atleast_3d(array)
    bands = array.shape[2]
    data = (array.transpose(2, 0, 1) if planes == 2 else array).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    strips = bands if planes == 2 else 1
    tags = {
        256: [SIDE], 257: [SIDE], 258: [array.dtype.itemsize * 8] * bands, 259: [1],
        262: [photometric], 273: [0] * strips, 277: [bands], 278: [SIDE],
        279: [len(data) // strips] * strips, 284: [planes], 339: [kind] * bands,
    }  # fmt: skip
    more, entries = b"", b""
    beyond = 8 + 2 + 12 * len(tags) + 4
    start = beyond + sum(4 * len(values) for values in tags.values() if len(values) > 1)
    tags[273] = [start + i * len(data) // strips for i in range(strips)]
    for tag, values in tags.items():
        held = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            held, more = struct.pack("<I", beyond + len(more)), more + held
        entries += struct.pack("<HHI", tag, 4, len(values)) + held
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + more + data)
    return path


def test_white_may_be_zero(tmp_path):
    assert_shows(tiff(tmp_path / "a.tif", 255 - GREY, 0), GREY)
    assert_shows(tiff(tmp_path / "b.tif", 65_535 - GREY.astype(np.uint16) * 257, 0), GREY)
    assert_shows(tiff(tmp_path / "c.tif", (1 - GREY / 255).astype(np.float32), 0), GREY)
    assert_shows(tiff(tmp_path / "d.tif", 255 - GREY.astype(np.float32), 0), GREY)


def test_colours_in_planes(tmp_path):
    assert_shows(tiff(tmp_path / "a.tif", COLOUR, 2), COLOUR)
    assert_shows(tiff(tmp_path / "b.tif", COLOUR, 2, planes=2), COLOUR)
    deep = COLOUR.astype(np.uint16) * 257
    assert_shows(tiff(tmp_path / "c.tif", deep, 2), COLOUR)
    with pytest.raises(InvalidDataset, match=r"d\.tif is a TIFF of 16 bits with .* planes"):
        read_picture(str(tiff(tmp_path / "d.tif", deep, 2, planes=2)), SIDE)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_numbers_below_zero_are_refused(tmp_path, kind):
    path = tiff(tmp_path / "a.tif", (GREY.astype(int) - 128).astype(kind), 1)
    with pytest.raises(
        InvalidDataset, match=r"a\.tif (is a TIFF of 8 bits with a sign|holds whol)"
    ):
        read_picture(str(path), SIDE)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is empty"), (b"II*\0", "or a TIFF with bits"), (b"<html>", "no known format")],
)
def test_what_is_no_picture_is_called_what_it_is(tmp_path, content, words):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InvalidDataset, match=rf"a\.png cannot be read as an image \(.*{words}"):
        read_picture(str(tmp_path / "a.png"), SIDE)

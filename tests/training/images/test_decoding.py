"""What the network sees of a file is what a viewer shows, or one sentence says why not."""

import io
import os
import random
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from nas_gym.errors import InvalidDataset
from nas_gym.training.images import colours, decoding
from nas_gym.training.images.decoding import Picture, read_picture

# Dark above, bright below, and a bright strip at the left: every turn of it looks different.
SCENE = np.full((24, 24), 20, dtype=np.uint8)
SCENE[12:], SCENE[:, :4] = 120, 220
COLOUR = np.stack([SCENE, SCENE // 2, 255 - SCENE], axis=-1)
TAG = 0x0112
STORED = {  # orientation -> how a camera stores the scene
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def seen(path: Path, side: int = 24) -> np.ndarray:
    return read_picture(str(path), side).pixels.astype(int)


def expected(array: np.ndarray) -> np.ndarray:
    colours = array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2)
    return colours.transpose(2, 0, 1).astype(int)


def assert_shows(path: Path, array: np.ndarray, within: float = 1) -> Picture:
    picture = read_picture(str(path), 24)
    assert np.abs(picture.pixels.astype(int) - expected(array)).mean() <= within
    return picture


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_images_are_upright(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[TAG] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](COLOUR)))
    options = {"lossless": True} if suffix == "webp" else {"quality": 100}
    path = saved(stored, tmp_path / f"a.{suffix}", exif=exif, **options)
    picture = assert_shows(path, COLOUR, within=6 if suffix == "jpg" else 0)
    assert (decoding.TURNED in picture.notes) == (orientation != 1)


def test_damaged_tags_are_as_none(tmp_path):
    image = Image.fromarray(COLOUR)
    assert_shows(saved(image, tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"), COLOUR)
    exif = Image.Exif()
    exif[TAG] = 77
    assert_shows(saved(image, tmp_path / "b.png", exif=exif), COLOUR)


DEEP = {
    "16.png": (SCENE.astype(np.uint16) * 257, colours.CUT),
    "16.tif": (SCENE.astype(np.uint16) * 257, colours.CUT),
    "big-endian.tif": (SCENE.astype(">u2") * 257, colours.CUT),
    "16.jp2": (SCENE.astype(np.uint16) * 257, colours.CUT),
    "32.tif": (SCENE.astype(np.int32) * 257, colours.CUT),
    "unit.tif": (SCENE.astype(np.float32) / 255, colours.UNIT),
    "bytes.tif": (SCENE.astype(np.float32), colours.BYTES),
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_become_8(tmp_path, name):
    array, note = DEEP[name]
    picture = assert_shows(saved(Image.fromarray(array), tmp_path / name), SCENE, within=0)
    assert picture.notes == {note}


def test_16_bits_of_portable_grey_maps_and_where_white_is_zero(tmp_path):
    deep = (SCENE.astype(">u2") * 257).tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5 24 24 65535\n" + deep)
    assert_shows(tmp_path / "a.pgm", SCENE, within=0)
    inverted = Image.fromarray(65535 - SCENE.astype(np.uint16) * 257)
    assert_shows(saved(inverted, tmp_path / "a.tif", tiffinfo={262: 0}), SCENE, within=0)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (SCENE.astype(np.int32), r'mode "I"\) from 20 to 220'),
        (SCENE.astype(np.int32) * 10_000, r'mode "I"\)'),
        (-SCENE.astype(np.int32), r'mode "I"\) from -220'),
        (SCENE.astype(np.float32) * 3, r'mode "F"\) from 60 to 660'),
        (-SCENE.astype(np.float32), r'mode "F"\)'),
        (np.where(SCENE == 20, np.nan, SCENE).astype(np.float32), "nan"),
        (np.where(SCENE == 20, np.inf, SCENE).astype(np.float32), "inf"),
    ],
)
def test_values_of_no_known_scale_are_refused(tmp_path, array, words):
    path = saved(Image.fromarray(array), tmp_path / "a.tif")
    with pytest.raises(InvalidDataset, match=rf"a\.tif holds .*{words}"):
        read_picture(str(path), 8)


def test_what_is_transparent_lies_on_white(tmp_path):
    alpha = np.where(SCENE == 20, 0, 255).astype(np.uint8)
    white = np.where(SCENE[..., None] == 20, 255, COLOUR)
    cut_out = Image.fromarray(np.dstack([COLOUR, alpha]))
    for suffix in ("png", "tif", "webp", "tga"):
        options = {"lossless": True, "exact": True} if suffix == "webp" else {}
        picture = assert_shows(saved(cut_out, tmp_path / f"a.{suffix}", **options), white, 0)
        assert colours.ON_WHITE in picture.notes
    grey = saved(Image.fromarray(SCENE), tmp_path / "l.png", transparency=20)
    assert_shows(grey, np.where(SCENE == 20, 255, SCENE), 0)
    deep = Image.fromarray(SCENE.astype(np.uint16) * 257)
    path = saved(deep, tmp_path / "l16.png", transparency=20 * 257)
    picture = assert_shows(path, np.where(SCENE == 20, 255, SCENE), 0)
    assert colours.ON_WHITE in picture.notes
    palette = Image.fromarray(COLOUR).quantize(8)
    index = palette.getpixel((20, 2))
    for suffix in ("png", "gif"):
        path = saved(palette, tmp_path / f"p.{suffix}", transparency=index)
        assert_shows(path, np.where(SCENE[..., None] == 20, 255, COLOUR), within=6)
    half = Image.fromarray(np.dstack([COLOUR * 0, np.full_like(SCENE, 128)]))
    assert seen(saved(half, tmp_path / "half.png")).mean() == pytest.approx(127, abs=1)


def test_opaque_images_are_as_without_alpha(tmp_path):
    opaque = Image.fromarray(np.dstack([COLOUR, np.full_like(SCENE, 255)]))
    assert assert_shows(saved(opaque, tmp_path / "a.png"), COLOUR, 0).notes == frozenset()
    unused = Image.fromarray(np.dstack([COLOUR, np.zeros_like(SCENE)]))
    assert_shows(saved(unused, tmp_path / "a.tga"), COLOUR, 0)  # the fourth byte means nothing


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "RGBX"])
def test_every_mode_shows_the_same_scene(tmp_path, mode):
    image = Image.fromarray(COLOUR)
    if mode == "LAB":
        profiles = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
        stored = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    else:
        stored = image.quantize(8) if mode == "P" else image.convert(mode)
    shown = stored.convert("RGB") if mode in ("1", "L") else image
    path = saved(stored, tmp_path / "a.tif")
    assert_shows(path, np.asarray(shown), within=6)


def test_cmyk_of_adobe_is_not_a_negative(tmp_path):
    image = Image.fromarray(COLOUR)
    assert_shows(saved(image.convert("CMYK"), tmp_path / "a.jpg", quality=100), COLOUR, within=6)


def wide_profile() -> bytes:
    """sRGB's profile with red and blue exchanged, so that its use cannot be missed."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = content.index(b"rXYZ"), content.index(b"bXYZ")
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    while (place := content.find(b"s\0R\0G\0B")) >= 0:
        content[place : place + 7] = b"w\0i\0d\0e"
    return bytes(content)


def test_colour_profiles_are_applied_and_srgb_changes_nothing(tmp_path):
    image = Image.fromarray(COLOUR)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(image, tmp_path / "a.png", icc_profile=srgb)
    assert assert_shows(path, COLOUR, 0).notes == frozenset()
    picture = assert_shows(
        saved(image, tmp_path / "b.png", icc_profile=wide_profile()), COLOUR[..., ::-1], within=2
    )
    assert picture.notes == {colours.PROFILE}
    for useless in (b"none", srgb[:200]):
        assert_shows(saved(image, tmp_path / "c.png", icc_profile=useless), COLOUR, 0)


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_the_first_of_several_frames_counts(tmp_path, suffix):
    frames = [Image.fromarray(array) for array in (COLOUR, 255 - COLOUR)]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert decoding.FIRST in assert_shows(path, COLOUR, within=6).notes


def test_a_wrong_suffix_is_read_by_content(tmp_path):
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png")
    assert_shows(path.rename(tmp_path / "a.jpg"), COLOUR, 0)


def header_of_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(
            ">I", zlib.crc32(kind + content)
        )  # fmt: skip

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize("limit", [None, 10**9, 100])
def test_giants_are_refused_before_they_are_decoded(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # other code may have changed it
    for size in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (13_400, 13_400)):
        (tmp_path / "a.png").write_bytes(header_of_png(*size))
        with pytest.raises(InvalidDataset, match=r"a\.png "):
            read_picture(str(tmp_path / "a.png"), 8)


def test_a_picture_that_needs_more_memory_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("nas_gym.training.memory.total_memory", lambda: 1000)
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png")
    with pytest.raises(InvalidDataset, match=r"a\.png \(24 x 24 pixels\) would need"):
        read_picture(str(path), 8)


def test_warnings_of_decoders_are_no_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # 576 pixels: a warning
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_shows(path, COLOUR, 0)


def test_what_is_cut_off_is_refused_whatever_others_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InvalidDataset, match=r"a\.jpg cannot be read as an image"):
        read_picture(str(path), 8)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


# ---------------------------------------------------------------- damage

FORMATS = ("jpg", "png", "gif", "bmp", "tif", "webp", "ppm", "ico", "tga", "pcx", "sgi", "jp2",
           "avif", "dds", "qoi", "im", "msp", "xbm", "pfm", "apng")  # fmt: skip


def pristine(suffix: str) -> list[bytes]:
    """Return small files of a format, as different from each other as it allows."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8))
    files = []
    for mode in ("RGB", "L", "P", "RGBA", "CMYK", "1", "I;16", "F"):
        held = io.BytesIO()
        held.name = f"a.{suffix}"  # type: ignore[attr-defined]
        try:
            if mode in ("I;16", "F"):
                kind = np.uint16 if mode == "I;16" else np.float32
                image = Image.fromarray(rng.random((16, 16)).astype(np.float32).astype(kind))
            else:
                image = noise.convert(mode)
            image.save(held)
        except Exception:  # the format has no such mode
            continue
        files.append(held.getvalue())
    return files


def damaged(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    how = chance.randrange(4)
    if how == 0:
        return content[: chance.randrange(len(content))]
    if how == 1:
        place = chance.randrange(len(content))
        return content[:place] + chance.randbytes(chance.randrange(1, 9)) + content[place:]
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(len(changed))
        if how == 3:  # headers hold sizes of four bytes
            place = chance.randrange(min(200, len(changed)))
        changed[place : place + 1] = chance.choice((b"\xff", b"\0", b"\x7f", chance.randbytes(1)))
    return bytes(changed)


def try_damaged(folder: Path, suffix: str, rounds: int) -> None:
    chance = random.Random(f"{suffix} {rounds}")
    path = folder / f"a.{suffix}"
    originals = pristine(suffix)
    for _ in range(rounds):
        path.write_bytes(damaged(chance.choice(originals), chance))
        try:
            shape, said = read_picture(os.fspath(path), 8).pixels.shape, ""
        except InvalidDataset as error:
            shape, said = None, str(error)
        assert shape == (3, 8, 8) or (str(path) in said and "\n" not in said)


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files_are_read_or_refused(tmp_path, suffix):
    if not pristine(suffix):
        pytest.skip(f"this Pillow writes no .{suffix}")
    try_damaged(tmp_path, suffix, 12)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_many_damaged_files_are_read_or_refused(tmp_path, suffix):
    if not pristine(suffix):
        pytest.skip(f"this Pillow writes no .{suffix}")
    try_damaged(tmp_path, suffix, 1500)

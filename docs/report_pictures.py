"""Make the pictures of docs/guide/reports.md: ``python docs/report_pictures.py``.

It searches in NAS-Bench-201, writes the page of the run and lets Chromium (with its driver; both
are Debian packages) take it in a light and a dark window and on a phone. Chromium's version and the
fonts of the machine decide about single pixels, so no test compares them: look at them.
"""

import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

import nas_gym
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import write_page
from nas_gym.store import load_run

FOLDER = Path(__file__).resolve().parent / "guide"
TABLE = ("nasbench201", "nasbench201")
VIEWS = {  # name -> (width, height, dark)
    "light": (1200, 2000, False),
    "dark": (1200, 2000, True),
    "phone": (400, 1100, False),
}
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
MOST = 150_000  # bytes of a picture
COLOURS = 128


def main() -> None:
    """Search, write the page, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        page = _page(Path(folder).resolve())
        for name, (width, height, dark) in VIEWS.items():
            picture = FOLDER / f"report-{name}.png"
            _take(page, picture, width, height, dark)
            size = picture.stat().st_size
            print(f"{picture.name}: {size:,} bytes")
            assert size < MOST


def _page(folder: Path) -> Path:
    """Return the page of a run of REINFORCE, with one of random search beside it."""
    store = "runs/store.sqlite"  # the page shows it
    nas_gym.search(*TABLE, "random-search", budget=300, run="random", store=store)
    line = "nas_gym search --space nasbench201 --evaluator nasbench201 --agent reinforce --seed 0"
    run = ("--budget", "300", "--run", "reinforce")
    subprocess.run([sys.executable, "-m", *line.split(), *run], check=True, capture_output=True)
    found = Findings.of(load_run("reinforce", store))
    return write_page([found], store, folder / "report.html")


def _take(page: Path, picture: Path, width: int, height: int, dark: bool) -> None:
    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    if width > 600:  # with a mouse, which a browser without a head does not have
        options.add_argument(f"--blink-settings={MOUSE}")
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    try:
        _look(driver, page, picture, width, height, dark)
    finally:
        driver.quit()
    image = Image.open(picture).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(picture, optimize=True)


def _look(driver: Any, page: Path, picture: Path, width: int, height: int, dark: bool) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.as_uri())
    driver.save_screenshot(str(picture))


if __name__ == "__main__":
    main()

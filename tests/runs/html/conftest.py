"""A real browser for pages: Debian's Chromium, without a head and without a network."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import write_page
from nas_gym.runs.provenance import begun_with
from nas_gym.store import load_run

Open = Callable[[Path], Any]
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a search in a table, with another one beside."""
    folder = tmp_path_factory.mktemp("page")
    store = folder / "store.sqlite"
    table = ("nasbench201", "nasbench201")
    nas_gym.search(*table, "random-search", budget=50, run="beside", store=store)
    with begun_with(["search", "--set", "a.b='c d'"]):
        nas_gym.search(*table, "reinforce", budget=1000, run="shown", store=store)
    return write_page([Findings.of(load_run("shown", store))], store, folder / "report.html")


@pytest.fixture
def driven() -> Iterator[Open]:
    """What opens a page in a browser of its own, and says that it made no complaint."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    drivers = []

    def opened(page: Path) -> Any:
        options = webdriver.ChromeOptions()
        for argument in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1200,1000"):
            options.add_argument(f"--{argument}")
        options.add_argument(f"--blink-settings={MOUSE}")  # without a head it has none
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        drivers.append(webdriver.Chrome(options=options, service=service))
        drivers[-1].get(page.as_uri())
        return drivers[-1]

    try:
        yield opened
        for driver in drivers:
            assert driver.get_log("browser") == []  # no error, no warning
    finally:
        for driver in drivers:
            driver.quit()


@pytest.fixture
def browser(driven: Open, page: Path) -> Any:
    """A browser that shows ``page``."""
    return driven(page)

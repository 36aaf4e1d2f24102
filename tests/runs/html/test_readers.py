"""The page for everybody: on phones, by keyboard, on paper, to a screen reader; in Chromium."""

import base64
import re
import time
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import write_page
from nas_gym.store import load_run

from .conftest import Open

pytestmark = pytest.mark.slow

SHORT = ("--recipe", "quick", "--workers", "1", "--set", "recipe.filters=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two searches that really train, the second one with learning curves."""
    folder = tmp_path_factory.mktemp("trained")
    for name, options in (
        ("plain", ("recipe.epochs=1",)),
        ("curves", ("recipe.epochs=3", "evaluator.curve=true")),
    ):
        store = ("--store", str(folder / "store.sqlite"))
        with pytest.raises(SystemExit) as ended:
            main(["search", "--budget", "2", "--run", name, *store, *SHORT, *options])
        assert ended.value.code == 0
    return folder


def window(browser: Any, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_of_real_trainings_fits_its_window(driven: Open, trained: Path, width: int) -> None:
    browser = driven(trained / "plain" / "report.html")
    window(browser, width)
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    scrolled, inner = browser.execute_script(wide)
    assert scrolled <= inner == width
    cells = "return [...document.querySelectorAll('.facts td')].map((cell) => cell.clientWidth)"
    widths = browser.execute_script(cells)
    assert len(widths) > 15
    assert min(widths) >= 150
    assert "interval of the best architecture" in browser.page_source


def test_learning_curves_are_shown_or_the_option_is_said(driven: Open, trained: Path) -> None:
    plain = (trained / "plain" / "report.html").read_text(encoding="utf-8")
    assert "--set evaluator.curve=true" in plain
    assert 'id="learning1"' not in plain
    browser = driven(trained / "curves" / "report.html")
    assert browser.execute_script("return document.querySelectorAll('#learning1 canvas').length")
    assert "Learning curves of the children were not kept" not in browser.page_source


def wait_for(browser: Any, script: str) -> None:
    deadline = time.monotonic() + 10
    while not browser.execute_script(f"return {script}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert browser.execute_script(f"return {script}")


def test_a_chart_is_read_and_zoomed_by_keyboard(browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    chart = browser.find_element(By.ID, "best")
    reset = "document.querySelector('#best > button')"
    said = "document.querySelector('#best > .said').textContent"
    assert browser.execute_script(f"return {reset}.hidden")
    browser.execute_script("arguments[0].focus()", chart)
    chart.send_keys(Keys.HOME)
    wait_for(browser, f"{said}.startsWith('request 1: shown (reinforce) 0.')")
    chart.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    wait_for(browser, f"{said}.startsWith('request 3: ')")
    chart.send_keys("+")
    wait_for(browser, f"!{reset}.hidden")
    chart.find_element(By.CSS_SELECTOR, "button").click()
    wait_for(browser, f"{reset}.hidden")
    chart.send_keys("+")
    wait_for(browser, f"!{reset}.hidden")
    chart.send_keys(Keys.ESCAPE)
    wait_for(browser, f"{reset}.hidden")


def test_what_scrolls_can_be_reached_by_tab_and_has_a_name(browser: Any) -> None:
    window(browser, 390)
    nameless = """
        return [...document.querySelectorAll('.wide, .chart')].filter((each) => each.tabIndex !== 0
            || !each.getAttribute('role') || !each.getAttribute('aria-label')).length
    """
    assert browser.execute_script(nameless) == 0
    assert browser.execute_script("return document.querySelectorAll('.wide').length") > 5


def test_dragging_is_offered_where_there_is_a_mouse(browser: Any) -> None:
    hint = "document.querySelector('.hint').innerText"
    assert browser.execute_script("return matchMedia('(hover: hover)').matches")
    shown = browser.execute_script(f"return {hint}")
    assert "drag" in shown
    assert "Tap" not in shown
    window(browser, 390)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    wait_for(browser, "!matchMedia('(hover: hover)').matches")
    shown = browser.execute_script(f"return {hint}")
    assert "drag" not in shown
    assert "Tap" in shown


def test_a_drawing_can_be_had_in_full_size_on_a_phone(browser: Any) -> None:
    from selenium.webdriver.common.by import By

    window(browser, 390)
    wait_for(browser, "!document.querySelector('.drawn button').hidden")
    place = browser.find_element(By.CSS_SELECTOR, ".drawn")
    image = place.find_element(By.CSS_SELECTOR, "img")
    assert image.size["width"] < 390
    browser.execute_script("arguments[0].click()", place.find_element(By.CSS_SELECTOR, "button"))
    assert image.size["width"] >= int(image.get_attribute("width")) > 800
    sideways = "return document.documentElement.scrollWidth <= innerWidth"
    assert browser.execute_script(sideways)  # the drawing scrolls, and not the page


def test_curves_of_several_runs_differ_in_dash_and_name_their_agents(browser: Any) -> None:
    legend = browser.execute_script("return document.querySelector('#best .u-legend').innerText")
    assert "shown (reinforce)" in legend
    assert "beside (random-search)" in legend
    lines = """
        return [...document.querySelectorAll('#best .u-legend .u-marker')].slice(-2)
            .map((each) => getComputedStyle(each)).map((s) => [s.width, s.backgroundImage])
    """
    own, other = browser.execute_script(lines)
    assert own == ["32px", "none"]
    assert other[0] == "32px"
    assert "repeating-linear-gradient" in other[1]


def test_on_paper_it_is_dark_on_white_and_unfolded(browser: Any) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    look = """
        const style = getComputedStyle(document.body);
        const closed = document.querySelectorAll('figure details:not([open])').length;
        return [style.color, style.backgroundColor, closed];
    """
    ink, paper, closed = browser.execute_script(look)
    assert (ink, paper) == ("rgb(228, 233, 239)", "rgb(20, 25, 31)")
    assert closed == 3
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    wait_for(browser, "document.documentElement.classList.contains('paper')")
    assert browser.execute_script(look) == ["rgb(28, 37, 48)", "rgb(255, 255, 255)", 0]
    darkest = """
        const canvas = document.querySelector('#best canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const found = [];
        for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] > 200) found.push(data[i] + data[i + 1] + data[i + 2]);
        return Math.min(...[...new Set(found)]);
    """
    assert browser.execute_script(darkest) < 150  # its words, which were light before
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": dark})
    wait_for(browser, "!document.documentElement.classList.contains('paper')")
    assert browser.execute_script(look) == [ink, paper, 3]
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_on_the_heat_map_can_be_read(browser: Any, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    colours = browser.execute_script(
        """
        const cells = [...document.querySelectorAll('.heat td[class^=h]')];
        const paper = getComputedStyle(document.body).backgroundColor;
        return [paper, getComputedStyle(document.body).color, ...cells.map(
            (cell) => [Number(cell.textContent), getComputedStyle(cell).backgroundColor])];
        """
    )
    paper, ink, *cells = colours
    assert len(cells) == 10 * 6
    strengths = sorted((percent, _strength(colour)) for percent, colour in cells)
    assert [strength for _, strength in strengths] == sorted(s for _, s in strengths)
    strongest = max(cells, key=lambda cell: _strength(cell[1]))[1]
    assert _contrast(_over(strongest, paper), _numbers(ink)) >= 4.5


def _numbers(colour: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", colour)]


def _strength(colour: str) -> float:
    numbers = _numbers(colour)
    return numbers[3] if len(numbers) > 3 else 1.0


def _over(colour: str, paper: str) -> list[float]:
    share = _strength(colour)
    return [
        share * a + (1 - share) * b
        for a, b in zip(_numbers(colour)[:3], _numbers(paper), strict=True)
    ]


def _contrast(one: list[float], other: list[float]) -> float:
    """Return the contrast of two colours as WCAG has it."""

    def light(colour: list[float]) -> float:
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((light(one), light(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_requests_are_whole_numbers_on_the_axis(driven: Open, tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=2, run="two", store=store)
    page = write_page([Findings.of(load_run("two", store))], store, tmp_path / "report.html")
    # What a canvas writes is seen by noting it before the page's script runs.
    noted = (
        "<script>window.words = [];"
        "const plain = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...places)"
        "{ if (this.textAlign === 'center') window.words.push(text);"
        "return plain.call(this, text, ...places); };</script>"
    )
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</head>", f"{noted}</head>"), encoding="utf-8")
    browser = driven(page)
    wait_for(browser, "window.words.includes('2')")
    words = browser.execute_script("return window.words")
    assert set(words) == {"request", "1", "2"}

"""The page in a real browser: Debian's Chromium, without a head and without a network."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def within(done: Callable[[], Any], seconds: float = 60) -> bool:
    """Whether something comes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not (came := bool(done())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return came


def requested(browser: Any) -> list[str]:
    """The addresses that the page asked for."""
    messages = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_it_is_drawn_without_asking_anybody(browser: Any, page: Path) -> None:
    canvases = "return document.querySelectorAll('.chart canvas').length == 2"
    assert within(lambda: browser.execute_script(canvases))
    pixels = """
        const canvas = document.querySelector('#best canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.some((value) => value > 0);
    """
    assert browser.execute_script(pixels)
    whole = "return [...document.images].every((image) => image.decode && image.src)"
    assert browser.execute_script(whole)
    addresses = [a for a in requested(browser) if not a.startswith("data:")]
    assert addresses == [page.as_uri()]
    loaded = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert within(lambda: browser.execute_script(loaded) > 0)
    assert browser.execute_script(loaded) < 20_000  # milliseconds; on a laptop, below a second


def test_curves_tell_their_values_where_the_pointer_is(browser: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    over = browser.find_element(By.CSS_SELECTOR, "#best .u-over")
    legend = browser.find_element(By.CSS_SELECTOR, "#best .u-legend")
    ActionChains(browser).move_to_element(over).perform()
    assert within(lambda: "0." in legend.text)
    assert "shown" in legend.text
    assert "0.9" in legend.text


def test_dragging_zooms(browser: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    over = browser.find_element(By.CSS_SELECTOR, "#best .u-over")
    before = browser.execute_script("return document.querySelector('#best canvas').toDataURL()")
    chain = ActionChains(browser).move_to_element_with_offset(over, -100, 0).click_and_hold()
    chain.move_by_offset(200, 0).release().perform()
    script = "return document.querySelector('#best canvas').toDataURL()"
    assert within(lambda: browser.execute_script(script) != before)


def test_tables_sort_by_pointer_and_by_key(browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    table = browser.find_element(By.CSS_SELECTOR, ".tall table")
    buttons = table.find_elements(By.CSS_SELECTOR, "th button")
    named = {button.text: n for n, button in enumerate(buttons)}

    def column(name: str) -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({named[name] + 1})")
        return [float(cell.get_attribute("data-value")) for cell in cells]

    assert len(column("parameters")) > 10
    buttons[named["parameters"]].click()
    assert column("parameters") == sorted(column("parameters"))
    buttons[named["parameters"]].send_keys(Keys.ENTER)
    assert column("parameters") == sorted(column("parameters"), reverse=True)
    heading = table.find_elements(By.CSS_SELECTOR, "th")[named["parameters"]]
    assert heading.get_attribute("aria-sort") == "descending"


def test_the_command_that_made_the_run_is_copied(browser: Any) -> None:
    from selenium.webdriver.common.by import By

    command = browser.find_element(By.CSS_SELECTOR, ".command").text
    assert command.startswith("nas-gym search")
    browser.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    button = browser.find_element(By.CSS_SELECTOR, "button.copy")
    button.click()
    deadline = time.monotonic() + 10
    while button.text == "copy" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert button.text == "copied"
    assert browser.execute_script("return navigator.clipboard.readText()") == command


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawings_have_the_colour_of_the_page_behind_them(browser: Any, scheme: str) -> None:
    from selenium.webdriver.common.by import By

    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    drawing = browser.find_element(By.CSS_SELECTOR, "figure img")
    browser.execute_script("arguments[0].scrollIntoView()", drawing)
    ready = """
        const [image, done] = arguments;
        image.decode().then(() => requestAnimationFrame(() => done()));
    """
    browser.execute_async_script(ready, drawing)
    pixels = Image.open(io.BytesIO(drawing.screenshot_as_png)).convert("RGB")
    paper = {"light": (255, 255, 255), "dark": (20, 25, 31)}[scheme]
    assert pixels.getpixel((3, 3)) == paper
    colours = {colour for _, colour in pixels.getcolors(2**20)}
    far = max(abs(sum(colour) - sum(paper)) for colour in colours)
    assert far > 500  # its lines and letters can be seen


def test_nothing_is_wider_than_a_phone(browser: Any) -> None:
    browser.set_window_size(400, 800)
    width = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width[0] <= width[1]

"""The application's page in headless Chromium, as a visitor uses it."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="no Selenium here: pip install '.[dev]'")

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
DESKTOP, PHONE = (1400, 1000), (400, 860)
TABS = ("translating", "batch", "dataset")
# Generous: the tests' machine may do other things, too.
PATIENCE_S = 120
if not (CHROMIUM.exists() and DRIVER.exists()):
    pytest.skip(f"no {CHROMIUM} and {DRIVER} here (Debian's packages)", allow_module_level=True)

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
_NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
Result = TypeVar("Result")


@contextmanager
def browser(folder: Path, size: tuple[int, int] = DESKTOP, camera: Path | None = None) -> Iterator[Page]:
    """Yield a page of a browser of its own, whose profile and downloads lie in `folder`; `size` is in CSS pixels.

    `camera` is a Motion JPEG, the frames one after the other, that its camera sees.
    """
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    if camera is not None:
        for argument in (*_CAMERA, f"--use-file-for-fake-video-capture={camera}"):
            options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        # A window is never as narrow as a phone; what is emulated is. A "mobile" one would grow with what overflows.
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        yield Page(driver, downloads)
    finally:
        driver.quit()


class Page:
    """What a visitor sees and does; whatever is not there yet is waited for."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads
        self._asked: set[str] = set()

    def open(self, address: str) -> None:
        """Go to the page and wait until it can be used."""
        self.driver.get(address)
        self.until(lambda: self.find("#upload input[type=file]"), "the page")

    def show_tab(self, name: str) -> None:
        """Choose one of `TABS`; a narrow page keeps some in a menu."""
        buttons = self.all(f"#tab-{name}-button")
        if not any(button.is_displayed() for button in buttons):
            self.click(".overflow-menu > button")
        self.until(lambda: self._click_shown(f"#tab-{name}-button"), f"the button of the tab {name}")
        self.until(lambda: self.find(f"#tab-{name}").is_displayed(), f"the tab {name}")

    def give(self, path: Path, where: str = "#upload") -> None:
        """Choose a file for an upload."""
        self.until(lambda: self._file_input(where), f"an input for files in {where}").send_keys(str(path))

    def copy(self, png: bytes) -> None:
        """Put a picture where it can be pasted from."""
        granted = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        self.driver.execute_cdp_cmd("Browser.grantPermissions", granted)
        self.driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        code = """
            const [data, done] = arguments;
            const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
            const item = new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})});
            navigator.clipboard.write([item]).then(() => done(null), (error) => done(String(error)));
        """
        problem = self.driver.execute_async_script(code, base64.b64encode(png).decode())
        assert problem is None, problem

    def find(self, selector: str) -> WebElement:
        """Return the first element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return all elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return what can be read in all of a selector's elements."""
        return "\n".join(element.text for element in self.all(selector))

    def click(self, selector: str) -> None:
        """Click the first shown element."""
        self.until(lambda: self._click_shown(selector), f"something to click at {selector}")

    def click_inside(self, selector: str, across: float, down: float) -> None:
        """Click a place in an element, given as parts of its width and height, once it is drawn."""
        self.until(lambda: self._drawn(selector), f"a picture at {selector}")
        element = self.find(selector)
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        size = element.size
        x, y = (across - 0.5) * size["width"], (down - 0.5) * size["height"]
        ActionChains(self.driver).move_to_element_with_offset(element, round(x), round(y)).click().perform()

    def type_into(self, selector: str, text: str) -> None:
        """Replace what an input says, and leave it."""
        element = self.until(lambda: self.find(selector), selector)
        element.send_keys(Keys.CONTROL, "a")
        element.send_keys(text, Keys.TAB)

    def choose(self, selector: str, label: str) -> None:
        """Choose from a dropdown once it offers this."""

        def choose() -> bool:
            self._click_shown(f"{selector} input")
            for option in self.all(f"{selector} [role=option], .options [role=option]"):
                if option.is_displayed() and option.text.strip().removeprefix("✓").strip() == label:
                    option.click()
                    return True
            self.find(f"{selector} input").send_keys(Keys.ESCAPE)
            return False

        self.until(choose, f"{label!r} in {selector}")

    def read(self, selector: str, *expected: str) -> str:
        """Wait until an element is there and says all that is expected, whatever its case; return its text."""
        wanted = [text.lower() for text in expected]

        def says() -> bool:
            return bool(self.all(selector)) and all(text in self.text(selector).lower() for text in wanted)

        try:
            self.until(says, f"{expected} at {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.text(selector)!r}") from None
        return self.text(selector)

    def until(self, condition: Callable[[], Result], what: str) -> Result:
        """Wait for a condition to give something true; return it."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if result := condition():
                    return result
            except _NOT_YET:
                pass
            time.sleep(0.1)
        raise AssertionError(f"waited {PATIENCE_S} s for {what}")

    def wait_for_answers(self, names: set[str]) -> dict[str, WebElement]:
        """Wait until these models, and no others, have answered or failed; return each one's first card."""

        def cards() -> dict[str, WebElement] | None:
            found: dict[str, WebElement] = {}
            for card in self.all("#answers .answer"):
                if card.get_attribute("data-state") == "waiting":
                    return None
                found.setdefault(card.get_attribute("data-model") or "", card)
            return found if set(found) == names else None

        try:
            return self.until(cards, f"answers of {sorted(names)}") or {}
        except AssertionError as error:
            said = {name: self.text(name) for name in ("#answers", "#advice")}
            raise AssertionError(f"{error}; there is {said}") from None

    def answer(self, name: str) -> np.ndarray:
        """Return the picture on a model's card, HxWx3 RGB."""
        source = self.find(f"#answers .answer[data-model='{name}'] img").get_attribute("src") or ""
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))

    def image_of(self, selector: str) -> str:
        """Return the address of the first picture in an element once it is drawn."""
        return self.until(lambda: self._drawn(f"{selector} img"), f"a picture in {selector}")

    def downloaded(self, selector: str) -> Path:
        """Click what downloads a file; return the file once it is whole."""
        before = set(self.downloads.iterdir())
        self.click(selector)

        def whole() -> Path | None:
            new = set(self.downloads.iterdir()) - before
            # While it comes, Chromium writes beside it, under names that begin with a dot or end in .crdownload.
            is_whole = all(path.name[0] != "." and path.suffix != ".crdownload" for path in new)
            return min(new) if new and is_whole else None

        found = self.until(whole, f"the file of {selector}")
        assert found is not None
        return found

    def overflow_px(self) -> int:
        """Return by how much the page is wider than the window."""
        return self.script("return document.scrollingElement.scrollWidth - window.innerWidth")

    def script(self, code: str, *arguments: Any) -> Any:
        """Run JavaScript in the page."""
        return self.driver.execute_script(code, *arguments)

    def hosts(self) -> set[str]:
        """Return which hosts the browser has asked for anything since it was started."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = urlsplit(message["params"]["request"]["url"])
                self._asked |= {address.netloc} if address.scheme in ("http", "https", "ws", "wss") else set()
        return self._asked

    def _click_shown(self, selector: str) -> bool:
        for element in self.all(selector):
            if element.is_displayed() and element.is_enabled():
                self.script("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
                return True
        return False

    def _file_input(self, where: str) -> WebElement | None:
        """Return an upload's input; a file that is shown there is removed first."""
        for element in self.all(f"{where} input[type=file]"):
            return element
        for button in self.all(f"{where} button[aria-label=Clear], {where} button[aria-label^=Remove]"):
            button.click()
        return None

    def _drawn(self, selector: str) -> str | None:
        for image in self.all(selector):
            if self.script("return arguments[0].complete && arguments[0].naturalWidth > 0", image):
                return image.get_attribute("src")
        return None

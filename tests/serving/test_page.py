"""The page of ``textnets serve`` in a real browser, by the keyboard: on a phone and on a desk, dark
and light."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import Server, texts_of

BROWSER, DRIVER = (
    next(filter(None, map(shutil.which, names)), None)
    for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
)
webdriver = pytest.importorskip("selenium.webdriver")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None,
        reason="there is no Chromium with its driver: apt-get install chromium chromium-driver",
    ),
]

SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}
Servers = Callable[[str], Server]


class Page:
    """A page as a person has it before them."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, server: Server, screen: str = "desktop", scheme: str = "light") -> None:
        width, height = SCREENS[screen]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self._driver.get(f"http://127.0.0.1:{server.port}/")
        self.wait(lambda: self.text("#task"))

    def wait(self, condition: Callable[[], object]) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self._driver, 60).until(lambda _: condition())

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self._driver.find_elements("css selector", selector)
        return found

    def text(self, selector: str) -> str:
        return "\n".join(one.text for one in self.all(selector))

    def value(self, script: str) -> Any:
        return self._driver.execute_script(f"return {script}")

    def press(self, *keys: str) -> None:
        self._driver.switch_to.active_element.send_keys(*keys)

    def ask(self, text: str) -> None:
        """Type a text, which has the focus when the page opens, and send it."""
        from selenium.webdriver.common.keys import Keys

        self.press(text, Keys.CONTROL, Keys.ENTER)
        self.wait(
            lambda: not self.all("#send[disabled]") and self.all("#result *, #error:not([hidden])")
        )

    def keep(self, name: str) -> None:
        """A picture of it, for who wants to look (TEXTNETS_TESTS_SCREENSHOTS names a folder)."""
        if folder := os.environ.get("TEXTNETS_TESTS_SCREENSHOTS"):
            self._driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the browser says of scripts, styles and files that it refused."""
        return [entry["message"] for entry in self._driver.get_log("browser")]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # The sandbox needs what containers do not allow.
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(word)
    found = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield found
    found.quit()


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    found = Page(driver)
    yield found
    assert [line for line in found.complaints() if " 422 " not in line] == []


EXPECTED = {
    "classification": ".bars .fill",
    "tagging": ".word .tag",
    "translation": ".heat tbody td",
    "language_modeling": ".written .token",
}


@pytest.mark.parametrize("task", EXPECTED)
def test_it_answers_on_every_screen(servers: Servers, page: Page, task: str) -> None:
    server = servers(task)
    for screen, scheme in (("phone", "dark"), ("desktop", "light")):
        page.open(server, screen, scheme)
        page.ask(texts_of(task)[0])
        page.keep(f"{task}-{screen}-{scheme}")
        assert page.text("#error") == ""
        assert page.all(EXPECTED[task])
        assert page.value("document.documentElement.scrollWidth - innerWidth") <= 0
        ground = page.value("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, ground[4:-1].split(","))) < 100) == (scheme == "dark")


def test_bars_are_the_probabilities(servers: Servers, page: Page) -> None:
    server = servers("classification")
    text = "where is <b>my card</b> & <script>alert(1)</script>"
    page.open(server)
    page.ask(text)
    (answer,) = server.predict(text=text)
    likely = sorted(answer["probabilities"].items(), key=lambda item: -item[1])
    shown = [row.text.split("\n") for row in page.all(".bars li")]
    assert shown == [[name, f"{share * 100:.1f} %"] for name, share in likely]
    widths = page.value(
        "[...document.querySelectorAll('.fill')].map(one => parseFloat(one.style.width))"
    )
    assert widths == pytest.approx([share * 100 for _, share in likely], abs=0.01)
    assert page.text(".bars .chosen .name") == answer["label"]
    assert not page.all("#result b, #result script")


def test_what_comes_from_a_model_is_text(servers: Servers, page: Page) -> None:
    page.open(servers("tagging"))
    page.ask("<b>The</b> <img/src=x/onerror=alert(1)> dog")
    words = [word.text.split("\n")[0] for word in page.all(".word")]
    assert words == ["<b>The</b>", "<img/src=x/onerror=alert(1)>", "dog"]
    assert not page.all("#result b, #result img")


def test_attention_is_as_wide_as_the_source(servers: Servers, page: Page) -> None:
    server = servers("translation")
    page.open(server)
    page.ask("We won!")
    (answer,) = server.predict(text="We won!", attention=True)
    assert page.text(".translation") == answer["translation"]
    assert len(page.all(".heat tbody tr")) == len(answer["tokens"])
    assert len(page.all(".heat thead th")) == len(answer["source_tokens"])
    first = page.value("getComputedStyle(document.querySelector('.heat tbody td')).backgroundColor")
    assert first not in ("", "rgba(0, 0, 0, 0)")


def test_writing_goes_on_by_the_keyboard(servers: Servers, page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    server = servers("language_modeling")
    page.open(server)
    page.ask("First")
    (whole,) = server.predict(text="First", length=60, temperature=0.7, seed=0)
    assert page.value("document.querySelector('.written').textContent") == whole["continued"]
    assert len(page.all(".written .token")) == 60
    assert page.text(".writing h2") == "Token 60: the likeliest"
    assert 5 <= len(page.all(".writing .bars li")) <= 6
    while page.value("document.activeElement.className") != "written":
        page.press(Keys.TAB)
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert page.text(".writing h2") == "Token 58: the likeliest"
    assert page.text(".bars .chosen .name").replace("␣", " ") == whole["tokens"][57]


def test_what_is_refused_is_said(servers: Servers, page: Page) -> None:
    page.open(servers("language_modeling"))
    page.value("document.querySelector('[name=temperature]').value = '1000'")
    page.value("document.querySelector('[name=temperature]').max = '2000'")
    page.ask("First")
    assert page.text("#error") == "'temperature': Input should be less than or equal to 100"


def test_the_page_of_requests(servers: Servers, page: Page) -> None:
    server = servers("classification")
    page.open(server)
    page.value("location.assign('/docs')")
    page.wait(lambda: page.all("table.keys"))
    assert "POST /predict" in page.text("h2")
    assert f'curl -d \'{{"text":"a text of yours"}}\' http://127.0.0.1:{server.port}/predict' in (
        page.text("pre")
    )
    assert page.value("document.documentElement.scrollWidth - innerWidth") <= 0

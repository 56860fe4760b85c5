"""The text box in a real browser: what is typed is understood, answered, and stops nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from chromium import Chromium, Page, find_chromium

from diffusion_mpc_ros.language.meaning import LanguageError
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.view.browser.server import Browser
from diffusion_mpc_ros.view.said import Said, Wanted

pytest.importorskip("tokenizers", reason="make setup-say")
WAIT = 60.0
LABEL = "[...document.querySelectorAll('label')].find(l => l.innerText.trim() === 'Say')"
FIELD = "'input, textarea'"
BOX = (
    f"(e => {{while (e && !e.querySelector({FIELD})) e = e.parentElement; return e?.querySelector({FIELD})}})({LABEL})"
)


class Recorder:
    """A :class:`view.desk.Desk` that writes down what it is asked for, and answers sentences as the node does."""

    def __init__(self) -> None:
        self.said, self.asked, self.done, self.refused = Said(), [], [], []
        self.settings = make_composer().target

    def say(self, browser: int, sentence: str) -> None:
        self.asked.append(sentence)
        self.said.take(browser, sentence, self.settings)

    def answer(self, browser: int, number: int, agreed: bool) -> None:
        try:
            self.done.append(self.said.answered(browser, number, agreed))
        except LanguageError as error:
            self.refused.append(str(error))

    def leave(self, browser: int) -> None:
        """Nothing was asserted."""

    def __getattr__(self, name: str):
        """Everything else that can be asked for."""
        return lambda *_: self.asked.append(name)


@pytest.fixture
def desk() -> Recorder:
    return Recorder()


@pytest.fixture
def browser(desk) -> Iterator[Browser]:
    if not find_chromium():
        pytest.skip("no browser: there is no Chromium on this machine (Debian: apt install chromium)")
    browser = Browser("127.0.0.1", 0, "Go2", [], 20.0, desk)
    yield browser
    browser.close()


@pytest.fixture
def chromium(tmp_path) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path / "profile")
    yield chromium
    chromium.close()


@pytest.fixture
def page(browser, chromium) -> Page:
    return chromium.open(browser.url)


def until(condition, desk: Recorder, browser: Browser) -> None:
    """Show what the desk has to say until ``condition`` holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, desk.asked
        browser.show_said(desk.said.text, desk.said.asks)
        time.sleep(0.05)


def test_what_is_typed_is_answered_and_done_after_a_yes(desk, browser, page):
    page.click(BOX)
    # A space alone would be the emergency stop.
    page.type("save energy")
    # A browser keeps a box's letters back for 50 ms, and a click within these takes their place.
    until(lambda: browser._words._box.value == "save energy", desk, browser)
    page.click(page.button("Say it"))
    until(lambda: desk.asked, desk, browser)
    assert desk.asked == ["save energy"] and desk.done == []
    until(lambda: "'save energy' -> save energy" in page.text and "Do it" in page.text, desk, browser)
    page.click(page.button("Do it"))
    until(lambda: desk.done, desk, browser)
    (wanted,) = desk.done
    assert isinstance(wanted, Wanted) and wanted.change.preset == "energy"
    until(lambda: "Do it" not in page.text, desk, browser)
    assert desk.asked == ["save energy"]


def test_one_browser_does_not_agree_for_another(desk, browser, page, chromium):
    page.click(BOX)
    page.type("save energy")
    until(lambda: browser._words._box.value == "save energy", desk, browser)
    page.click(page.button("Say it"))
    other = chromium.open(browser.url)
    # All see what one has said.
    until(lambda: "'save energy' -> save energy" in other.text and "Do it" in other.text, desk, browser)
    other.click(other.button("Do it"))
    until(lambda: desk.refused, desk, browser)
    assert "in another browser" in desk.refused[0] and not desk.done
    # The buttons of a sentence go with it.
    desk.say(-1, "keep your balance")
    until(lambda: "'keep your balance'" in page.text and "Do it" in page.text, desk, browser)
    page.click(page.button("Do it"))
    until(lambda: len(desk.refused) > 1, desk, browser)
    assert not desk.done

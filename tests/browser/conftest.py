"""A Chromium and a dashboard, for tests of pages. Without a Chromium they skip and say so; in CI they may not."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.browser.studies import HOSTILE, STUDIES, write

from kilter.core.interfaces import Storage
from kilter.dashboard import create_app
from kilter.plugins import open_storage

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAITS = 60_000
"""Milliseconds until a page must show what is waited for, on a machine that does other things, too."""
LEFT = "net::ERR_ABORTED"
"""What became of a request whose answer nobody waits for any more, since its page was left."""
STEADY = 3
"""Looks in a row at which a page does nothing, before it is taken for done."""


def lacking(what: str) -> None:
    """Skip, and say what is missing; a test that CI cannot run has failed."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {what}")


class Served:
    """A dashboard on a storage; the studies of `tests.browser.studies` are made when they are first asked for."""

    def __init__(self, storage: Storage, **settings: Any) -> None:
        self.storage = storage
        self._ids: dict[str, int] = {}
        app = create_app(storage, **settings)
        config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def id(self, name: str) -> int:
        """A study by its name."""
        if name not in self._ids:
            self._ids[name] = write(self.storage, name, STUDIES[name], time.time())
        return self._ids[name]

    def fresh(self, name: str) -> str:
        """The name of a study made in the same way that no other test reads."""
        copy = f"fresh {len(self._ids)}"
        self._ids[copy] = write(self.storage, copy, STUDIES[name], time.time())
        return copy

    def address(self, name: str, page: str = "", query: str = "") -> str:
        """The address of a page of a study."""
        return f"{self.url}#/{self.id(name)}{f'/{page}' if page else ''}{f'?{query}' if query else ''}"


@pytest.fixture(scope="package")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Who changes a study asks for a fresh one."""
    path = tmp_path_factory.mktemp("browser") / "studies.db"
    with Served(open_storage(f"sqlite:///{path}")) as served:
        yield served


@pytest.fixture(scope="package")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Of few studies, for lists of all of them."""
    path = tmp_path_factory.mktemp("few") / "studies.db"
    with Served(open_storage(f"sqlite:///{path}")) as served:
        for name in ("one", "three", "two-hundred", "folds", HOSTILE):
            served.id(name)
        yield served


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """It ends with this folder: while Playwright is there, no other test in this thread could begin an event loop."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("Playwright: pip install playwright")
    if program is None:
        lacking("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Opener:
    """Opens pages, and keeps what went wrong on them."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.wrong: list[str] = []

    def __call__(self, address: str, *, width: int = 1400, theme: str = "light", **settings: Any) -> Any:
        context = self._browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **settings)
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAITS)
        self._watch(page)
        page.goto(address)
        return page

    def _watch(self, page: Any) -> None:
        def keep(is_wrong: bool, what: str) -> None:
            if is_wrong:
                self.wrong.append(f"{page.url}: {what}")

        page.on("console", lambda message: keep(message.type == "error", f"console: {message.text}"))
        page.on("pageerror", lambda error: keep(True, f"error: {error.stack}"))
        page.on("response", lambda answer: keep(answer.status >= 400, f"{answer.status} {answer.url}"))
        page.on("requestfailed", lambda request: keep(request.failure != LEFT, f"{request.failure} {request.url}"))
        page.on("dialog", lambda dialog: (keep(True, f"dialog: {dialog.message}"), dialog.dismiss()))

    def close(self) -> None:
        """Close what is open."""
        while self._contexts:
            self._contexts.pop().close()


@pytest.fixture
def browse(chromium: Any) -> Iterator[Opener]:
    """Opens a page; afterwards nothing may have gone wrong on it, but for what the test takes out of `browse.wrong`."""
    opener = Opener(chromium)
    yield opener
    opener.close()
    assert opener.wrong == []


def settled(page: Any) -> Any:
    """The page, once nothing on it is on its way."""
    from playwright.sync_api import expect

    page.locator("main h1").first.wait_for(state="attached")
    expect(page.locator("main .skeleton")).to_have_count(0, timeout=WAITS)  # a function of our own would be an eval
    return page


def offences(page: Any) -> list[str]:
    """What axe-core finds serious or critical."""
    if not AXE.exists():
        lacking("axe-core: npm ci in web/")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def overflow(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def until(page: Any, claim: str, *given: Any) -> None:
    """Wait until an expression of JavaScript is true of the page; `given` is what it calls `given[0]`, `given[1]`, …"""
    end = time.monotonic() + WAITS / 1000
    while not page.evaluate(f"given => {claim}", list(given)):
        assert time.monotonic() < end, f"{claim} {given}: {page.evaluate('JSON.stringify(window.__kilter)')} {page.url}"
        page.wait_for_timeout(20)


def find(page: Any, typed: str) -> None:
    """Open the palette and type, once the keys go there."""
    page.keyboard.press("Control+k")
    until(page, "document.activeElement?.getAttribute('role') === 'combobox'")
    page.keyboard.type(typed)


class Meter:
    """What a page costs: seconds of its main thread's processor, however busy the machine is, and bytes."""

    def __init__(self, page: Any) -> None:
        self.bytes = self.requests = 0
        self._page = page
        self._open: set[str] = set()
        self._session = page.context.new_cdp_session(page)
        self._session.on("Network.requestWillBeSent", self._sent)
        self._session.on("Network.loadingFinished", self._received)
        self._session.on("Network.loadingFailed", lambda event: self._open.discard(event["requestId"]))
        self._session.send("Network.enable")
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def _sent(self, event: Any) -> None:
        if event.get("type") != "EventSource":  # which stays open
            self.requests += 1
            self._open.add(event["requestId"])

    def _received(self, event: Any) -> None:
        self._open.discard(event["requestId"])
        self.bytes += event["encodedDataLength"]

    def seconds(self) -> float:
        """All that the main thread has done since the page was opened."""
        figures = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(figure["value"] for figure in figures if figure["name"] == "TaskDuration"))

    def settled(self) -> float:
        """The same, once the page does nothing any more: to look at what it shows would take the processor, too."""
        quiet, before = 0, self.seconds()
        end = time.monotonic() + WAITS / 1000
        while quiet < STEADY and time.monotonic() < end:
            self._page.wait_for_timeout(100)
            now = self.seconds()
            quiet = quiet + 1 if not self._open and now - before < 0.002 else 0
            before = now
        return before

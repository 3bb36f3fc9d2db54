"""A headless Chromium, driven through its DevTools protocol; for tests and for the documentation.

aiohttp, which Ray's dashboard brings along, speaks the protocol's web socket: no driver to install.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS: Final = 30.0
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",  # which refuses to start as root, as in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class BrowserError(Exception):
    """What was looked for did not come, or a page's script failed."""


def find_chromium() -> str | None:
    """Path of a Chromium on this machine, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A page of the browser.

    Parameters
    ----------
    socket
        To the page's DevTools.
    runner
        Whose loop the socket is used in.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, runner: asyncio.Runner) -> None:
        self._socket = socket
        self._runner = runner
        self._number = 0

    def open(self, url: str) -> None:
        """Go to an address, with a new document even if only its `#` part differs."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression, or of the promise that it gives.

        Raises
        ------
        BrowserError
            If it throws.
        """
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 180.0) -> Any:
        """Wait until an expression is true; its value then.

        Raises
        ------
        BrowserError
            If it does not become true; with the text that the page shows.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # an expression may fail while the page is still being made
            with suppress(BrowserError):
                if value := self.evaluate(script):
                    return value
            time.sleep(0.2)
        text = " | ".join(str(self.evaluate("document.body.innerText")).split("\n"))
        raise BrowserError(f"{script} is not true after {seconds:.0f} s; the page shows: {text}")

    def wait_for_text(self, *texts: str, seconds: float = 180.0) -> None:
        """Wait until the page shows some texts."""
        for text in texts:
            self.wait(f"document.body.innerText.includes({json.dumps(text)})", seconds)

    def click(self, script: str) -> None:
        """Click in the middle of the element that an expression gives, as a mouse does."""
        at = self.wait(
            f"(() => {{ const e = {script}; if (!e) return null;"
            " e.scrollIntoView({block: 'center'});"
            " const b = e.getBoundingClientRect();"
            " return b.width ? [b.x + b.width / 2, b.y + b.height / 2] : null; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1
            )

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        data = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._runner.run(self._ask(method, params))

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=60)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def browser(width: int = 1600, height: int = 900) -> Iterator[Page]:
    """Run a browser for a block; gives its page.

    Raises
    ------
    BrowserError
        If there is no Chromium, or it does not start.
    """
    chromium = find_chromium()
    if chromium is None:
        raise BrowserError(f"no Chromium is on the path ({', '.join(NAMES)}): install one")
    with tempfile.TemporaryDirectory(prefix="bindgrid-browser-") as profile:
        command = [chromium, *_OPTIONS, f"--window-size={width},{height}"]
        process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = _port(process, Path(profile))
            with asyncio.Runner() as runner:
                session, socket = runner.run(_connect(port))
                try:
                    yield Page(socket, runner)
                finally:
                    runner.run(_close(session, socket))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            end_helpers(process.pid)


def end_helpers(group: int) -> None:
    """End the browser's own processes, which write into its profile for a moment after it ended."""
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):  # none is left
        while time.monotonic() < deadline:
            os.killpg(group, signal.SIGKILL)
            time.sleep(0.05)


def _port(process: subprocess.Popen[bytes], profile: Path) -> int:
    """Port of the browser's DevTools, which it writes into its profile."""
    file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, ValueError, IndexError):
            return int(file.read_text().splitlines()[0])
        time.sleep(0.05)
    raise BrowserError(f"Chromium did not start within {START_SECONDS:.0f} s")


async def _connect(port: int) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = await answer.json()
    url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    return session, await session.ws_connect(url, max_msg_size=0)


async def _close(session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
    with suppress(Exception):
        await socket.close()
    await session.close()

"""Chromium without a window, driven by its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
_PREFIX = "DevTools listening on "
_SECONDS = 60


class Browser:
    """A page in Chromium; a context manager.

    Attributes:
      problems: what the page logged as an error, and exceptions of its scripts.
    """

    def __init__(self):
        self.problems = []
        self._number = 0

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        lines = iter(self._process.stderr.readline, "")
        address = next(line for line in lines if line.startswith(_PREFIX)).split("/")[2]
        with urllib.request.urlopen(f"http://{address}/json", timeout=_SECONDS) as answer:
            page = next(page for page in json.load(answer) if page["type"] == "page")
        self._loop = asyncio.new_event_loop()
        self._socket = self._loop.run_until_complete(_connect(page["webSocketDebuggerUrl"]))
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate(timeout=_SECONDS)
        self._loop.close()
        self._profile.cleanup()

    def open(self, address, width=1280, height=900):
        """Loads a page in a window of this size."""
        self.resize(width, height)
        self._send("Page.navigate", url=address)

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._send("Emulation.setDeviceMetricsOverride", **size)

    def value(self, expression):
        """The value of a JavaScript expression."""
        answer = self._send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression):
        """Waits until an expression is true, as JavaScript sees it."""
        deadline = time.monotonic() + _SECONDS
        while not self.value(f"!!({expression})"):
            assert time.monotonic() < deadline, f"not true: {expression}"
            time.sleep(0.1)

    def photograph(self, path):
        """Writes a picture of the whole page."""
        answer = self._send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        return self._loop.run_until_complete(self._exchange(json.dumps(message)))

    async def _exchange(self, message):
        await self._socket.write_message(message)
        while True:
            answer = json.loads(await self._socket.read_message())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            is_log = answer["method"] == "Log.entryAdded"
            if is_log and answer["params"]["entry"]["level"] == "error":
                self.problems.append(answer["params"]["entry"]["text"])
            if answer["method"] == "Runtime.exceptionThrown":
                self.problems.append(answer["params"]["exceptionDetails"]["text"])


async def _connect(address):
    return await websocket_connect(address, max_message_size=2**28)

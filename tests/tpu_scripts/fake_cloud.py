"""A Google Cloud on this machine: a gcloud on PATH, and an HTTP server that is the TPU API.

Both keep what they know in one folder: `calls.jsonl` (every call of gcloud), `rules.json` (what
gcloud is to answer) and `node.json` (the TPU; no file, no TPU). Questions that no rule answers get
the answer of a project in which all is in order.
"""

import contextlib
import functools
import http.server
import json
import os
import sys
import threading
import time

import rsa

_GCLOUD = """#!{python} -S
import json, os, pathlib, sys
home = pathlib.Path("{home}")
call = sys.argv[1:]
with open(home / "calls.jsonl", "a") as file:
    file.write(json.dumps(call) + "\\n")
rules, text = json.loads((home / "rules.json").read_text()), " ".join(call)
node = home / "node.json"
for rule in rules:
    if all(word in text for word in rule["when"]) and rule.get("times", 1):
        rule["times"] = rule.get("times", 1) - 1
        (home / "rules.json").write_text(json.dumps(rules))
        if "node" in rule:
            node.write_text(json.dumps(rule["node"]))
        if "gone" in rule:
            node.unlink()
        print(rule.get("out", ""), end="")
        print(rule.get("err", ""), end="", file=sys.stderr)
        sys.exit(rule.get("code", 0))
answers = {{
    "projects describe": "ACTIVE",
    "services list": text.partition("config.name=")[2].partition(" ")[0],
    "describe": "there",
    "storage ls": "gs://data/imagenet2012/",
    "storage buckets describe": '{{"location": "US-CENTRAL1"}}',
    "quotas info describe": "{{}}",
    "instances describe": "RUNNING",
}}
if "instances describe" in text and not node.exists():
    sys.exit("ERROR: The resource 'projects/p/zones/z/instances/" + call[3] + "' was not found")
print(answers.get(max((key for key in ["", *answers] if key in text), key=len), ""))
if "create" in call:
    node.write_text(json.dumps({{"state": "READY", "health": "HEALTHY"}}))
if "delete" in call:
    node.unlink(missing_ok=True)
"""


READS = {
    *("describe", "describe-from-family", "list", "list-instances", "get-value", "ls"),
    "--command=true",  # over ssh
}


class FakeCloud:
    """What the tests say to it and ask it."""

    def __init__(self, home, port):
        self.home, self.port = home, port
        self.tell([])

    def tell(self, rules):
        """Answers of gcloud: dicts of `when` (words of the call), and out, err, code.

        `node` changes the TPU, `gone` removes it.
        """
        (self.home / "rules.json").write_text(json.dumps(rules))

    def set_node(self, **fields):
        """The TPU that the API knows; `wait_for` makes that many questions see CREATING."""
        (self.home / "node.json").write_text(json.dumps(fields))

    def calls(self):
        """Arguments of all calls of gcloud so far."""
        path = self.home / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def changes(self):
        """Arguments of the calls that change something or run on the TPU."""
        return [call for call in self.calls() if not READS & set(call)]

    def environment(self):
        """Variables under which programs see this cloud and no other."""
        return {
            "PATH": f"{self.home}{os.pathsep}{os.environ['PATH']}",
            "TPU_API_DISCOVERY_URL": f"http://127.0.0.1:{self.port}/discovery",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.home / "credentials.json"),
            "NO_PROXY": "127.0.0.1",
        }


@contextlib.contextmanager
def running(home):
    """A FakeCloud that keeps its files in a folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.home, server.port = home, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    gcloud = home / "gcloud"
    gcloud.write_text(_GCLOUD.format(python=sys.executable, home=home))
    gcloud.chmod(0o755)
    _write_credentials(home / "credentials.json", server.port)
    try:
        yield FakeCloud(home, server.port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@functools.cache
def _key():
    return rsa.newkeys(1024)[1]


def _write_credentials(path, port):
    """Of a service account that only this cloud knows."""
    key = _key()
    account = {
        "type": "service_account",
        "client_email": "nobody@fake",
        "client_id": "1",
        "private_key_id": "1",
        "private_key": key.save_pkcs1().decode(),
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    path.write_text(json.dumps(account))


class _Api(http.server.BaseHTTPRequestHandler):
    """Answers like the TPU API: discovery, token, one node."""

    def do_POST(self):
        self._answer(200, {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self):
        if "discovery" in self.path:
            return self._answer(200, _discovery(self.server.port))
        path = self.server.home / "node.json"
        if not path.exists():
            return self._answer(404, {"error": {"code": 404, "message": "node not found"}})
        node = json.loads(path.read_text())
        if "error" in node:
            return self._answer(node["error"], {"error": {"message": "the API is down"}})
        time.sleep(node.pop("slow", 0))
        waits = node.get("wait_for", 0)
        if waits:
            path.write_text(json.dumps({**node, "wait_for": waits - 1}))
            node.update(state="CREATING", health="")
        self._answer(200, {"name": self.path, **node})

    def _answer(self, code, content):
        body = json.dumps(content).encode()
        with contextlib.suppress(BrokenPipeError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def _discovery(port):
    get = {
        "id": "tpu.projects.locations.nodes.get",
        "path": "v1/{+name}",
        "httpMethod": "GET",
        "parameters": {"name": {"type": "string", "required": True, "location": "path"}},
        "parameterOrder": ["name"],
        "response": {"$ref": "Node"},
    }
    nodes = {"resources": {"nodes": {"methods": {"get": get}}}}
    return {
        "kind": "discovery#restDescription",
        "name": "tpu",
        "version": "v1",
        "rootUrl": f"http://127.0.0.1:{port}/",
        "servicePath": "",
        "baseUrl": f"http://127.0.0.1:{port}/",
        "auth": {"oauth2": {"scopes": {"https://www.googleapis.com/auth/cloud-platform": {}}}},
        "schemas": {"Node": {"id": "Node", "type": "object", "properties": {}}},
        "resources": {"projects": {"resources": {"locations": {"resources": nodes["resources"]}}}},
    }

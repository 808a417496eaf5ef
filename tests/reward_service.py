"""A reward service in this process, which misbehaves as it is told.

Well behaved, it scores a row by `expected`, marks every "Haus" and "dog" and answers in a random
order.
"""

import atexit
import hashlib
import json
import random
import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORST = -100.0


def expected(hypothesis, source=""):
    """A number that no other text has: a row that got another's answer shows."""
    digest = hashlib.sha256(f"{source}\0{hypothesis}".encode("utf-8", "surrogatepass")).digest()
    return -int.from_bytes(digest[:6]) / 2**48 * 100.0


def result(item):
    hypothesis = item["hypothesis"]
    start = hypothesis.find("dog")
    spans = [{"start": start, "end": start + 3, "severity": "minor"}] if start >= 0 else []
    return {"id": item["id"], "score": expected(hypothesis, item["source"]), "spans": spans}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.guard:
            server.sizes.append(len(json.loads(raw)["items"]))
            server.seen.append((self.path, raw, {k.lower(): v for k, v in self.headers.items()}))
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            answer = server.script.pop(0) if server.script else server.behaviour
        try:
            answer(self, json.loads(raw)["items"])
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with server.guard:
                server.at_once -= 1

    def send(self, status, content, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def answer(self, results, signature="judge|1"):
        self.send(200, {"signature": signature, "results": results})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # a client that gave up

    def behave(self, behaviour):
        """Begin anew: nothing seen, and this behaviour once the script is over."""
        self.stop.set()  # whoever hangs
        self.stop = threading.Event()
        self.seen, self.sizes, self.script = [], [], []
        self.at_once = self.most_at_once = 0
        self.behaviour = behaviour


@contextmanager
def running(behaviour=None):
    with Server(("127.0.0.1", 0), Handler) as made:
        made.guard, made.stop = threading.Lock(), threading.Event()
        made.behave(behaviour or good)
        made.url = f"http://127.0.0.1:{made.server_port}/score"
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.stop.set()
        made.shutdown()
        thread.join()


@cache
def for_the_contract():
    """The address of a well-behaved service that runs until the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running()).url


# ── behaviours ──────────────────────────────────────────────────────────────────────────────────


def good(handler, items):
    results = [result(item) for item in items]
    random.shuffle(results)
    handler.answer(results)


def slow(handler, items):
    handler.server.stop.wait(0.05)
    good(handler, items)


def status(code, content=b"{}", **headers):
    return lambda handler, items: handler.send(code, content, **headers)


def sends(content):
    return lambda handler, items: handler.send(200, content)


def signed(signature):
    return lambda handler, items: handler.answer([result(i) for i in items], signature)


def changed(**fields):
    """Every result with other fields; a None takes the field out."""

    def answer(handler, items):
        results = [{**result(item), **fields} for item in items]
        handler.answer([{k: v for k, v in r.items() if v is not ...} for r in results])

    return answer


def nan(handler, items):
    text = json.dumps({"signature": "judge|1", "results": [result(i) for i in items]})
    handler.send(200, text.replace(json.dumps(result(items[0])["score"]), "NaN", 1).encode())


def one_less(handler, items):
    handler.answer([result(item) for item in items[1:]])


def one_more(handler, items):
    handler.answer([result(item) for item in items] + [{"id": "ghost", "score": 0.0}])


def twice(handler, items):
    handler.answer([result(items[0])] + [result(item) for item in items])


def swapped(handler, items):
    """Scores in their order, ids of another request."""
    handler.answer([{**result(item), "id": f"{n}"} for n, item in enumerate(items)])


def hang(handler, _):
    handler.server.stop.wait(60)


def trickle(handler, items):
    """A byte at a time: no single read ever waits long."""
    data = json.dumps({"signature": "judge|1", "results": [result(i) for i in items]}).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    for byte in data:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.stop.wait(0.2):
            return


def cut(handler, _):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"signature": "judge|1", "results": [')
    handler.close_connection = True


def reset(handler, _):
    handler.close_connection = True
    handler.connection.close()


def endless(handler, _):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.stop.wait(0.001):
        handler.wfile.write(b" " * 65_536)


PASSING = {
    "500": status(500),
    "503": status(503),
    "429": status(429, Retry_After="0"),
    "408": status(408),
    "html": sends(b"<html>it works!</html>"),
    "list": sends([]),
    "no signature": sends({"results": []}),
    "no results": sends({"signature": "judge|1"}),
    "nan": nan,
    "infinite": changed(score=1e999),
    "text for a score": changed(score="0.5"),
    "true for a score": changed(score=True),
    "huge integer": changed(score=10**400),
    "null": changed(score=None),
    "no score": changed(score=...),
    "no id": changed(id=...),
    "unknown status": changed(status="fine"),
    "score of a failure": changed(status="refused"),
    "span outside": changed(spans=[{"start": 0, "end": 10**6, "severity": "minor"}]),
    "span reversed": changed(spans=[{"start": 2, "end": 1, "severity": "minor"}]),
    "unknown severity": changed(spans=[{"start": 0, "end": 1, "severity": "awful"}]),
    "wrong length": one_less,
    "ghost": one_more,
    "twice": twice,
    "swapped": swapped,
    "cut": cut,
    "reset": reset,
    "endless": endless,
    "gzip": status(200, b"", Content_Encoding="gzip"),
}
"""Faults after which asking again may help."""
FINAL = {
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "redirect": status(307, b"", Location="/elsewhere"),
}
"""Refusals of us, not of a row."""
INDIGESTIBLE = {"400": status(400), "413": status(413), "422": status(422)}
SLOW = {"hang": hang, "trickle": trickle}

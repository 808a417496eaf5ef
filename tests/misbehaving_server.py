"""A server that speaks OpenAI's protocol, and misbehaves as it is told.

An answer is a function of the handler and the request's body. `Server.script` holds those that are
given next, whatever is asked; `Server.choose` finds one for all other requests.
"""

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, None, {k.lower(): v for k, v in self.headers.items()}))
        self._send(*self.server.models)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.guard:
            self.server.seen.append(
                (self.path, body, {k.lower(): v for k, v in self.headers.items()})
            )
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
            script = self.server.script
            answer = script.pop(0) if script else self.server.choose(body)
        try:
            answer(self, body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.server.guard:
                self.server.at_once -= 1

    def _send(self, status, content, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that gave up


def completion(text, *, reason="stop", tokens=3):
    return {
        "model": "tiny",
        "choices": [{"index": 0, "text": text, "finish_reason": reason}],
        "usage": {"completion_tokens": tokens},
    }


def good(handler, body):
    time.sleep(0.01)
    if "prompt" in body:
        text = f"{body['prompt'].upper()} {body.get('seed', '-')}"
        handler._send(200, completion(text))
    else:
        answer = completion("")
        answer["choices"][0] |= {
            "message": {"role": "assistant", "content": body["messages"][-1]["content"].upper()}
        }
        handler._send(200, answer)


def status(code, message="no", **headers):
    def answer(handler, _):
        handler._send(code, {"error": {"message": message}}, **headers)

    return answer


def sends(content):
    def answer(handler, _):
        handler._send(200, content)

    return answer


def hang(handler, _):
    handler.server.stop.wait(60)


def trickle(handler, _, pause=0.05):
    """A byte at a time: no single read ever waits long."""
    data = json.dumps(completion("slow" * 50)).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    for byte in data:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server.stop.wait(pause):
            return


def reset(handler, _):
    """The connection is torn down with a RST."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def cut(handler, _):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


@contextmanager
def serving():
    with Server(("127.0.0.1", 0), Handler) as made:
        made.seen, made.script, made.guard, made.stop = [], [], threading.Lock(), threading.Event()
        made.choose = lambda _: good
        made.at_once = made.most_at_once = 0
        made.models = (200, {"data": [{"id": "tiny"}]})
        made.url = f"http://127.0.0.1:{made.server_port}/v1"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.stop.set()
        made.shutdown()
        thread.join()

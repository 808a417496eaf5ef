"""A judge that answers by rule, behind OpenAI's protocol: a server of ours in this process.

`url` starts it on loopback, once. The last part of the model's name says how it behaves; whatever
is not in `MANNERS` gives the right answer, by the words that stand in the text it is shown:

* a word whose CRC-32 is a multiple of 7 is a minor error, and a word of `WRONG` a major one;
* a rubric's grade is 10 less 3 for every major error and 1 for every minor one, at least 1.
"""

import json
import re
import threading
import time
import zlib
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rewardlab.generate import Generated

MODEL = str(Path(__file__).parent / "judges" / "scripted")
"""A name for the model that is also the path of what looks like a checkpoint."""
WRONG = {"slept", "sleeps", "cat"}
DATA = re.compile(r"^<data-([0-9a-f]{16})>\n(.*)\n</data-\1>$", re.MULTILINE)
WORD = re.compile(r"\w+")


@cache
def url():
    """Where the protocol begins."""
    return serve()[0]


def serve(port=0):
    """A server of one's own: its address, and the server, to be shut down and closed."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.seen = set()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1", server


def shown(prompt):
    """The texts of a question, read back from the prompt."""
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    return json.loads(DATA.findall(text)[-1][1])


def right_answer(data, properties):
    """What the rules say, in the form that a JSON schema asks for."""
    text = data.get("translation", data.get("answer", ""))
    found = [(one.start(), one.end(), severity(one.group())) for one in WORD.finditer(text)]
    errors = [error(text, *one) for one in found if one[2]][:20]
    if "score" in properties:
        lost = sum(3 if one["severity"] == "major" else 1 for one in errors)
        return {"reason": "by rule", "score": max(1, 10 - lost)}
    if "excused" in properties["errors"]["items"]["properties"]:
        return {"errors": [{**one, "excused": False, "source_span": ""} for one in errors]}
    kind = {"category": "Accuracy/Mistranslation", "in": "translation"}
    return {"errors": [{**one, **kind} for one in errors]}


def severity(word):
    if word in WRONG:
        return "major"
    return "minor" if zlib.crc32(word.encode("utf-8", "replace")) % 7 == 0 else None


def error(text, start, end, severity):
    context = text[max(0, start - 15) : end + 15]
    return {
        "span": text[start:end][:4000],
        "span_with_context": context[:4000],
        "severity": severity,
    }


def mends(server, data, answer):
    """Nonsense the first time it sees a text, the right answer from then on."""
    known = (json.dumps(data), answer) in server.seen
    server.seen.add((json.dumps(data), answer))
    return {} if known else {"content": "Let me think."}


MANNERS = {
    "prose": lambda server, data, answer: {"content": f"Sure! {answer}"},
    "fenced": lambda server, data, answer: {"content": f"```json\n{answer}\n```"},
    "cut": lambda server, data, answer: {"content": answer[:-1], "finish_reason": "length"},
    "refuses": lambda server, data, answer: {"content": None, "refusal": "I cannot."},
    "mends": mends,
    "blind": lambda server, data, answer: {"content": '{"errors": []}'},
    "rejects": lambda server, data, answer: {"status": 400},
    "slow": lambda server, data, answer: time.sleep(0.5) or {},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(200, {"object": "list", "data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = "messages" in body
        data = shown(body["messages"] if chat else body["prompt"])
        answer = json.dumps(right_answer(data, schema(body)["properties"]), ensure_ascii=False)
        manner = MANNERS.get(Path(body["model"]).name, lambda *_: {})
        said = {
            "content": answer,
            "finish_reason": "stop",
            "status": 200,
            **manner(self.server, data, answer),
        }
        choice = {"index": 0, "finish_reason": said["finish_reason"], "text": said["content"]}
        if chat:
            message = {"content": said["content"], "refusal": said.get("refusal")}
            choice["message"] = {"role": "assistant", **message}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        whole = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        self.reply(said["status"], {**whole, "choices": [choice], "usage": usage})

    def reply(self, status, value):
        """Head and body in one packet, or the kernel waits between them."""
        data = json.dumps(value).encode()
        head = (
            f"HTTP/1.1 {status} so\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + data)


def schema(body):
    if "response_format" in body:
        return body["response_format"]["json_schema"]["schema"]
    return body["structured_outputs"]["json"]


class Replies:
    """A judge in this process that says what a function of texts and attempt tells it to.

    The function gives a text, a `Generated` or an `Unanswered`; what was asked stands in `asked`.
    """

    signature = "replies"
    call_size = 8

    def __init__(self, reply):
        self.reply, self.asked = reply, []

    def ready(self):
        pass

    def ask(self, prompts, sampling, *, seeds, schema=None):
        answers = [self.reply(shown(prompt), seeds[row]) for row, prompt in enumerate(prompts)]
        self.asked.append([*prompts])
        return [Generated(one, 7, True, 100) if isinstance(one, str) else one for one in answers]

"""An agent that speaks the Agent Client Protocol as badly as it is told to: `agent.py MODE`."""

import json
import os
import signal
import sys

MODE = sys.argv[1] if len(sys.argv) > 1 else "good"
pending = {}
next_id = 1000


def write(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def answer(request, result):
    write({"id": request["id"], "result": result})


def refuse(request, code, message):
    write({"id": request["id"], "error": {"code": code, "message": message}})


def ask(method, params):
    """Asks the client and waits for its answer; what comes meanwhile is not expected."""
    global next_id
    next_id += 1
    write({"id": next_id, "method": method, "params": params})
    while True:
        message = read()
        if message.get("id") == next_id and "method" not in message:
            return message.get("result", message.get("error"))


def update(session, **fields):
    write({"method": "session/update", "params": {"sessionId": session, "update": fields}})


def say(session, text):
    update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})


def permission(session, kind, path=None):
    call = {"toolCallId": f"call-{kind}", "title": f"{kind} {path or ''}".strip(), "kind": kind}
    if path:
        call["locations"] = [{"path": path}]
    options = [
        {"optionId": "yes-always", "name": "Always", "kind": "allow_always"},
        {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
        {"optionId": "no", "name": "No", "kind": "reject_once"},
    ]
    result = ask("session/request_permission", {"sessionId": session, "toolCall": call, "options": options})
    return result["outcome"].get("optionId", result["outcome"]["outcome"])


def prompt(request):
    session = request["params"]["sessionId"]
    text = "\n".join(block.get("text", "") for block in request["params"]["prompt"])
    if MODE == "good" or MODE == "garbage":
        say(session, "I look first.\n")
        update(session, sessionUpdate="tool_call", toolCallId="1", title="List files", kind="read", status="pending",
               rawInput={"path": "."}, locations=[{"path": os.getcwd()}])
        update(session, sessionUpdate="something_new", whatever=1)
        update(session, sessionUpdate="tool_call_update", toolCallId="1", status="completed",
               content=[{"type": "content", "content": {"type": "text", "text": "a file"}}])
        update(session, sessionUpdate="plan",
               entries=[{"content": "Look", "priority": "high", "status": "completed"}])
        update(session, sessionUpdate="usage_update", used=12, size=1000, cost={"amount": 0.25, "currency": "USD"})
        if MODE == "garbage":
            sys.stdout.write("warning: something\n{\"half\": \n" + "x" * 100000 + "\n")
        say(session, "You asked: ")
        say(session, text)
        answer(request, {"stopReason": "end_turn"})
    elif MODE == "mute":
        while True:
            read()
    elif MODE == "dies":
        say(session, "half a sent")
        sys.stderr.write("out of luck\n")
        sys.exit(3)
    elif MODE == "cancel":
        say(session, "waiting")
        while read().get("method") != "session/cancel":
            pass
        with open("cancelled", "w") as file:
            file.write("told")
        answer(request, {"stopReason": "cancelled"})
    elif MODE in ("refusal", "max_tokens", "max_turn_requests"):
        say(session, "No.")
        answer(request, {"stopReason": MODE})
    elif MODE == "error":
        refuse(request, -32603, "the model is on fire")
    elif MODE == "permissions":
        asked = [permission(session, kind, path) for kind, path in
                 [("edit", "docs/a.md"), ("edit", "src/a.rs"), ("execute", None), ("switch_mode", None), ("fetch", None)]]
        say(session, " ".join(asked))
        answer(request, {"stopReason": "end_turn"})
    elif MODE == "client":
        here = os.getcwd()
        ask("fs/write_text_file", {"sessionId": session, "path": f"{here}/new/file", "content": "one\ntwo\nthree\n"})
        lines = ask("fs/read_text_file", {"sessionId": session, "path": f"{here}/new/file", "line": 2, "limit": 1})
        hidden = ask("fs/read_text_file", {"sessionId": session, "path": os.path.expanduser("~/.ssh/id")})
        script = "cat new/file; exit 4"
        terminal = ask("terminal/create", {"sessionId": session, "command": "sh", "args": ["-c", script]})
        there = {"sessionId": session, **terminal}
        ended = ask("terminal/wait_for_exit", there)
        output = ask("terminal/output", there)
        ask("terminal/release", there)
        say(session, json.dumps([lines["content"], hidden["message"].split(":")[-1], ended["exitCode"], output["output"]]))
        answer(request, {"stopReason": "end_turn"})
    elif MODE == "spends":
        for step in range(1, 100):
            update(session, sessionUpdate="usage_update", used=1, size=10, cost={"amount": step * 0.1, "currency": "USD"})
            permission(session, "read")
        answer(request, {"stopReason": "end_turn"})
    elif MODE == "killed":
        update(session, sessionUpdate="usage_update", used=1, size=10, cost={"amount": 0.5, "currency": "USD"})
        permission(session, "read")
        os.kill(os.getppid(), signal.SIGKILL)
        while True:
            read()
    elif MODE == "resumes":
        marker = "began"
        if not os.path.exists(marker):
            open(marker, "w").write(session)
            say(session, "never finished")
            os.kill(os.getppid(), signal.SIGKILL)
            while True:
                read()
        say(session, f"{session}: {text}")
        answer(request, {"stopReason": "end_turn"})
    elif MODE == "thread":
        update(session, sessionUpdate="usage_update", used=1, size=10,
               cost={"amount": 0.5 * (1 + loaded.count(session)), "currency": "USD"})
        say(session, f"{session} {'again' if session in loaded else 'new'}: {text}")
        answer(request, {"stopReason": "end_turn"})


loaded = []
made = 0
while True:
    message = read()
    method = message.get("method")
    if method == "initialize":
        if MODE == "deaf":
            sys.stdout.write("Welcome to the wrong program!\n")
            sys.stdout.flush()
            continue
        if MODE == "garbage":
            sys.stdout.write("Loading...\n\n")
        loads = MODE in ("resumes", "thread")
        answer(message, {"protocolVersion": 9 if MODE == "version" else 1,
                         "agentCapabilities": {"loadSession": loads}})
    elif method == "session/new":
        if MODE == "login":
            refuse(message, -32000, "Authentication required")
        else:
            made += 1
            answer(message, {"sessionId": f"session-{os.getpid()}-{made}"})
    elif method == "session/load":
        session = message["params"]["sessionId"]
        loaded.append(session)
        say(session, "an old word, which is only repeated")
        answer(message, {})
    elif method == "session/prompt":
        prompt(message)

"""Plays two people on a real Synapse that asks vedette about each message.

    python run_test.py FOLDER

FOLDER is empty and may be thrown away. The environment says whom to ask:

    VEDETTE_URL    base address of the callbacks, http://127.0.0.1:PORT/integrations/synapse/TENANT
    VEDETTE_KEY    a key that may ask for decisions
    VEDETTE_PID    the process to kill for the last part; without it that part is left out
    SPYWARE_LINK   a link that vedette must stop
    HONEST_LINK    one that must pass

Prints one line for each step and one JSON object at the end. The exit code is 0 when all steps went as they must. Everything that was
started here is stopped here, by its own process id.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from nio import AsyncClient, AsyncClientConfig, RoomSendError, RoomSendResponse

import homeserver

NAME = "harbour.test"
REFUSED = "This message was not sent."


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(url: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def register(base: str, secret: str, user: str, password: str) -> None:
    url = base + "/_synapse/admin/v1/register"
    nonce = post(url)["nonce"]
    mac = hmac.new(secret.encode(), "\0".join([nonce, user, password, "notadmin"]).encode(), hashlib.sha1).hexdigest()
    post(url, {"nonce": nonce, "username": user, "password": password, "admin": False, "mac": mac})


def wait_until(what: str, seconds: float, ready) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"FAIL: {what}: not within {seconds} s")
        time.sleep(0.1)


def answers(base: str) -> bool:
    try:
        post(base + "/_matrix/client/versions")
        return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def listens(url: str) -> bool:
    at = urllib.parse.urlsplit(url)
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((at.hostname, at.port)) == 0


class Room:
    """What Ana sends and Omar sees."""

    def __init__(self, ana: AsyncClient, omar: AsyncClient, room: str) -> None:
        self.ana, self.omar, self.room = ana, omar, room
        self.since: str | None = None
        self.times: list[float] = []

    async def send(self, content: dict):
        begun = time.monotonic()
        answer = await self.ana.room_send(self.room, "m.room.message", content)
        self.times.append(time.monotonic() - begun)
        return answer

    async def seen(self) -> list[str]:
        """The texts that Omar received since he last looked."""
        answer = await self.omar.sync(timeout=1500, since=self.since, full_state=False)
        self.since = answer.next_batch
        joined = answer.rooms.join.get(self.room)
        return [getattr(e, "body", "") for e in joined.timeline.events] if joined else []


def step(results: list, name: str, ok: bool, detail: str = "") -> None:
    results.append({"step": name, "ok": ok})
    print(("ok    " if ok else "FAIL  ") + name + (": " + detail if detail and not ok else ""), flush=True)


async def play(base: str, secret: str, results: list) -> dict:
    bad, good = os.environ["SPYWARE_LINK"], os.environ["HONEST_LINK"]
    clients = []
    try:
        for user in ("ana", "omar"):
            password = secrets.token_urlsafe(16)
            register(base, secret, user, password)
            c = AsyncClient(base, f"@{user}:{NAME}", config=AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0))
            clients.append(c)
            answer = await c.login(password, device_name="test")
            step(results, f"{user} logs in", bool(c.access_token), str(answer))
        ana, omar = clients
        answer = await ana.room_create(is_direct=True, invite=[omar.user_id])
        room = Room(ana, omar, getattr(answer, "room_id", ""))
        step(results, "ana opens a room and invites omar", bool(room.room), str(answer))
        answer = await omar.join(room.room)
        step(results, "omar joins", hasattr(answer, "room_id"), str(answer))
        await room.seen()

        text = {"msgtype": "m.text", "body": "good morning"}
        answer = await room.send(text)
        step(results, "a message without a link passes", isinstance(answer, RoomSendResponse), str(answer))
        answer = await room.send({"msgtype": "m.text", "body": "have you read " + good})
        step(results, "an honest link passes", isinstance(answer, RoomSendResponse), str(answer))
        got = await room.seen()
        step(results, "omar receives both", got == ["good morning", "have you read " + good], str(got))

        host = urllib.parse.urlsplit(bad).hostname or ""
        upper = bad.replace(host, host.upper() + ".")
        for name, content in {
            "a spyware link is refused": {"msgtype": "m.text", "body": "look at " + bad},
            "in capitals, with a dot behind the name, too": {"msgtype": "m.text", "body": "look at " + upper},
            "behind other words, too": {
                "msgtype": "m.text",
                "body": "look here",
                "format": "org.matrix.custom.html",
                "formatted_body": f'look <a href="{bad}">here</a>',
            },
        }.items():
            answer = await room.send(content)
            right = isinstance(answer, RoomSendError) and answer.status_code == "M_FORBIDDEN" and answer.message == REFUSED
            step(results, name, right, str(answer))
        got = await room.seen()
        step(results, "omar receives none of them", got == [], str(got))
        judged = sorted(room.times)

        pid = os.environ.get("VEDETTE_PID")
        if pid:
            os.kill(int(pid), signal.SIGKILL)
            wait_until("vedette ends", 10, lambda: not listens(os.environ["VEDETTE_URL"]))
            answer = await room.send({"msgtype": "m.text", "body": "look at " + bad})
            step(results, "with vedette killed the fallback is taken: it passes", isinstance(answer, RoomSendResponse), str(answer))
            got = await room.seen()
            step(results, "omar receives it", got == ["look at " + bad], str(got))
        return {"send_ms_median": round(1000 * judged[len(judged) // 2], 1)}
    finally:
        for c in clients:
            await c.close()


def main() -> int:
    folder = os.path.abspath(sys.argv[1])
    secret, port = secrets.token_urlsafe(24), free_port()
    base = f"http://127.0.0.1:{port}"
    config = homeserver.write(folder, NAME, port, secret, os.environ["VEDETTE_URL"], os.environ["VEDETTE_KEY"])
    run = [sys.executable, "-m", "synapse.app.homeserver", "-c", config]
    subprocess.run([*run, "--generate-keys"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    results: list = []
    begun = time.monotonic()
    with open(os.path.join(folder, "synapse.out"), "wb") as out:
        synapse = subprocess.Popen(run, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until("Synapse answers", 120, lambda: synapse.poll() is not None or answers(base))
        step(results, "Synapse starts", synapse.poll() is None, "see synapse.out and synapse.log in the folder")
        extra = {}
        if synapse.poll() is None:
            extra = {"start_s": round(time.monotonic() - begun, 1)} | asyncio.run(play(base, secret, results))
    finally:
        if synapse.poll() is None:
            synapse.terminate()
            try:
                synapse.wait(20)
            except subprocess.TimeoutExpired:
                synapse.kill()
                synapse.wait()
    with open(os.path.join(folder, "synapse.log"), encoding="utf-8", errors="replace") as f:
        log = f.read()
    step(results, "the homeserver's log holds no text of a message", "good morning" not in log and "look at" not in log)
    ok = bool(results) and all(r["ok"] for r in results)
    print(json.dumps({"ok": ok, "steps": results} | extra))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

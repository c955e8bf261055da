"""The firmware of a vehicle or kiosk as Wayside sees it: copy this file, and put your bus, screen and buttons into it.

Here bus and buttons are standard input, and the screen is the terminal. One line each:

    Vehicle.Speed=0 Vehicle.Chassis.ParkingBrake.IsEngaged=true     the bus says
    present driver p.anna                                           somebody known is there (left driver: gone)
    given offer_display                                             that person agrees (withdrawn ...: no more)
    accepted                                                        the answer to the newest offer on the screen
    redeemed o.car-1.4f2a.7                                         an offer that was made elsewhere is redeemed here

One thread decides, in the order of one queue. What the broker must not miss is on disk before it is sent, under an id
made once, until the broker has it. docs/firmware.md says why each thing is as it is.
"""

import argparse
import json
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

NOTICE = {"id": "notice.example", "version": "1", "language": "en"}  # the wording they had before them when they agreed
ROUTINE = "Vehicle.Speed", "Vehicle.CurrentLocation."  # said again in a second; whatever else changes is never lost
TABLES = """CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, channel TEXT, payload TEXT);
            CREATE TABLE IF NOT EXISTS withdrawn (id TEXT PRIMARY KEY, holder TEXT, purpose TEXT)"""


class Firmware:
    """One unit: what it knows, and what it does for each input. Other threads only put inputs into its queue."""

    def __init__(self, unit: str, client: mqtt.Client, memory: sqlite3.Connection) -> None:
        self.unit, self.client, self.memory = unit, client, memory
        self.inputs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.running = True
        self.signals: dict[str, object] = {}  # what the bus said last, but for the routine
        self.people: dict[str, str | None] = {}  # who is there, by role; None: left
        self.screen: dict[str, dict[str, Any]] = {}  # the offers on it, by id
        self.known: dict[str, int] = {}  # until when each offer is good that has come: one may come twice
        self.in_flight: dict[int, str] = {}  # what the broker has not confirmed, by packet number
        memory.executescript(TABLES)
        client.on_connect = lambda _client, _data, _flags, code, _more: self.inputs.put(partial(self.restate, code))
        client.on_message = lambda _client, _data, message: self.inputs.put(partial(self.take_offer, message.payload))
        client.on_publish = lambda _client, _data, mid, code, _more: self.inputs.put(partial(self.forget, mid, code))

    def run(self) -> None:
        """Serve until told to stop, then say goodbye. What the broker did not have at the last end goes out first."""
        for id_, channel, payload in self.memory.execute("SELECT * FROM outbox ORDER BY rowid"):
            self.in_flight[self.publish(channel, payload).mid] = id_
        self.client.loop_start()
        while self.running:
            ends_ms = [offer["expires_ms"] for offer in self.screen.values()]
            with suppress(Empty):
                self.inputs.get(timeout=max(0, min(ends_ms) - now_ms()) / 1000 if ends_ms else None)()
            for id_ in [id_ for id_, offer in self.screen.items() if offer["expires_ms"] <= now_ms()]:
                self.hide(id_, "expired")  # nothing to report: the gateway knows the time
        with suppress(RuntimeError):  # without a link our last will has said it
            self.publish("status", json.dumps({"state": "gone"})).wait_for_publish(3)
        while not self.inputs.empty():
            self.inputs.get()()
        self.client.disconnect()
        self.client.loop_stop()

    def stop(self) -> None:
        """Serve no longer."""
        self.running = False

    def restate(self, code: ReasonCode) -> None:
        """Connected: say anew, as of now, all that our last will has put in doubt."""
        if code.is_failure:
            tell(f"not let in: {code}")  # and tried again, for access is mended while we run
            return
        tell("connected")
        self.client.subscribe(f"wayside/v1/{self.unit}/offers", qos=1)
        self.publish("status", stamped(state="born"))
        for role in self.people:
            self.identify(role)
        if self.signals:
            self.publish("telemetry", stamped(signals=self.signals))

    def take_line(self, line: str) -> None:
        """Do what the bus, or a person at the buttons, says."""
        match line.split():
            case ["present", role, subject]:
                self.people[role] = subject
                self.identify(role)
            case ["left", role]:
                self.people[role] = None
                self.identify(role)
            case ["given" | "withdrawn" as state, purpose]:
                self.consent(purpose, state)
            case ["accepted" | "declined" | "dismissed" | "never_again" as answer] if self.screen:
                offer = next(reversed(self.screen))
                for outcome in ("seen", answer):  # whoever answers has seen it
                    self.keep("outcomes", offer_id=offer, outcome=outcome)
                self.hide(offer, answer)
            case ["redeemed", offer]:
                self.keep("outcomes", offer_id=offer, outcome="redeemed")
            case [_, *_] as words if all("=" in word for word in words):
                self.report({path: value_of(text) for path, _, text in (word.partition("=") for word in words)})
            case _:
                tell("not understood")

    def report(self, signals: dict[str, object]) -> None:
        """Say what the bus says: routine at QoS 0, a change of state at QoS 1. Without a link it is only remembered."""
        changes = {path: value for path, value in signals.items() if not path.startswith(ROUTINE)}
        self.signals |= changes
        if self.client.is_connected():
            self.publish("telemetry", stamped(signals=signals), qos=1 if changes else 0)

    def identify(self, role: str) -> None:
        """Say who is there in a role, or that they left. Without a link it is said once there is one."""
        subject = self.people[role]
        who = {"state": "present", "method": "app", "subject": subject} if subject else {"state": "left"}
        if self.client.is_connected():
            self.publish("identity", stamped(role=role, **who))

    def consent(self, purpose: str, state: str) -> None:
        """Say what the person there agrees to. A "given" names the withdrawals it overrules, or it does not count."""
        holder = next((subject for subject in self.people.values() if subject), "session")
        fields: dict[str, Any] = {"holder": holder, "purpose": purpose, "state": state, "method": "screen"}
        if state == "given":
            query = "SELECT id FROM withdrawn WHERE (holder, purpose) = (?, ?) ORDER BY rowid DESC LIMIT 256"
            known = self.memory.execute(query, (holder, purpose))
            fields |= {"notice": NOTICE, "supersedes": [id_ for (id_,) in known]}
        self.keep("consents", **fields)

    def take_offer(self, payload: bytes | bytearray) -> None:
        """Show an offer, or take it off again. It is shown once, and not at all when it comes too late."""
        offer = json.loads(payload)
        if offer.get("withdrawn"):
            self.hide(offer["id"], offer["reason"])
        elif offer["id"] not in self.known and offer["expires_ms"] > now_ms():
            self.known = {id_: end for id_, end in self.known.items() if end > now_ms()}
            self.known[offer["id"]] = offer["expires_ms"]
            self.screen[offer["id"]] = offer
            words = f"{offer['title']}. {offer['body']} {offer['call_to_action']}"
            tell(f"offer {offer['id']} on {offer['placement']}: {words.rstrip()}")
            self.keep("outcomes", offer_id=offer["id"], outcome="presented")

    def hide(self, offer: str, reason: str) -> None:
        """Take an offer off the screen, if it is there."""
        if self.screen.pop(offer, None):
            tell(f"off {offer}: {reason}")

    def publish(self, channel: str, payload: str, qos: int = 1) -> mqtt.MQTTMessageInfo:
        """Publish on a channel of this unit. Without a link the client keeps it until there is one."""
        return self.client.publish(f"wayside/v1/{self.unit}/{channel}", payload, qos)

    def keep(self, channel: str, **fields: object) -> None:
        """Publish what must not be lost: written down first."""
        payload = stamped(**fields)
        id_ = json.loads(payload)["id"]
        with self.memory:
            self.memory.execute("INSERT INTO outbox VALUES (?, ?, ?)", (id_, channel, payload))
            if fields.get("state") == "withdrawn":
                row = id_, fields["holder"], fields["purpose"]
                self.memory.execute("INSERT INTO withdrawn VALUES (?, ?, ?)", row)
        self.in_flight[self.publish(channel, payload).mid] = id_

    def forget(self, mid: int, code: ReasonCode) -> None:
        """Let go of what the broker has. What it refused is kept, and sent again at the next start."""
        id_ = self.in_flight.pop(mid, None)
        if code.is_failure:
            tell(f"refused: {code}")
        elif id_:
            with self.memory:
                self.memory.execute("DELETE FROM outbox WHERE id = ?", (id_,))
            if not self.in_flight:
                tell("all said")


def tell(text: str) -> None:
    """Show a line on the screen."""
    print(text, flush=True)  # noqa: T201 -- the terminal is the screen


def now_ms() -> int:
    """Return the time in milliseconds since 1970. A device connects only once its clock is set."""
    return time.time_ns() // 1_000_000


def value_of(text: str) -> object:
    """Return the value of a signal: a number, true or false; else the text itself."""
    with suppress(ValueError):
        return json.loads(text)
    return text


def stamped(**fields: object) -> str:
    """Return a payload with an id that no message had before, and the time."""
    return json.dumps({"id": str(uuid.uuid4()), "ts_ms": now_ms(), **fields})


def read_lines(firmware: Firmware) -> None:
    """Hand over standard input to its end. Unbuffered, for the process may exit while this thread waits for a line."""
    with open(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            firmware.inputs.put(partial(firmware.take_line, line.decode(errors="replace")))
    firmware.inputs.put(firmware.stop)


def connection(unit: str, host: str, port: int, certificates: Path | None) -> mqtt.Client:
    """Return a client with a last will and a session that outlives its connections; it connects again by itself."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=unit, protocol=mqtt.MQTTv5)
    client.will_set(f"wayside/v1/{unit}/status", json.dumps({"state": "gone"}), qos=1)
    if certificates:
        own = certificates / unit
        client.tls_set(str(certificates / "ca.crt"), f"{own}.crt", f"{own}.key")
    client.reconnect_delay_set(1, 30)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
    session.SessionExpiryInterval = 3600  # seconds for which the broker keeps offers for us
    client.connect_async(host, port, keepalive=20, clean_start=False, properties=session)
    return client


def main() -> None:
    """Run the firmware until SIGTERM, Ctrl-C or the end of its input."""
    example = "example: python -m simulators.firmware_example --unit car-1 --memory car-1.sqlite"
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--unit", required=True, help="the unit's id; with certificates, the name in its own")
    parser.add_argument("--memory", required=True, type=Path, help="a file of its own, for what must not be lost")
    parser.add_argument("--host", default="127.0.0.1", help="the broker (127.0.0.1)")
    parser.add_argument("--port", default=1883, type=int, help="its port (1883)")
    parser.add_argument("--certificates", type=Path, help="a folder with ca.crt, UNIT.crt and UNIT.key: speak TLS")
    options = parser.parse_args()
    client = connection(options.unit, options.host, options.port, options.certificates)
    with closing(sqlite3.connect(options.memory)) as memory:
        firmware = Firmware(options.unit, client, memory)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: firmware.inputs.put(firmware.stop))
        threading.Thread(target=read_lines, args=(firmware,), daemon=True).start()
        firmware.run()


if __name__ == "__main__":
    main()

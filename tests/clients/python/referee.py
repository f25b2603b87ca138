"""What both Python referees share: settings, steps, the payer."""

import hashlib
import json
import os
import sys
import time
import urllib.parse
import urllib.request


class Settings:
    """The JSON file given as argument, and the optional captured notice."""

    def __init__(self, account):
        arguments = [a for a in sys.argv[1:] if a != "--verify-notice"]
        if len(arguments) != (2 if "--verify-notice" in sys.argv else 1):
            sys.exit(f"usage: {sys.argv[0]} SETTINGS.json [--verify-notice FILE]")
        with open(arguments[0], encoding="utf-8") as file:
            self.all = json.load(file)
        self.dir = os.path.join(os.path.dirname(os.path.abspath(arguments[0])), self.all.get("dir", "."))
        self.account = self.all[account]
        self.mode = self.all.get("mode", "public_key")
        if self.mode not in ("public_key", "certificate"):
            sys.exit(f"mode: {self.mode!r} is neither public_key nor certificate")
        # One given order, or the bill of a day, instead of the whole life of several orders.
        self.place = self.all.get("place")
        self.bill = self.all.get("bill")
        # The number of an order that is there already, instead.
        self.after = self.all.get("after")
        # What there is beside one order's life (groups, payment codes, abnormal refunds, bills), instead.
        self.beside = self.all.get("beside")
        # A payer's code of authorisation, instead.
        self.authorised = self.all.get("payer")
        self.notice = None
        if "--verify-notice" in sys.argv:
            with open(arguments[1], encoding="utf-8") as file:
                self.notice = json.load(file)

    def __getitem__(self, name):
        return self.all[name]

    def path(self, name):
        """Where one of the account's files is."""
        return os.path.join(self.dir, self.account[name])

    def read(self, name):
        """The text of one of the account's files."""
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def number(self, what):
        """A new number for an order or refund."""
        return f"{self.all.get('prefix', 'ref')}{what}{time.time_ns() // 1000}"

    def pay(self, channel, out_trade_no, outcome="paid", **who):
        """Lets the sandbox's payer pay, or scan and fail to pay ("declined")."""
        return self._control({"channel": channel, "out_trade_no": out_trade_no, "outcome": outcome, **who})

    def payer(self, channel, begin, length, outcome="paid"):
        """A payment code of the wallet whose codes begin so, and what its payer does once it is scanned."""
        code = begin + str(time.time_ns() // 1000).zfill(length - len(begin))[-(length - len(begin)):]
        self._control({"channel": channel, "auth_code": code, "outcome": outcome})
        return code

    def _control(self, body):
        request = urllib.request.Request(
            self.all["control"] + "/pay", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def fetched(address, channel):
    """Where a bill lies it lies for whoever has the address: straight at the channel, never through a proxy.

    `channel` is the channel's host as this machine reaches it."""
    parts = urllib.parse.urlsplit(address)
    with urllib.request.urlopen(f"{channel}{parts.path}?{parts.query}", timeout=10) as answer:
        return {"url": address, "sha256": hashlib.sha256(answer.read()).hexdigest()}


def say(step, ok, **facts):
    """One line per step; the first failure ends the run."""
    print(json.dumps({"step": step, "ok": ok, **facts}, ensure_ascii=False), flush=True)
    if not ok:
        sys.exit(1)


def guarded(run):
    """Turns whatever a library throws into a failed step."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - a referee reports everything
        say("exception", False, error=f"{type(error).__name__}: {error}")

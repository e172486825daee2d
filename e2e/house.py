"""A gateway of the binary under test: starting, stopping, killing it, and its
commands. Everything it starts ends with the test run, by process id."""

import atexit
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

BINARY = os.environ.get("GOSBRIDGE", "gosbridge")
ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ROOT / "testdata" / "documents"
LETTERS = ROOT / "testdata" / "letters"

SENDER = "ivanov@romashka.example"
PARTNER = "petrova@vector.example"
BODY = "office@inspection.example"

PATIENCE = 30  # seconds that a step may take on a slow machine
PORTS = ("smtps", "smtp", "imaps", "imap")

_running = set()


@atexit.register
def _end_all():
    for process in list(_running):
        process.kill()
        process.wait()


def wait_for(what, check, patience=PATIENCE, every=0.05):
    """Calls check until it returns something true, and returns that."""
    end = time.monotonic() + patience
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("waited %d s in vain for %s; last seen: %r" % (patience, what, got))
        time.sleep(every)


def free_ports():
    """Ports that nobody has, below those that the system gives to connections: none takes them before the gateway does."""
    ports = {}
    while len(ports) < len(PORTS):
        port = random.randrange(10000, 20000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports.values():
            ports[PORTS[len(ports)]] = port
    return ports


def need(*names):
    """Skips a test whose programs are not installed; under .ci/run all must be."""
    missing = [n for n in names if shutil.which(n) is None]
    if not missing:
        return
    if os.environ.get("GOSBRIDGE_PROGRAMS") == "required":
        raise AssertionError("not installed: " + ", ".join(missing))
    raise unittest.SkipTest("not installed: " + ", ".join(missing))


def run(*argv, stdin=None, patience=PATIENCE, **how):
    """Runs a program to its end; stdout and stderr as text, or as octets if its input is."""
    if argv[0] != BINARY:
        need(argv[0])
    return subprocess.run(
        [str(a) for a in argv], input=stdin, capture_output=True, timeout=patience, text=not isinstance(stdin, bytes),
        check=False, **how)


def start(argv, out, **how):
    """Starts a program that goes on; out takes what it says."""
    process = subprocess.Popen(
        [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **how)
    _running.add(process)
    return process


def end(process, how=signal.SIGTERM):
    """Ends a program by a signal, and by force if that does not do; its status, None when it took force."""
    process.send_signal(how)
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    finally:
        _running.discard(process)


class Gateway:
    """A data folder and the process that serves it."""

    def __init__(self, folder=None):
        # Short, because the admin socket's path has to fit 108 octets.
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix="g"))
        self.at(folder or self.temp / "d")
        self.ports = free_ports()
        self.ready = None
        self.process = None
        self.log = self.temp / "log"

    def at(self, folder):
        """Uses this data folder."""
        self.data = folder
        self.config = folder / "config.toml"
        self.ca = folder / "keys" / "ca.pem"

    # Starting and ending

    def quickstart(self, *flags, wait=True):
        """Starts quickstart, and waits until its demonstration is over."""
        ready = self.temp / "ready.json"
        ready.unlink(missing_ok=True)
        argv = ["quickstart", "--data", self.data, "--ready-file", ready, *flags]
        for name in PORTS:
            argv += ["--%s-port" % name, self.ports[name]]
        self._start(argv)
        self._await("the ready file", ready.exists)
        self.ready_mode = ready.stat().st_mode & 0o777
        self.ready = json.loads(ready.read_text())
        if wait:
            self._await("the end of the demonstration", lambda: "Serving." in self.output())
        return self

    def serve(self, preexec=None):
        """Starts serve with the folder's configuration on this gateway's ports."""
        self.place()
        self._start(["serve", "--config", self.config], preexec=preexec)
        for name in PORTS:
            self._await("port %s" % name, lambda name=name: self.listening(name))
        return self

    def watched(self, *flags):
        """quickstart, then serve with a log in which what is refused can be read, and with letters held for 1 s."""
        self.quickstart(*flags).stop()
        text = self.config.read_text()
        for was, new in ((r'(?m)^level = ".*"', 'level = "debug"'), (r'(?m)^format = ".*"', 'format = "json"'),
                         (r'recall_window = "2s"', 'recall_window = "1s"')):
            text, n = re.subn(was, new, text)
            assert n == 1, "%s stands %d times in the configuration" % (was, n)
        self.config.write_text(text)
        self.heard = len(self.output())
        return self.serve()

    def refused(self):
        """What clients were refused since the last call, as "SELECT NO NONEXISTENT" or "smtp 550 5.1.1"."""
        text = self.output()[self.heard:]
        whole = text.rpartition("\n")[0]  # the last line may be on its way
        self.heard += len(whole)
        found = []
        for line in whole.splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("msg") == "imap command refused":
                found.append(" ".join(filter(None, (entry["command"], entry["answer"], entry["code"]))))
            elif entry.get("msg") == "smtp command refused":
                found.append("smtp %s %s" % (entry["reply"], entry["enhanced"]))
        return found

    def place(self):
        """Writes this gateway's ports into the configuration."""
        kinds = {("submission", "implicit"): "smtps", ("submission", "starttls"): "smtp",
                 ("imap", "implicit"): "imaps", ("imap", "starttls"): "imap"}
        parts = re.split(r"(?m)^(?=\[)", self.config.read_text())
        for i, part in enumerate(parts):
            if part.startswith("[[listener]]"):
                field = dict(re.findall(r'(?m)^(\w+) = "(.*)"', part))
                port = self.ports[kinds[field["protocol"], field["tls"]]]
                parts[i] = re.sub(r'(?m)^address = .*', 'address = "127.0.0.1:%d"' % port, part)
        self.config.write_text("".join(parts))

    def _start(self, argv, preexec=None):
        assert self.process is None, "it runs already"
        with open(self.log, "ab") as log:
            self.process = start([BINARY, *argv], log, preexec_fn=preexec, cwd=self.temp)

    def _await(self, what, check):
        def look():
            if self.process.poll() is not None:
                raise AssertionError("gosbridge ended with %s before %s:\n%s" % (
                    self.process.returncode, what, self.output()))
            return check()
        wait_for(what, look)

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def listening(self, name):
        try:
            socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1).close()
            return True
        except OSError:
            return False

    def kill(self):
        """kill -9: no step of an orderly end is taken."""
        self._end(signal.SIGKILL)

    def stop(self):
        """Ends it in order, and wants status 0."""
        status = self._end(signal.SIGTERM)
        assert status == 0, "gosbridge ended with %d:\n%s" % (status, self.output())

    def _end(self, how):
        process, self.process = self.process, None
        status = end(process, how)
        assert status is not None, "did not end within %d s:\n%s" % (PATIENCE, self.output())
        return status

    def close(self):
        """Ends it if it runs, and removes what it left."""
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.temp, ignore_errors=True)

    # Its commands

    def command(self, *argv, status=0):
        """Runs a command on this folder; stdout."""
        done = run(BINARY, "--config", self.config, *argv)
        assert done.returncode == status, "gosbridge %s: status %d instead of %d\n%s%s" % (
            " ".join(map(str, argv)), done.returncode, status, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def json(self, *argv):
        return json.loads(self.command(*argv, "--json"))

    def account(self, address, entry, *flags, kind="person"):
        """Makes an account with one password, which is kept for login."""
        self.command("account", "add", address, "--registry", entry, *flags)
        self.credential(address, kind)

    def credential(self, address, kind):
        """Makes one more password of an account."""
        made = self.json("credential", "add", address, "--name", "e2e " + kind, "--class", kind)
        self.ready["accounts"].append({"address": address, "class": kind, "password": made["secret"]})

    def password(self, address, kind="person"):
        for a in self.ready["accounts"]:
            if a["address"] == address and a["class"] == kind:
                return a["password"]
        raise KeyError("no password of %s as %s" % (address, kind))

    def tls(self):
        """What a client needs to trust this gateway and no other."""
        return ssl.create_default_context(cafile=str(self.ca))

"""The recovery drill: a backup under load, the machine lost, and service again from the backup, the keys and nothing else."""

import shutil
import smtplib
import threading
import unittest

import letters
from house import BODY, SENDER, Gateway, wait_for
from mail import login, send, talk
from mailbox import Mailbox

SENDERS = 3
LEASE = 60  # seconds; what a worker had in hand in the backup comes back after its lease of 30


class Backup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = g = Gateway()
        cls.addClassCleanup(g.close)
        g.quickstart().stop()
        cls.safe = g.temp / "safe"
        cls.backup = g.temp / "backup"
        shutil.copytree(g.data / "keys", cls.safe)
        (cls.safe / "master.key").unlink()
        g.command("key", "export", cls.safe / "master.key")
        g.serve()
        cls.answered, end, moving = [], threading.Event(), threading.Semaphore(0)
        threads = [threading.Thread(target=cls.write, args=(end, moving), daemon=True) for _ in range(SENDERS)]
        for t in threads:
            t.start()
        for _ in range(10 * SENDERS):
            assert moving.acquire(timeout=30), "no load"
        cls.before = list(cls.answered)
        cls.made = g.json("store", "backup", cls.backup)
        with Mailbox(g, BODY) as m:
            cls.validity = int(m.status("INBOX")["UIDVALIDITY"])
        cls.lost = send(g, letters.compose(subject="Утрачено"), BODY).number
        g.kill()
        end.set()
        for t in threads:
            t.join(30)
            assert not t.is_alive(), "a client did not notice the end"
        cls.recover()

    @classmethod
    def write(cls, end, moving):
        """Sends one letter after the other, until the server is gone."""
        try:
            with login(cls.gateway, timeout=10) as c:
                while not end.is_set():
                    cls.answered.append(talk(c, SENDER, [BODY], letters.compose(files=[("акт.pdf", "act.pdf")])).number)
                    moving.release()
        except (OSError, smtplib.SMTPException):
            pass

    @classmethod
    def recover(cls):
        """The whole folder is gone; what comes back is what docs/operation.md says."""
        g = cls.gateway
        shutil.rmtree(g.data)
        shutil.copytree(cls.safe, g.data / "keys")
        for file in (cls.backup / "files").iterdir():
            (g.data / ("keys" if file.suffix == ".pem" else ".")).joinpath(file.name).write_bytes(file.read_bytes())
        g.command("config", "check")
        cls.restored = g.json("store", "restore", cls.backup)
        g.serve()

    def numbers(self, user, name):
        with Mailbox(self.gateway, user) as m:
            m.select(name)
            return set(m.header(m.uids("ALL"), "X-Letter-Number").values())

    def test_letters(self):
        """what was answered before the backup is there, what came after it is not"""
        self.assertEqual(set(self.before) - self.numbers(SENDER, "Sent"), set())
        wait_for("delivery", lambda: not set(self.before) - self.numbers(BODY, "INBOX"), LEASE, 1)
        self.assertNotIn(self.lost, self.numbers(SENDER, "Sent"))

    def test_unique(self):
        """UIDVALIDITY is higher, and no number comes again"""
        with Mailbox(self.gateway, BODY) as m:
            self.assertGreater(int(m.status("INBOX")["UIDVALIDITY"]), self.validity)
        fresh = send(self.gateway, letters.compose(), BODY).number
        serial = [int(n.split("-")[2]) for n in (fresh, max(self.answered), self.lost)]
        self.assertGreater(serial[0], max(serial[1:]))
        self.assertGreaterEqual(serial[0], self.restored["number"])

    def test_keys(self):
        """no key is in the backup, and each that is needed was named"""
        keys = [p.read_bytes() for p in self.safe.glob("*.key")]
        self.assertGreater(len(keys), 4)
        for file in self.backup.rglob("*"):
            if file.is_file():
                octets = file.read_bytes()
                self.assertNotIn(b"PRIVATE KEY", octets, file)
                for key in keys:
                    self.assertNotIn(key, octets, file)
        # Its authority signs nothing more: the gateway does without that key.
        named = {s["path"].rpartition("/")[2] for s in self.made["save"]}
        self.assertEqual(named, {p.name for p in self.safe.glob("*.key")} - {"ca.key"})
        self.assertTrue(self.made["key_exported"])

    def test_resume(self):
        """serve says that the store waits, until it is resumed"""
        self.assertIn("gosbridge store resume", self.gateway.output())
        self.assertTrue(self.gateway.json("store", "resume")["now"])
        self.assertFalse(self.gateway.json("store", "resume")["now"])

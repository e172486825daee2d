"""kill -9 at any moment: every letter that was answered with 250 is there
once, with all that belongs to it, and no other is there by half."""

import collections
import imaplib
import random
import smtplib
import threading
import time
import unittest

import letters
from house import BODY, PARTNER, SENDER, Gateway, wait_for
from mail import login, talk
from mailbox import Mailbox, only

ROUNDS = 6
SENDERS = 4
LEASE = 60  # seconds; what a worker had in hand when it was killed comes back after its lease of 30


class Crash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()
        cls.gateway.stop()
        cls.seed = random.SystemRandom().randrange(1 << 32)
        cls.random = random.Random(cls.seed)
        cls.lock = threading.Lock()
        cls.answered = {}  # number by Message-ID
        cls.open = {}      # octets by Message-ID of those whose answer nobody heard
        for _ in range(ROUNDS):
            cls.storm()
        cls.gateway.serve()
        cls.send_again()
        cls.sent = cls.listing(SENDER, "Sent")

    @classmethod
    def storm(cls):
        """Serves under load, and is killed."""
        cls.gateway.serve()
        end = threading.Event()
        threads = [threading.Thread(target=cls.write, args=(end, i), daemon=True) for i in range(SENDERS)]
        threads.append(threading.Thread(target=cls.read, args=(end,), daemon=True))
        for t in threads:
            t.start()
        time.sleep(cls.random.uniform(0.3, 1.5))
        cls.gateway.kill()
        end.set()
        for t in threads:
            t.join(30)
            assert not t.is_alive(), "a client did not notice the end"

    @classmethod
    def write(cls, end, i):
        """Sends one letter after the other, small ones and such with files,
        until the server is gone."""
        octets = None
        try:
            with login(cls.gateway, timeout=10) as c:
                for n in range(100_000):
                    files = [("приказ.docx", "order.docx"), ("акт.pdf", "act.pdf")] if (n + i) % 3 == 0 else []
                    octets = letters.compose(subject="буря", files=files)
                    with cls.lock:
                        cls.open[letters.id_of(octets)] = octets
                    reply = talk(c, SENDER, [BODY, PARTNER], octets)
                    with cls.lock:
                        cls.answered[letters.id_of(octets)] = reply.number
                        del cls.open[letters.id_of(octets)]
                    if end.is_set():
                        return
        except (OSError, smtplib.SMTPException):
            pass  # killed: the last letter stays open

    @classmethod
    def read(cls, end):
        """Opens what has come, as the reader of one of the recipients."""
        try:
            with Mailbox(cls.gateway, BODY) as m:
                while not end.is_set():
                    m.select("INBOX")
                    fresh = m.uids("UNSEEN")
                    if fresh:
                        m.fetch(fresh[0], peek=False)
        except (OSError, imaplib.IMAP4.error):
            pass

    @classmethod
    def send_again(cls):
        """What nobody heard an answer to is sent again, as a mail program does."""
        with login(cls.gateway) as c:
            for key, octets in cls.open.items():
                cls.answered[key] = talk(c, SENDER, [BODY, PARTNER], octets).number

    @classmethod
    def listing(cls, user, name):
        """How often each Message-ID is in a mailbox."""
        with Mailbox(cls.gateway, user) as m:
            m.select(name)
            return collections.Counter(m.header(m.uids("ALL"), "Message-ID").values())

    def ours(self, listing):
        return {key: n for key, n in listing.items() if key in self.answered}

    def test_sent(self):
        """every answered letter is in Sent once, under its number"""
        self.assertGreater(len(self.answered), ROUNDS * SENDERS, "hardly any load")
        once = dict.fromkeys(self.answered, 1)
        self.assertEqual(self.ours(self.sent), once, "seed %d" % self.seed)
        with Mailbox(self.gateway, SENDER) as m:
            m.select("Sent")
            uids = m.uids("ALL")
            ids, numbers = m.header(uids, "Message-ID"), m.header(uids, "X-Letter-Number")
        got = {ids[u]: numbers[u] for u in uids if ids[u] in self.answered}
        self.assertEqual(got, self.answered, "seed %d" % self.seed)
        self.assertEqual(len(set(self.answered.values())), len(self.answered), "a number twice")

    def test_nothing_else(self):
        """Sent holds no letter that nobody sent"""
        others = [key for key in self.sent if key not in self.answered and "e2e.example" in key]
        self.assertEqual(others, [])

    def test_inbox(self):
        """every answered letter reaches both recipients once"""
        once = dict.fromkeys(self.answered, 1)
        for user in (BODY, PARTNER):
            with self.subTest(user):
                wait_for("delivery of all letters, seed %d" % self.seed,
                         lambda user=user: len(self.ours(self.listing(user, "INBOX"))) == len(once), LEASE, 1)
                self.assertEqual(self.ours(self.listing(user, "INBOX")), once, "seed %d" % self.seed)

    def test_letters(self):
        """each has its record, its evidence and its receipts, none twice"""
        expected = {"SubmissionAcceptance": 1, "ContentConsignment": 2}

        def missing():
            return {n: got for n, got in self.receipts().items() if got != expected}

        end = time.monotonic() + LEASE
        while (left := missing()) and time.monotonic() < end:
            time.sleep(1)
        shown = "".join(self.gateway.command("letter", "show", n) for n in list(left)[:3])
        self.assertEqual(left, {}, "receipts, seed %d\n%s" % (self.seed, shown))
        numbers = set(self.answered.values())
        listed = self.gateway.json("letter", "list", "--account", SENDER, "--limit", "0")
        states = {entry["number"]: entry["state"] for entry in listed if entry["number"] in numbers}
        self.assertEqual(set(states), numbers)
        self.assertLessEqual(set(states.values()), {"delivered", "opened"})

    def receipts(self):
        """How often each receipt of each of our letters is there."""
        with Mailbox(self.gateway, SENDER) as m:
            uids = m.select("Receipts").uids("ALL")
            number, event = m.header(uids, "X-Letter-Number"), m.header(uids, "X-Letter-Receipt")
        got = collections.defaultdict(collections.Counter)
        for uid in uids:
            got[number[uid]][event[uid]] += 1
        return {n: dict(got[n]) for n in self.answered.values()}


class InTheHold(unittest.TestCase):
    """A crash while letters wait for their recall time to end."""

    def test_held(self):
        """held letters go out after the restart, once"""
        gateway = Gateway()
        self.addCleanup(gateway.close)
        gateway.quickstart()
        with login(gateway) as c:
            numbers = [talk(c, SENDER, [BODY], letters.registered()).number for _ in range(5)]
        gateway.kill()
        gateway.serve()
        with Mailbox(gateway, BODY) as m:
            for number in numbers:
                only(m, "INBOX", number)

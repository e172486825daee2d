"""The sender's own copy: what a mail program files in Sent, after sending or
before, is there once."""

import re
import threading
import time
import unittest

import letters
from house import BODY, PARTNER, SENDER, Gateway
from mail import login, send, talk
from mailbox import Idle, Mailbox

REGISTERED = SENDER.replace("@", "+registered@")


class Sent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def file(self, octets, flags=r"(\Seen)", kind="person", box="Sent"):
        """APPENDs a message; the UID of the answer."""
        with Mailbox(self.gateway, SENDER, kind) as m:
            answer = m.ok(m.imap.append(box, flags, None, octets))[0]
            validity, uid = re.search(rb"\[APPENDUID (\d+) (\d+)\]", answer).groups()
            self.assertIn(b"UIDVALIDITY " + validity, m.ok(m.imap.status(box, "(UIDVALIDITY)"))[0])
            return int(uid)

    def found(self, octets):
        """UIDs and octets in Sent of the messages with a letter's Message-ID."""
        with Mailbox(self.gateway, SENDER) as m:
            m.select("Sent")
            return {uid: m.fetch(uid) for uid in m.uids("HEADER", "Message-ID", '"%s"' % letters.id_of(octets))}

    def only(self, octets, number):
        """The one message of a letter; it must be the form that went out."""
        got = self.found(octets)
        self.assertEqual(len(got), 1, "messages of the letter in Sent: %s" % sorted(got))
        (uid, sent), = got.items()
        self.assertTrue(sent.startswith(b"X-Letter-Number: " + number.encode()), sent[:100])
        return uid

    def flags(self, uid):
        with Mailbox(self.gateway, SENDER) as m:
            return {f.decode() for f in m.select("Sent").flags(uid) if not f.startswith(b"Letter-")}

    def usage(self):
        with Mailbox(self.gateway, SENDER) as m:
            return m.ok(m.imap.status("Sent", "(MESSAGES SIZE)"))[0]

    def test_after(self):
        """a copy that is filed after sending is the one that is there, once"""
        octets = letters.registered(sender=REGISTERED)
        number = send(self.gateway, octets, BODY, sender=REGISTERED, user=SENDER).number
        uid, before = self.only(octets, number), self.usage()
        self.assertEqual(self.file(octets, r"(\Seen \Flagged $Forwarded)"), uid)
        self.assertEqual(self.only(octets, number), uid)
        self.assertEqual(self.flags(uid), {r"\Seen", r"\Flagged", "$Forwarded"})
        self.assertEqual(self.usage(), before)
        self.assertNotEqual(self.file(octets), uid, "the second copy")
        self.assertEqual(len(self.found(octets)), 2)

    def test_before(self):
        """a copy that was filed before sending gives way, under a UID of its own, with its flags"""
        octets = letters.registered(sender=REGISTERED)
        idle = Idle(self.gateway, SENDER, "Sent")
        self.addCleanup(idle.close)
        uid = self.file(octets, r"(\Flagged)")
        first = self.found(octets)[uid]
        self.assertEqual(first, octets)
        number = send(self.gateway, octets, BODY, sender=REGISTERED, user=SENDER).number
        now = self.only(octets, number)
        self.assertGreater(now, uid, "other octets under a UID that the mail program knows")
        self.assertEqual(self.flags(now), {r"\Seen", r"\Flagged"})
        idle.until(rb"EXPUNGE|VANISHED")
        self.assertNotEqual(self.file(octets), now, "the copy was the first already")

    def test_bcc(self):
        """the hidden recipients that only the mail program's copy names stay in the letter's record"""
        octets = letters.compose(subject="hidden")
        number = send(self.gateway, octets, [BODY, PARTNER]).number
        uid = self.only(octets, number)
        self.assertEqual(self.file(octets.replace(b"Subject:", b"Bcc: " + PARTNER.encode() + b"\r\nSubject:", 1)), uid)
        self.assertEqual(self.gateway.json("letter", "show", number)["bcc"], [PARTNER])
        self.assertNotIn(b"Bcc:", self.found(octets)[uid])

    def test_others(self):
        """what is not surely the letter is kept: another subject, date, class or mailbox"""
        octets = letters.compose(subject="mine")
        number = send(self.gateway, octets, BODY).number
        uid = self.only(octets, number)
        other_date = re.sub(rb"Date: [^\r]*", b"Date: Thu, 15 Jan 2026 09:30:00 +0300", octets)
        for changed in (octets.replace(b"Subject: mine", b"Subject: other"), other_date):
            self.assertNotEqual(self.file(changed), uid)
        self.assertNotEqual(self.file(octets, kind="system"), uid)
        self.file(octets, box="Drafts")
        self.assertEqual(len(self.found(octets)), 4)
        self.assertEqual(self.file(octets), uid, "a person's own copy, still the first")

    def test_crash(self):
        """a gateway that is killed between letter and copy, and after the copy, has one message"""
        for order in ("letter", "copy"):
            with self.subTest(first=order):
                octets = letters.compose(subject="killed")
                steps = [lambda: send(self.gateway, octets, BODY), lambda: self.file(octets)]
                for step in steps if order == "letter" else reversed(steps):
                    step()
                    self.gateway.kill()
                    self.gateway.serve()
                self.only(octets, send(self.gateway, octets, BODY).number)

    def test_at_once(self):
        """programs that send and file at the same time leave one message each"""
        all_octets = [letters.compose(subject="at once %d" % i) for i in range(30)]
        numbers, failed = {}, []
        gates = [threading.Barrier(2) for _ in all_octets]

        def guarded(work):
            try:
                work()
            except Exception as e:  # noqa: BLE001 - told by the test
                failed.append(e)
                for gate in gates:
                    gate.abort()

        def sender():
            with login(self.gateway) as c:
                for i, octets in enumerate(all_octets):
                    gates[i].wait(timeout=30)
                    numbers[i] = talk(c, SENDER, [BODY], octets).number

        def filer():
            with Mailbox(self.gateway, SENDER) as m:
                for i, octets in enumerate(all_octets):
                    gates[i].wait(timeout=30)
                    time.sleep(0.001 * (i % 7))
                    m.ok(m.imap.append("Sent", r"(\Seen)", None, octets))

        threads = [threading.Thread(target=guarded, args=(work,)) for work in (sender, filer)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])
        for i, octets in enumerate(all_octets):
            self.only(octets, numbers[i])


"""The mailbox Templates: what a mail program finds in it, and what becomes of
a letter that is written of a template."""

import email
import email.policy
import unittest

import letters
from house import BODY, SENDER, Gateway
from mail import send
from mailbox import Mailbox

KIND = "X-Letter-Type"


class Templates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def templates(self, user=SENDER):
        with Mailbox(self.gateway, user) as m:
            m.select("Templates")
            uids = m.uids("ALL")
            self.assertEqual([m.flags(uid) for uid in uids], [{rb"\Seen"}] * len(uids))
            return [email.message_from_bytes(m.fetch(uid), policy=email.policy.default) for uid in uids]

    def names(self, user):
        with Mailbox(self.gateway, user) as m:
            return [line.decode().rpartition(' "/" ')[2].strip('"') for line in m.ok(m.imap.lsub())]

    def test_every_type(self):
        """a letter of each template has its type, by From alone and by the header alone"""
        found = {}
        for t in self.templates():
            found.setdefault(t[KIND], []).append(t)
            self.assertEqual(t["X-Unsent"], "1")
            self.assertIn("Это шаблон", t.get_content())
            if t[KIND] in ("appeal", "post"):
                continue  # for accounts with a phone, recipients with the post
            for headers, sender in (({}, t["From"].addresses[0].addr_spec), ({KIND.replace("-", "_"): t[KIND]}, SENDER)):
                octets = letters.compose(sender=sender, files=[("акт.pdf", "act.pdf")], **headers)
                number = send(self.gateway, octets, BODY, sender=sender, user=SENDER).number
                self.assertEqual(self.gateway.json("letter", "show", number)["type"], t[KIND])
        self.assertEqual({k: len(v) for k, v in found.items()},
                         {"simple": 1, "notify": 1, "registered": 1, "registered-ezp": 1, "appeal": 4, "post": 1})
        self.assertEqual({t["X-Letter-Kind"] for t in found["appeal"]}, {"complaint", "proposal", "statement", "question"})

    def test_limits(self):
        """the guidance has the limits of this configuration"""
        text = next(t.get_content() for t in self.templates() if t[KIND] == "registered")
        self.assertIn("Отозвать можно в течение: 2 с", text)  # quickstart's; as shipped five minutes
        self.assertIn("Размер файла: не более 10 МиБ", text)

    def test_added(self):
        """an account that is added has them in its language, and who deletes the mailbox is rid of it"""
        self.gateway.account("new@romashka.example", "romashka", "--language", "en")
        self.assertEqual(self.names("new@romashka.example"), self.names(SENDER))
        self.assertEqual(self.templates("new@romashka.example")[0]["Subject"], "Simple letter")
        with Mailbox(self.gateway, "new@romashka.example") as m:
            m.ok(m.imap.delete("Templates"))
        self.gateway.stop()
        self.gateway.serve()
        self.assertNotIn("Templates", self.names("new@romashka.example"))
        self.assertEqual(len(self.templates()), 9)

"""A registered letter with a PDF goes the whole way."""

import email
import email.policy
import hashlib
import time
import unittest

import letters
from house import BODY, DOCUMENTS, SENDER, Gateway
from mail import send
from mailbox import Idle, Mailbox, curl_read, only
from proof import certificate_names, certificate_sha256, cms_verify, receipts, sha256

EVENTS = {"SubmissionAcceptance": 1, "ContentConsignment": 1, "ContentHandover": 1}


class RegisteredLetter(unittest.TestCase):
    """One letter, looked at from all sides."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()
        cls.idle = Idle(cls.gateway, SENDER, "Sent")
        cls.addClassCleanup(cls.idle.close)
        cls.submitted = letters.registered(subject="О выдаче разрешения")
        cls.reply = send(cls.gateway, cls.submitted, BODY)
        cls.number = cls.reply.number
        cls.walk()
        found = receipts(cls.gateway, cls.number, SENDER, EVENTS)
        cls.receipts = {event: of[0] for event, of in found.items()}

    @classmethod
    def walk(cls):
        """Follows the letter to its reader, noting what is seen on the way."""
        with Mailbox(cls.gateway, SENDER) as m:
            uid = only(m, "Sent", cls.number)
            cls.at_first = m.keywords(uid)
            cls.sent = m.fetch(uid)
        cls.idle.until(rb"^\* \d+ EXISTS")
        cls.idle.until(rb"FETCH .*Letter-Delivered")
        with Mailbox(cls.gateway, SENDER) as m:
            cls.when_delivered = m.keywords(only(m, "Sent", cls.number))
        with Mailbox(cls.gateway, BODY) as m:
            cls.inbox_uid = only(m, "INBOX", cls.number)
            cls.inbox_flags = m.flags(cls.inbox_uid)
            cls.by_imaplib = m.fetch(cls.inbox_uid, peek=True)
        with Mailbox(cls.gateway, SENDER) as m:
            cls.after_peek = m.keywords(only(m, "Sent", cls.number))
        cls.by_curl = curl_read(cls.gateway, BODY, "INBOX", cls.inbox_uid)
        opened = time.monotonic()
        cls.push = cls.idle.until(rb"FETCH .*Letter-Opened") - opened

    def test_reply(self):
        """the 250 names number, type, recipients and recall time"""
        self.assertRegex(self.reply.text, r"^2\.6\.0 accepted as GP-\d{6}-\d{8}-\d; registered, 1 recipient, "
                                          r"recall until \d\d:\d\d:\d\dZ$")

    def test_states(self):
        """Sent shows held, then delivered; a peek is not an opening"""
        self.assertIn("Letter-Held", self.at_first)
        self.assertIn("Letter-Delivered", self.when_delivered)
        self.assertNotIn("Letter-Held", self.when_delivered)
        self.assertNotIn(b"\\Seen", self.inbox_flags)
        self.assertNotIn("Letter-Opened", self.after_peek)

    def test_push(self):
        """an idling client is told of the opening at once, without asking"""
        self.assertLess(self.push, 3, "seconds from the reader's fetch to the push")
        heard = b"\n".join(self.idle.heard)
        self.assertIn(b"Letter-Delivered", heard)
        self.assertIn(b"Letter-Opened", heard)

    def test_readers_agree(self):
        """curl and imaplib read the same octets"""
        self.assertEqual(self.by_curl, self.by_imaplib)

    def test_receipts(self):
        """acceptance, delivery and opening have a receipt that openssl accepts"""
        operator = (self.gateway.data / "keys" / "operator.pem").read_bytes()
        for event, r in self.receipts.items():
            with self.subTest(event):
                self.assertEqual(r.evidence["event"], event)
                self.assertEqual(r.evidence["letter"]["number"], self.number)
                self.assertEqual(sha256(r.parts["evidence.json"]), r.hash, "evidence.json against the header's digest")
                self.assertEqual(r.evidence["signerCertificate"], certificate_sha256(r.signer))
                self.assertEqual(r.evidence["signerCertificate"], certificate_sha256(operator))
                self.assertIn("evidence.xml", r.parts)
                self.assertEqual(r.field("X-Letter-Number"), self.number)
                self.assertEqual(r.outer["Auto-Submitted"], "auto-replied")
                self.assertIn(self.number, r.text)
                self.assertIn("Обращение.pdf", r.text)

    def test_chain(self):
        """each evidence names the one before it"""
        before = None
        for event in ("SubmissionAcceptance", "ContentConsignment", "ContentHandover"):
            r = self.receipts[event]
            self.assertEqual(r.evidence.get("previousEvidence"), before, event)
            before = r.hash

    def test_thread(self):
        """receipts belong to the letter's thread"""
        ids = email.message_from_bytes(self.submitted, policy=email.policy.SMTP)
        for event, r in self.receipts.items():
            self.assertEqual(r.outer["In-Reply-To"].strip(), ids["Message-ID"].strip(), event)

    def test_facts(self):
        """the evidence holds digests of letter, sent form and document"""
        ev = self.receipts["SubmissionAcceptance"].evidence
        pdf = (DOCUMENTS / "appeal.pdf").read_bytes()
        self.assertEqual(ev["submitted"], {"sha256": sha256(self.submitted), "size": len(self.submitted)})
        self.assertEqual(ev["files"], [{"name": "Обращение.pdf", "mediaType": "application/pdf", "size": len(pdf),
                                        "sha256": hashlib.sha256(pdf).hexdigest()}])
        self.assertEqual((ev["sender"]["address"], ev["sender"]["assurance"]), (SENDER, "password"))
        self.assertEqual([r["address"] for r in ev["recipients"]], [BODY])
        shown = self.gateway.json("letter", "show", self.number)
        self.assertEqual((shown["sha256"], shown["state"]), (sha256(self.submitted), "opened"))
        self.assertEqual([e["sha256"] for e in shown["evidence"]], [self.receipts[e["event"]].hash for e in shown["evidence"]])

    def test_recipients_copy(self):
        """the recipient has a copy of the receipt of delivery"""
        got = receipts(self.gateway, self.number, BODY, {"ContentConsignment": 1})
        self.assertEqual(got["ContentConsignment"][0].hash, self.receipts["ContentConsignment"].hash)

    def test_signature(self):
        """openssl accepts the organisation's signature under the delivered letter"""
        for how in ((), ("-cades",)):
            status, content, signer, said = cms_verify(self.gateway, self.by_curl, *how)
            self.assertEqual(status, 0, said)
            self.assertIn("Ромашка", certificate_names(signer))
            inner = email.message_from_bytes(content, policy=email.policy.SMTP)
            files = {p.get_filename(): p.get_payload(decode=True) for p in inner.walk() if p.get_filename()}
            self.assertEqual(files, {"Обращение.pdf": (DOCUMENTS / "appeal.pdf").read_bytes()})
        by = self.receipts["SubmissionAcceptance"].evidence["signature"]
        self.assertEqual((by["result"], by["by"], by["certificateSha256"]), ("valid", "gateway", certificate_sha256(signer)))

    def test_tampering(self):
        """openssl rejects a letter or a receipt with one changed character"""
        receipt = self.receipts["ContentConsignment"].octets
        for name, octets, where in (("letter", self.by_curl, b"filename"), ("receipt", receipt, b"evidence.json")):
            with self.subTest(name):
                at = octets.index(where)
                changed = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]
                status, _, _, said = cms_verify(self.gateway, changed)
                self.assertNotEqual(status, 0, "openssl accepts a changed %s" % name)
                self.assertIn("verification failure", said.lower())


class OtherDoors(unittest.TestCase):
    """STARTTLS on both sides, and a reader that opens nothing."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def test_starttls(self):
        """smtplib and imaplib after STARTTLS"""
        number = send(self.gateway, letters.registered(), BODY, secure="starttls").number
        with Mailbox(self.gateway, BODY, secure="starttls") as m:
            self.assertIn(number.encode(), m.fetch(only(m, "INBOX", number)))

    def test_arrival(self):
        """an idling reader is told of a new letter when it comes"""
        idle = Idle(self.gateway, BODY, "INBOX")
        self.addCleanup(idle.close)
        send(self.gateway, letters.compose(), BODY)
        answered = time.monotonic()
        self.assertLess(idle.until(rb"^\* \d+ EXISTS") - answered, 3, "seconds from the 250 to the push")

    def test_programs_do_not_open(self):
        """reading by a credential of class archive or system opens nothing"""
        for kind in ("archive", "system"):
            self.gateway.credential(BODY, kind)
        number = send(self.gateway, letters.registered(), BODY).number
        for kind in ("archive", "system"):
            with Mailbox(self.gateway, BODY, kind=kind) as m:
                m.fetch(only(m, "INBOX", number), peek=False)
        self.assertEqual(self.gateway.json("letter", "show", number)["state"], "delivered")
        with Mailbox(self.gateway, BODY) as m:
            uid = only(m, "INBOX", number)
            m.ok(m.imap.uid("STORE", str(uid), "-FLAGS", "(\\Seen)"))  # the system had set it
            m.ok(m.imap.uid("STORE", str(uid), "+FLAGS", "(\\Seen)"))
        receipts(self.gateway, number, SENDER, EVENTS)

    def test_keywords_belong_to_the_letter(self):
        """a client can neither set nor clear the states"""
        number = send(self.gateway, letters.registered(), BODY).number
        with Mailbox(self.gateway, SENDER) as m:
            uid = only(m, "Sent", number)
            before = m.keywords(uid)
            m.imap.uid("STORE", str(uid), "-FLAGS", "(Letter-Accepted Letter-Held)")
            m.imap.uid("STORE", str(uid), "+FLAGS", "(Letter-Acknowledged)")
            after = m.keywords(uid)
        self.assertTrue(before)
        self.assertNotIn("Letter-Acknowledged", after)
        self.assertTrue(after & {"Letter-Accepted", "Letter-Delivered"}, after)

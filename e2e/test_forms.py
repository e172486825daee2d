"""The three forms of a letter, octet by octet: submitted, sent, delivered."""

import email.policy
import re
import sys
import tempfile
import textwrap
import unittest

import letters
from house import BODY, PARTNER, ROOT, SENDER, Gateway, run
from mail import curl_send, send, swaks
from mailbox import delivered
from proof import cms_verify, receipts, sha256

# What the gateway may put before a letter.
SENT_PREFIX = re.compile(rb"X-Letter-Number: GP-\d{6}-\d{8}-\d\r\nX-Letter-Type: [a-z]+\r\n")
INBOX_PREFIX = re.compile(
    rb"Return-Path: <[^>\r\n]+>\r\n(Received: [^\r\n]+\r\n([ \t][^\r\n]+\r\n)*)"
    rb"(X-Letter-(Kind|Sender-(Name|ID|Phone|Email)): [^\r\n]+\r\n([ \t][^\r\n]+\r\n)*)*"
    rb"X-Letter-Number: GP-\d{6}-\d{8}-\d\r\nX-Letter-Type: [a-z]+\r\n(X-Letter-Ack-Until: [^\r\n]+\r\n)?")

# How docs/evidence.md takes it off.
RECIPE = textwrap.dedent(re.search(
    r"python3 - letter\.eml <<'END' \| sha256sum\n(.*?\n) *END\n", (ROOT / "docs/evidence.md").read_text(), re.DOTALL).group(1))


class Forms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def forms(self, number, recipient=BODY):
        """The sent form as both sides have it, without the prefixes."""
        sent, inbox = delivered(self.gateway, number, recipient)
        head = SENT_PREFIX.match(sent)
        self.assertTrue(head, "prefix of the Sent copy: %r" % sent[:300])
        self.assertIn(number.encode(), head.group())
        top = INBOX_PREFIX.match(inbox)
        self.assertTrue(top, "prefix of the delivered letter: %r" % inbox[:300])
        self.assertIn(number.encode(), top.group())
        self.assertEqual(sent[head.end():], inbox[top.end():], "Sent and INBOX differ behind the prefix")
        with tempfile.NamedTemporaryFile(prefix="gb") as f:
            f.write(inbox)
            f.flush()
            done = run(sys.executable, "-", f.name, stdin=RECIPE.encode())
        self.assertEqual(done.stdout, sent[head.end():], "the recipe of docs/evidence.md: %r" % done.stderr)
        return sent[head.end():]

    def evidence(self, number, submitted, sent, events=None):
        """The digests of submitted and sent form in the acceptance."""
        events = events or {"SubmissionAcceptance": 1, "ContentConsignment": 1}
        ev = receipts(self.gateway, number, SENDER, events)["SubmissionAcceptance"][0].evidence
        self.assertEqual(ev["submitted"], {"sha256": sha256(submitted), "size": len(submitted)})
        if sent == submitted:
            self.assertNotIn("sent", ev)
        else:
            self.assertEqual(ev["sent"], {"sha256": sha256(sent), "size": len(sent)})
        shown = self.gateway.json("letter", "show", number)
        self.assertEqual((shown["sha256"], shown["size"]), (sha256(submitted), len(submitted)))
        return ev

    def unchanged(self, octets, number):
        """A letter that goes as it came."""
        self.assertEqual(self.forms(number), octets)
        self.evidence(number, octets, octets)

    def test_simple(self):
        """a simple letter without Bcc is sent as it was submitted"""
        octets = letters.compose(files=[("Заявление.docx", "appeal.docx"), ("скан.jpg", "scan.jpg")])
        self.unchanged(octets, send(self.gateway, octets, BODY).number)

    def test_appeal(self):
        """an appeal is delivered below who sends it, and as it came"""
        top = b"X-Letter-Kind: complaint\r\nX-Letter-Type: appeal\r\nX-Letter-Recall: none\r\nX-Letter-Phone: +79991234567\r\n"
        octets = top + letters.plain(
            "Жалоба.", header=["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"])
        number = send(self.gateway, octets, BODY).number
        self.unchanged(octets, number)
        _, inbox = delivered(self.gateway, number, BODY)
        for field in (b"Kind: complaint", b"Sender-Name: ", b"Sender-ID: ", b"Sender-Phone: ", b"Sender-Email: "):
            self.assertIn(b"\r\nX-Letter-" + field, inbox[:-len(octets)])

    def test_octets(self):
        """lines that begin with a dot, 8-bit text, long lines and odd white space survive"""
        octets = letters.plain(
            ".", "..", ". dot", "тело письма в UTF-8", "tab\tand trailing blanks   ", "", "", "x" * 998,
            header=["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit",
                    "X-Odd:   three blanks, ", "\tfolded  with a tab", "x-empty:", "SUBJECT-NOT: x"])
        self.unchanged(octets, send(self.gateway, octets, BODY).number)

    def test_swaks(self):
        """a file that swaks sends, over TLS and STARTTLS"""
        for secure in ("tls", "starttls"):
            with self.subTest(secure), tempfile.NamedTemporaryFile(prefix="gb") as f:
                octets = letters.compose(subject="swaks " + secure, files=[("акт.pdf", "act.pdf")])
                f.write(octets + b".\r\n")  # swaks passes the file on, with the end of DATA
                f.flush()
                self.unchanged(octets, swaks(self.gateway, f.name, BODY, secure=secure).number)

    def test_curl(self):
        """a file that curl sends"""
        with tempfile.NamedTemporaryFile(prefix="gb") as f:
            octets = letters.compose(subject="curl", text=".\n..two\nend\n", files=[("акт.pdf", "act.pdf")])
            f.write(octets)
            f.flush()
            self.unchanged(octets, curl_send(self.gateway, f.name, BODY).number)

    def test_bcc(self):
        """of a letter with Bcc only that field is left out"""
        for field in ("Bcc: <%s>" % PARTNER, "BCC: Петрова <%s>,\r\n\t<%s>" % (PARTNER, PARTNER), "bcc:"):
            with self.subTest(field):
                octets = letters.plain("Копия скрыта.", header=[
                    "Bcc-Not: kept", field, "X-After: kept too", "MIME-Version: 1.0",
                    "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"])
                number = send(self.gateway, octets, [BODY, PARTNER]).number
                head, body = letters.header_of(octets)
                expected = b"".join(f for f in letters.fields(head) if not letters.named(f, "Bcc")) + b"\r\n" + body
                self.assertEqual(len(octets) - len(expected), len(field.encode()) + 2)
                self.assertEqual(self.forms(number), expected)
                self.assertEqual(self.forms(number, PARTNER), expected)
                self.assertEqual(len(self.gateway.json("letter", "show", number)["recipients"]), 2)
                self.evidence(number, octets, expected, {"SubmissionAcceptance": 1, "ContentConsignment": 2})

    def test_signed_by_the_gateway(self):
        """the signed form holds the MIME entity that was submitted, octet by octet"""
        letter = letters.registered(
            subject="Подписано шлюзом", policy=email.policy.SMTP.clone(cte_type="8bit"), X_Own="kept")
        with_bcc = letters.registered(subject="Без скрытых копий", Bcc="")
        for octets in (letter, with_bcc):
            with self.subTest(len(octets)):
                number = send(self.gateway, octets, BODY).number
                sent = self.forms(number)
                self.evidence(number, octets, sent)
                head, body = letters.header_of(octets)
                entity_fields = [f for f in letters.fields(head) if f.lower().startswith(b"content-")]
                entity = b"".join(entity_fields) + b"\r\n" + body
                self.assertIn(entity, sent)
                status, content, _, said = cms_verify(self.gateway, sent)
                self.assertEqual(status, 0, said)
                self.assertEqual(content, entity, "what is signed is not the entity that was submitted")
                sent_head, _ = letters.header_of(sent)
                outside = [f for f in letters.fields(sent_head) if not f.lower().startswith((b"content-", b"mime-version"))]
                kept = [f for f in letters.fields(head) if not f.lower().startswith((b"content-", b"mime-version", b"bcc:"))]
                self.assertEqual(outside, kept, "header fields outside of the entity")

    def signed_by(self, octets, key, cert):
        """The letter with an S/MIME signature made by openssl."""
        head, body = letters.header_of(octets)
        fields = letters.fields(head)
        entity = b"".join(f for f in fields if f.lower().startswith(b"content-")) + b"\r\n" + body
        keys = self.gateway.data / "keys"
        done = run("openssl", "cms", "-sign", "-binary", "-crlfeol", "-md", "sha256", "-signer", keys / cert,
                   "-inkey", keys / key, stdin=entity)
        self.assertEqual(done.returncode, 0, done.stderr)
        signed = re.sub(rb"\r*\n", b"\r\n", done.stdout)
        outside = b"".join(f for f in fields if not f.lower().startswith((b"content-", b"mime-version")))
        return outside + signed

    def test_signed_by_the_client(self):
        """a letter that the client signed with openssl goes as it came"""
        octets = self.signed_by(letters.registered(subject="Подписано отправителем"), "romashka.key", "romashka.pem")
        number = send(self.gateway, octets, BODY).number
        sent = self.forms(number)
        self.assertEqual(sent, octets)
        ev = self.evidence(number, octets, sent)
        self.assertEqual((ev["signature"]["result"], ev["signature"]["by"]), ("valid", "client"))
        status, _, _, said = cms_verify(self.gateway, sent)
        self.assertEqual(status, 0, said)

    def test_signature_of_somebody_else(self):
        """a valid signature of another organisation is refused, a broken one too"""
        octets = self.signed_by(letters.registered(), "vector.key", "vector.pem")
        reply = send(self.gateway, octets, BODY)
        self.assertEqual((reply.code, reply.reasons), (550, ["signature-of-other"]), reply)
        self.assertIn("5.7.1", reply.text)
        octets = self.signed_by(letters.registered(text="Сумма 100"), "romashka.key", "romashka.pem")
        at = octets.index(b"filename")
        reply = send(self.gateway, octets[:at] + b"F" + octets[at + 1:], BODY)
        self.assertEqual(reply.code, 550, reply)
        self.assertIn("5.7.7", reply.text)

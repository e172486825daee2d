"""The ways to submit a letter: in chunks, with AUTH LOGIN, with addresses beyond ASCII."""

import base64
import email.message
import email.policy
import tempfile
import unittest

import letters
from house import BODY, SENDER, Gateway, wait_for
from mail import Raw, connect, login, swaks, talk
from mailbox import Mailbox, delivered

OFFICE = "приёмная@инспекция.example"


class Submission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart().stop()
        registry = cls.gateway.data / "registry.csv"
        text = registry.read_text()
        registry.write_text(text.replace(BODY, BODY + " " + OFFICE))
        cls.gateway.serve()

    def arrived(self, number, octets, recipient=BODY, sender=SENDER):
        sent, inbox = delivered(self.gateway, number, recipient, sender)
        self.assertTrue(sent.endswith(octets), "Sent copy: %r" % sent[:300])
        self.assertTrue(inbox.endswith(octets), "delivered letter: %r" % inbox[:300])

    def test_login(self):
        """AUTH LOGIN of smtplib, the user with the command and after it"""
        for secure in ("tls", "starttls"):
            for initial in (True, False):
                with self.subTest(secure, initial=initial), connect(self.gateway, secure=secure) as c:
                    c.ehlo()
                    self.assertEqual(c.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
                    c.user, c.password = SENDER, self.gateway.password(SENDER)
                    code, text = c.auth("LOGIN", c.auth_login, initial_response_ok=initial)
                    self.assertEqual(code, 235, text)
                    octets = letters.compose(subject="LOGIN %s %s" % (secure, initial))
                    self.arrived(talk(c, SENDER, [BODY], octets).number, octets)

    def test_login_needs_tls(self):
        """no login of either kind before STARTTLS"""
        with connect(self.gateway, secure=None) as c:
            c.ehlo()
            self.assertNotIn("auth", c.esmtp_features)
            self.assertEqual(c.docmd("AUTH", "LOGIN")[0], 538)

    def test_swaks_login(self):
        """swaks with AUTH LOGIN"""
        with tempfile.NamedTemporaryFile(prefix="gb") as f:
            octets = letters.compose(subject="swaks LOGIN")
            f.write(octets + b".\r\n")  # swaks passes the file on, with the end of DATA
            f.flush()
            self.arrived(swaks(self.gateway, f.name, BODY, mechanism="LOGIN").number, octets)

    def test_chunks(self):
        """a letter in chunks of every kind of size is the letter"""
        octets = letters.compose(text=".\n..two\nRSET\n", files=[("акт.pdf", "act.pdf")])
        raw = self.logged_in()
        for n, step in enumerate((len(octets), 4096, 997)):
            with self.subTest(step):
                letter = octets.replace(b"Subject: ", b"Subject: %d " % n, 1)
                raw.say("MAIL FROM:<%s>" % SENDER, 250)
                raw.say("RCPT TO:<%s>" % BODY, 250)
                parts = [letter[i:i + step] for i in range(0, len(letter), step)]
                raw.socket.sendall(b"".join(b"BDAT %d\r\n%s" % (len(p), p) for p in parts) + b"BDAT 0 LAST\r\n")
                for _ in parts:
                    raw.expect(250)
                self.arrived(raw.expect(250).number, letter)
        raw.vanish()

    def test_chunks_given_up(self):
        """nothing comes of a letter whose last chunk is missing"""
        raw = self.logged_in()
        octets = letters.compose(subject="half of it")
        raw.say("MAIL FROM:<%s>" % SENDER, 250)
        raw.say("RCPT TO:<%s>" % BODY, 250)
        raw.socket.sendall(b"BDAT %d\r\n%s" % (len(octets), octets))
        raw.expect(250)
        raw.say("RSET", 250)
        raw.say("MAIL FROM:<%s>" % SENDER, 250)
        raw.say("RCPT TO:<%s>" % BODY, 250)
        raw.socket.sendall(b"BDAT %d\r\n%s" % (len(octets), octets))
        raw.expect(250)
        raw.vanish()
        with Mailbox(self.gateway, SENDER) as m:
            m.select("Sent")
            self.assertEqual(m.uids("SUBJECT", '"half of it"'), [])

    def logged_in(self):
        raw = Raw(self.gateway)
        login = base64.b64encode(("\0%s\0%s" % (SENDER, self.gateway.password(SENDER))).encode()).decode()
        raw.say("EHLO client.example", 250)
        raw.say("AUTH PLAIN " + login, 235)
        return raw

    def test_utf8(self):
        """a recipient beyond ASCII, when smtplib says SMTPUTF8, and the ASCII form of the domain"""
        local, domain = OFFICE.split("@")
        for to in (OFFICE, local + "@" + domain.encode("idna").decode()):
            with self.subTest(to), login(self.gateway) as c:
                octets = letters.plain(
                    "тело", header=["Cc: " + to, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                                    "Content-Transfer-Encoding: 8bit"])
                c.ehlo()
                c.command_encoding = "utf-8"  # as smtplib's own send_message does
                reply = talk(c, SENDER, [to], octets, ["SMTPUTF8", "BODY=8BITMIME"], ["NOTIFY=SUCCESS,FAILURE"])
                self.arrived(reply.number, octets)
                again = talk(c, SENDER, [to], octets)
                self.assertEqual((again.code, again.text[:6]), (553, "5.6.7 "))

    def test_send_message(self):
        """smtplib's send_message finds out by itself that SMTPUTF8 is needed"""
        m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        m["From"], m["To"], m["Subject"], m["Message-ID"] = SENDER, OFFICE, "По адресу кириллицей", letters.message_id()
        m.set_content("тело\n")
        with login(self.gateway) as c:
            self.assertEqual(c.send_message(m), {})
        with Mailbox(self.gateway, BODY) as box:
            box.select("INBOX")
            wait_for("the letter", lambda: box.search_text("SUBJECT", "По адресу кириллицей"))

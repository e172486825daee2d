"""Bad input: each gets the reply of the design's table, and leaves nothing."""

import imaplib
import smtplib
import unittest
from concurrent.futures import ThreadPoolExecutor

import letters
from house import BODY, LETTERS, PARTNER, SENDER, Gateway
from mail import Raw, Reply, connect, login, send, talk
from mailbox import Mailbox

MIB = 1 << 20
EXE = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0" + bytes(4000)


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def setUp(self):
        self.connection = login(self.gateway)
        self.addCleanup(self.hang_up)
        self.before = self.holdings()

    def hang_up(self):
        try:
            self.connection.quit()
        except smtplib.SMTPException:
            self.connection.close()

    def tearDown(self):
        self.assertEqual(self.holdings(), self.before, "a refused letter left something")

    def holdings(self):
        """How much there is of everything."""
        got = {"letters": len(self.gateway.json("letter", "list"))}
        for user in (SENDER, BODY):
            with Mailbox(self.gateway, user) as m:
                for name in ("INBOX", "Sent", "Receipts"):
                    got[user, name] = len(m.select(name).uids("ALL"))
        return got

    def assertRefused(self, reply, code, enhanced, *reasons):
        self.assertEqual(reply.code, code, reply)
        for line in reply.lines:
            self.assertTrue(line.startswith(enhanced + " "), "%r does not begin with %s" % (line, enhanced))
        self.assertEqual(reply.reasons, list(reasons), reply)
        self.assertTrue(reply.text.isascii(), reply)

    def refuse(self, octets, *expected, to=(BODY,)):
        reply = talk(self.connection, SENDER, to, octets)
        self.assertRefused(reply, *expected)
        return reply


class BeforeTheLetter(Refusals):
    """What is decided before DATA."""

    def test_unknown_recipient(self):
        """an unknown recipient, with the near names where there are some"""
        reply = self.refuse(b"", 550, "5.1.1", "recipient-unknown-near", to=["ofice@inspection.example"])
        self.assertIn(BODY, reply.text)
        reply = self.refuse(b"", 550, "5.1.1", "recipient-unknown", to=["nobody@nowhere.example"])
        self.assertNotIn("near", reply.text)

    def test_one_unknown_of_two(self):
        """an unknown recipient does not take the others along"""
        c = self.connection
        c.mail(SENDER)
        self.assertEqual(c.rcpt(BODY)[0], 250)
        self.assertEqual(c.rcpt("nobody@nowhere.example")[0], 550)
        self.assertEqual(c.rcpt(PARTNER)[0], 250)
        c.rset()

    def test_foreign_sender(self):
        """a sender that is not the account's, in the envelope and in the letter"""
        self.assertRefused(talk(self.connection, PARTNER, [BODY], b""), 550, "5.7.1", "sender-not-owned")
        self.refuse(letters.compose(sender=PARTNER), 550, "5.7.1", "from-not-owned")

    def test_without_tls(self):
        """without TLS no login is offered, and none is heard"""
        with connect(self.gateway, secure="none") as c:
            c.ehlo()
            self.assertNotIn("auth", c.esmtp_features)
            self.assertIn("starttls", c.esmtp_features)
            code, text = c.docmd("AUTH", "PLAIN AGEAYg==")
            self.assertIn((code, text[:6]), [(530, b"5.7.0 "), (538, b"5.7.11")], text)
            self.assertRefused(Reply(*c.mail(SENDER)), 530, "5.7.0", "encryption-required")

    def test_not_logged_in(self):
        """with TLS but without login"""
        with connect(self.gateway) as c:
            c.ehlo()
            self.assertRefused(Reply(*c.mail(SENDER)), 530, "5.7.0", "not-authenticated")

    def test_wrong_password(self):
        """a wrong password, and an unknown user, read the same"""
        said = []
        for user in (SENDER, "nobody@nowhere.example"):
            with connect(self.gateway) as c:
                with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                    c.login(user, "wrong")
                said.append((caught.exception.smtp_code, caught.exception.smtp_error))
        self.assertEqual(said[0][0], 535)
        self.assertTrue(said[0][1].startswith(b"5.7.8 "), said)
        self.assertEqual(said[0], said[1])

    def test_imap_login(self):
        """IMAP hears no login without TLS, and no wrong password"""
        with imaplib.IMAP4("localhost", self.gateway.ports["imap"], timeout=30) as c:
            self.assertIn("LOGINDISABLED", c.capabilities)
            with self.assertRaisesRegex(imaplib.IMAP4.error, "PRIVACYREQUIRED"):
                c.login(SENDER, self.gateway.password(SENDER))
            c.starttls(self.gateway.tls())
            self.assertNotIn("LOGINDISABLED", c.capabilities)
            with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
                c.login(SENDER, "wrong")
            c.login(SENDER, self.gateway.password(SENDER))

    def test_size_announced(self):
        """a SIZE beyond the limit is refused at MAIL"""
        reply = talk(self.connection, SENDER, [BODY], b"", mail_options=["SIZE=%d" % (50 * MIB)])
        self.assertRefused(reply, 552, "5.3.4", "size-exceeded")


class Content(Refusals):
    """What is decided at the end of DATA."""

    def test_size_sent(self):
        """a letter beyond the limit that announced nothing"""
        line = b"x" * 998 + b"\r\n"
        self.refuse(letters.plain("long") + line * (46 * MIB // len(line)), 552, "5.3.4", "size-exceeded")
        # The connection goes on.
        self.assertEqual(self.connection.noop()[0], 250)

    def test_file_too_large(self):
        """a file beyond the type's limit"""
        self.refuse(letters.compose(files=[("скан.jpg", b"\xff\xd8\xff\xe0" + bytes(2 * MIB))]),
                    552, "5.3.4", "file-too-large", "files-too-large")

    def test_sixth_file(self):
        """six files"""
        files = [("акт %d.pdf" % i, "act.pdf") for i in range(6)]
        self.refuse(letters.compose(files=files), 550, "5.6.1", "too-many-files")

    def test_program(self):
        """a program that is named like a document"""
        reply = self.refuse(letters.compose(files=[("invoice.pdf", EXE)]), 550, "5.6.1", "file-executable")
        self.assertIn("invoice.pdf", reply.text)

    def test_subject(self):
        """a subject of 151 characters; 150 would do"""
        reply = self.refuse(letters.compose(subject="Ж" * 151), 550, "5.6.0", "subject-too-long")
        self.assertRegex(reply.text, "151.*150")
        self.refuse(letters.compose(subject=""), 550, "5.6.0", "subject-missing")

    def test_text(self):
        """a text of 10,001 characters; 10,000 would do"""
        reply = self.refuse(letters.compose(text="ж" * 10_001), 550, "5.6.0", "text-too-long")
        self.assertRegex(reply.text, "10001.*10000")

    def test_line_endings(self):
        """a CR or LF that stands alone, and what could be smuggled behind it"""
        for octets in (b"bare\nLF", b"bare\rCR", b"text\n.\nMAIL FROM:<%s>\nmore" % SENDER.encode(), b"text\r\n.\ndata", b"\r.\r"):
            with self.subTest(octets):
                self.refuse(letters.plain("text") + octets + b"\r\n", 550, "5.6.0", "bare-line-ending")
        self.refuse(letters.plain("nul\0octet"), 550, "5.6.0", "nul-octet")

    def test_malformed(self):
        """a letter that is cut off, and one of 200 levels"""
        reply = talk(self.connection, SENDER, [BODY], (LETTERS / "truncated.eml").read_bytes())
        self.assertEqual(reply.code, 550, reply)
        self.assertIn("truncated", reply.reasons)
        reply = talk(self.connection, SENDER, [BODY], (LETTERS / "deep-200.eml").read_bytes())
        self.assertEqual(reply.code, 550, reply)
        self.assertIn("nesting-too-deep", reply.reasons)

    def test_forged(self):
        """header fields that only the gateway writes"""
        for field in ("X-Letter-Number: GP-202601-00000001-8", "x-letter-state: delivered", "X-Letter-Receipt: Acceptance",
                      "X-Letter-Evidence: 1", "Authentication-Results: localhost; smime=pass"):
            with self.subTest(field):
                self.refuse(letters.plain("text", header=[field]), 550, "5.6.0", "forged-header")

    def test_all_at_once(self):
        """a reply names every violation, a line each"""
        octets = letters.compose(subject="Ж" * 151, X_Letter_State="delivered",
                                 files=[("акт %d.pdf" % i, "act.pdf") for i in range(5)] + [("счёт.pdf", EXE)])
        reply = talk(self.connection, SENDER, [BODY], octets)
        self.assertEqual(reply.code, 550, reply)
        self.assertEqual(len(reply.lines), 4, reply)
        self.assertEqual(set(reply.reasons), {"too-many-files", "file-executable", "subject-too-long", "forged-header"})

    def test_unsigned(self):
        """a registered letter without signature of an account that signs itself"""
        clerk = "clerk@romashka.example"
        self.gateway.account(clerk, "romashka", "--sign", "client", "--name", "Секретарь")
        reply = send(self.gateway, letters.registered(sender=clerk), BODY, sender=clerk)
        self.assertRefused(reply, 550, "5.7.1", "signature-missing")

    def test_vanished(self):
        """a client that vanishes within DATA"""
        octets = letters.compose(files=[("акт.pdf", "act.pdf")])
        for part in (0, 1, len(octets) // 2, len(octets)):
            raw = Raw(self.gateway)
            raw.begin(self.gateway, SENDER, BODY)
            raw.socket.sendall(octets[:part])
            raw.vanish()
        # A clean end of the connection is no end of the letter either.
        raw = Raw(self.gateway)
        raw.begin(self.gateway, SENDER, BODY)
        raw.socket.sendall(octets)
        raw.socket.close()


class Edges(unittest.TestCase):
    """What just keeps within the limits is accepted, and once."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def test_limits(self):
        """150 characters of subject, 10,000 of text, five files"""
        octets = letters.compose(subject="Ж" * 150, text="ж" * 9_999, files=[("акт %d.pdf" % i, "act.pdf") for i in range(5)])
        reply = send(self.gateway, octets, BODY)
        self.assertEqual(reply.code, 250, reply)

    def test_results_of_others(self):
        """somebody else's authentication results say nothing in our name"""
        octets = letters.plain("text", header=["Authentication-Results: mx.elsewhere.example; spf=pass"])
        self.assertTrue(send(self.gateway, octets, BODY).number)

    def test_repeated(self):
        """the same letter twice has one number and is there once"""
        octets = letters.compose(subject="дважды")
        first, second = (send(self.gateway, octets, BODY) for _ in range(2))
        self.assertEqual(second.number, first.number)
        self.assertIn("already accepted", second.text)
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(len(m.wait_number("INBOX", first.number)), 1)
        with Mailbox(self.gateway, SENDER) as m:
            self.assertEqual(len(m.wait_number("Sent", first.number)), 1)
        wanted = octets.replace(b"\r\nSubject:", b"\r\nX-Letter-Repeat: yes\r\nSubject:", 1)
        numbers = {send(self.gateway, wanted, BODY).number for _ in range(2)}
        self.assertEqual(len(numbers), 2, "X-Letter-Repeat makes a letter of its own each time")

    def test_vanished_after_the_end(self):
        """a client that vanishes before it hears the 250 sends again: one letter"""
        octets = letters.compose(subject="без ответа")
        raw = Raw(self.gateway)
        raw.begin(self.gateway, SENDER, BODY)
        raw.socket.sendall(octets + b".\r\n")
        raw.vanish()
        number = send(self.gateway, octets, BODY).number
        with Mailbox(self.gateway, BODY) as m:
            m.wait_number("INBOX", number)
            self.assertEqual(len(m.uids("HEADER", "Message-ID", letters.id_of(octets))), 1)

    def test_many_sessions(self):
        """the same letter in eight sessions at once makes one letter"""
        octets = letters.compose(subject="восемь раз")
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: send(self.gateway, octets, BODY), range(8)))
        self.assertEqual({r.code for r in replies}, {250})
        self.assertEqual(len({r.number for r in replies}), 1, replies)
        self.assertEqual(sum("already" not in r.text for r in replies), 1, replies)

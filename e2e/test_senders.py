"""Mail programs that send, each with its own composer: what arrives is what they wrote."""

import email
import email.policy
import re

import letters
from house import BODY, DOCUMENTS, PARTNER, SENDER
from mail import curl
from mailbox import Mailbox, delivered, only
from programs import Programs, sha256
from proof import cms_verify, receipts

TEXT = "Добрый день!\n.\n..two\nFrom here on\nконец\n"
PDF = (DOCUMENTS / "appeal.pdf").read_bytes()
NAME = "Обращение.pdf"


def crlf(octets):
    return re.sub(rb"\r?\n", b"\r\n", octets)


class Senders(Programs):
    def arrived(self, number, submitted, recipient=BODY):
        """That the letter which was accepted is the one that the program wrote, and goes so; the delivered form."""
        shown = self.shown(number)
        self.assertEqual((shown["sha256"], shown["size"]), (sha256(submitted), len(submitted)), submitted[:2000])
        sent, inbox = delivered(self.gateway, number, recipient)
        if shown["type"] != "registered":
            for copy in (sent, inbox):
                self.assertTrue(copy.endswith(submitted), copy[:2000])
            return inbox
        # The organisation signs it: the entity that was submitted is within, octet by octet.
        head, body = letters.header_of(submitted)
        entity = b"".join(f for f in letters.fields(head) if f.lower().startswith(b"content-")) + b"\r\n" + body
        for copy in (sent, inbox):
            status, content, _, said = cms_verify(self.gateway, copy)
            self.assertEqual((status, content), (0, entity), said)
        return inbox

    def registered(self, number, submitted, subject, text=TEXT):
        """A registered letter with the PDF, on both sides, in the record and the journal."""
        inbox = self.arrived(number, submitted)
        outer = email.message_from_bytes(inbox, policy=email.policy.SMTP)
        self.assertEqual(str(outer["Subject"]), subject)
        parts = {p.get_filename(): p for p in outer.walk() if not p.is_multipart()}
        self.assertEqual(parts[NAME].get_payload(decode=True), PDF)
        self.assertEqual(parts[None].get_content().replace("\r\n", "\n").rstrip("\n"), text.rstrip("\n"))
        # The sender's account has the receipt and the states by one Update: whoever has seen the one has the other.
        found = receipts(self.gateway, number, SENDER, {"SubmissionAcceptance": 1, "ContentConsignment": 1})
        self.assertEqual([f["name"] for f in found["SubmissionAcceptance"][0].evidence["files"]], [NAME])
        shown = self.shown(number)
        self.assertEqual((shown["type"], shown["state"], shown["signature"]), ("registered", "delivered", "valid (gateway)"))
        self.assertEqual([r["address"] for r in shown["recipients"]], [BODY])
        self.assertEqual([s["state"] for s in shown["recipients"][0]["steps"]], ["accepted", "processing", "sent", "delivered"])
        with Mailbox(self.gateway, SENDER) as m:
            uid = only(m, "Sent", number)
            self.assertEqual(m.flags(uid) & {b"\\Seen", b"\\Recent"}, {b"\\Seen"})
            self.assertEqual(m.keywords(uid), {"Letter-Delivered"})
            self.assertEqual(len(m.search_text("SUBJECT", subject)), 1, "the letter is in Sent once")

    def count(self):
        return len(self.gateway.json("letter", "list", "--account", SENDER))

    def composed(self, subject, **options):
        return self.home.write("letter.eml", letters.registered(subject=subject, text=TEXT, **options))


class Msmtp(Senders):
    programs = ("msmtp",)

    def setUp(self):
        super().setUp()
        self.home.write("password", self.gateway.password(SENDER))
        self.config = self.home.write("msmtprc", """
defaults
host localhost
auth on
user %s
passwordeval cat %s
from %s
tls on
tls_trust_file %s
account tls
port %d
tls_starttls off
account starttls
port %d
tls_starttls on
""" % (SENDER, self.home.path / "password", SENDER, self.home.ca, self.gateway.ports["smtps"], self.gateway.ports["smtp"]))

    def msmtp(self, account, octets, *argv, status=0):
        return self.home.run("msmtp", "-C", self.config, "-a", account, "-t", *argv, stdin=octets, status=status).decode()

    def test_sends(self):
        """a registered letter with a PDF, over TLS and STARTTLS"""
        for account in ("tls", "starttls"):
            with self.subTest(account):
                octets = self.composed("Через msmtp: " + account).read_bytes()
                said = self.msmtp(account, octets, "--logfile=-")
                self.assertIn("exitcode=EX_OK", said)
                number = re.search(r"accepted as (GP-\S+);", said).group(1)
                self.registered(number, octets, "Через msmtp: " + account)

    def test_notification(self):
        """with dsn_notify success there is a plain notification beside the receipts"""
        octets = letters.compose(subject="msmtp с уведомлением")
        self.msmtp("tls", octets, "--dsn-notify=success,failure", "--dsn-return=hdrs")
        number = self.latest(SENDER)
        self.arrived(number, octets)
        with Mailbox(self.gateway, SENDER) as m:
            report = email.message_from_bytes(m.fetch(only(m, "INBOX", number)))
        self.assertEqual((report.get_content_type(), report.get_param("report-type")), ("multipart/report", "delivery-status"))
        self.assertIn("Action: delivered", report.as_string())

    def test_refusals(self):
        """of a refused letter the user sees status and all reasons, and nothing is left"""
        before = self.count()
        octets = letters.compose(to="ofice@inspection.example")
        said = self.msmtp("tls", octets, status=65)  # EX_DATAERR
        self.assertIn("550 5.1.1 recipient-unknown-near: ofice@inspection.example is not in the registry; near: " + BODY, said)
        octets = letters.registered(subject="Ж" * 151, files=[])
        said = self.msmtp("starttls", octets, status=69)  # EX_UNAVAILABLE
        self.assertIn("server message: 550-5.6.1 files-missing: 0 files, at least 1 required", said)
        self.assertIn("server message: 550 5.6.1 subject-too-long: the subject has 151 characters, the limit is 150", said)
        self.home.write("password", "wrong")
        said = self.msmtp("tls", octets, status=77)  # EX_NOPERM
        self.assertIn("535 5.7.8 credentials-invalid: user name or password not accepted", said)
        self.assertEqual(self.count(), before)
        self.assertRefused("smtp 550 5.1.1", "smtp 503 5.5.1", "smtp 550 5.6.1", "smtp 535 5.7.8")  # msmtp sends DATA ahead

    def test_without_trust(self):
        """a gateway whose authority is unknown gets no letter, and no password"""
        self.config.write_text(self.config.read_text().replace(str(self.home.ca), "/etc/ssl/certs/ca-certificates.crt"))
        before = self.count(), self.gateway.output().count('"logged in"')
        said = self.msmtp("tls", letters.compose(), status=69)  # EX_UNAVAILABLE
        self.assertIn("The certificate is NOT trusted", said)
        self.assertEqual((self.count(), self.gateway.output().count('"logged in"')), before)


class SNail(Senders):
    programs = ("s-nail",)

    def nail(self, subject, *argv, status=0, secure="tls", text=TEXT):
        """Sends from the command line; the octets that s-nail filed for itself."""
        port, scheme = (self.gateway.ports["smtps"], "smtps") if secure == "tls" else (self.gateway.ports["smtp"], "smtp")
        self.home.environment["MAILRC"] = str(self.home.write("nailrc", """
set v15-compat ttycharset=utf-8 sendcharsets=utf-8 nosave
set from=%s record=%s
set tls-ca-file=%s tls-verify=strict smtp-use-starttls smtp-auth=plain
set mta=%s://%s:%s@localhost:%d
set customhdr="X-Letter-Type: registered"
""" % (SENDER, self.home.path / "record", self.home.ca, scheme, SENDER.replace("@", "%40"), self.gateway.password(SENDER), port)))
        self.said = self.home.run("s-nail", "-:u", "-s", subject, *argv, BODY, stdin=text, status=status)
        record = (self.home.path / "record").read_bytes() if status == 0 else b""
        return crlf(record.partition(b"\n")[2].rstrip(b"\n") + b"\n")  # an mbox: "From " before, a blank line behind

    def test_sends(self):
        """a registered letter by header X-Letter-Type, with an attachment"""
        self.home.write(NAME, PDF)
        for secure in ("tls", "starttls"):
            with self.subTest(secure):
                (self.home.path / "record").unlink(missing_ok=True)
                octets = self.nail("Через s-nail: " + secure, "-a", NAME, secure=secure)
                self.registered(self.latest(SENDER), octets, "Через s-nail: " + secure)

    def test_refusal(self):
        """the reasons of a refusal reach the user"""
        before = self.count()
        self.nail("Без файла", status=4)
        self.assertIn("550 5.6.1 files-missing: 0 files, at least 1 required", self.said)
        self.assertIn("message not sent", self.said)
        self.assertEqual(self.count(), before)
        self.assertRefused("smtp 550 5.6.1")


class Mutt(Senders):
    programs = ("mutt",)

    def mutt(self, subject, *argv, status=0):
        """Sends in batch; the octets that mutt filed for itself."""
        record = self.home.path / "record"
        config = self.home.write("muttrc", """
set ssl_ca_certificates_file=%s crypt_use_gpgme=no
set smtp_url=smtps://%s@localhost:%d smtp_pass="%s"
set from=%s realname="Иванов Иван" use_from=yes envelope_from_address=%s
set charset=utf-8 send_charset=utf-8 tmpdir=%s
set record=%s mbox_type=Maildir
my_hdr X-Letter-Type: registered
""" % (self.home.ca, SENDER, self.gateway.ports["smtps"], self.gateway.password(SENDER), SENDER, SENDER, self.home.path, record))
        self.said = self.home.run("mutt", "-F", config, "-s", subject, *argv, "--", BODY, stdin=TEXT, status=status)
        if status:
            return None
        file, = (record / "cur").iterdir()
        return crlf(file.read_bytes())

    def test_sends(self):
        """in batch: a Russian subject and an attachment"""
        subject = "О выдаче разрешения на строительство — заявление из mutt"
        octets = self.mutt(subject, "-a", self.home.write(NAME, PDF))
        self.assertIn(b"Content-Transfer-Encoding: 8bit", octets, "mutt uses 8BITMIME")
        self.registered(self.latest(SENDER), octets, subject)

    def test_refusal(self):
        """the reasons of a refusal reach the user"""
        before = self.count()
        self.mutt("Без файла", status=1)
        self.assertIn("SMTP session failed: 550 5.6.1 files-missing: 0 files, at least 1 required", self.said)
        self.assertEqual(self.count(), before)
        self.assertRefused("smtp 550 5.6.1")


class Swaks(Senders):
    programs = ("swaks",)

    def swaks(self, *argv, status=0):
        password = self.gateway.password(SENDER)
        return self.home.run(
            "swaks", "--server", "localhost", "--port", self.gateway.ports["smtp"], "--tls", "--tls-verify",
            "--tls-ca-path", self.home.ca, "--auth", "PLAIN", "--auth-user", SENDER, "--auth-password", password,
            "--auth-hide-password", "--from", SENDER, "--helo", "client.example", *argv, status=status)

    def test_composes(self):
        """a letter of its own making with an attachment, its commands pipelined"""
        said = self.swaks(
            "--pipeline", "--to", BODY, "--h-Subject", "Swaks composes", "--add-header", "X-Letter-Type: registered",
            "--body", "One line.\n.\nAnother.\n", "--attach-type", "application/pdf", "--attach-name", "appeal.pdf",
            "--attach", "@" + str(self.home.write("appeal.pdf", PDF)))
        number = re.search(r"accepted as (GP-\S+);", said).group(1)
        # The transcript has what went over the wire, behind an arrow each.
        sent = [line[4:] for line in said.splitlines() if line.startswith(" ~> ")]
        begin = next(i for i, line in enumerate(sent) if line.startswith("Date: "))
        octets = "".join(re.sub(r"^\.\.", ".", line) + "\r\n" for line in sent[begin:sent.index(".", begin)]).encode()
        inbox = email.message_from_bytes(self.arrived(number, octets), policy=email.policy.SMTP)
        files = {p.get_filename(): p.get_payload(decode=True) for p in inbox.walk()}
        self.assertEqual(files["appeal.pdf"], PDF)
        self.assertEqual(self.shown(number)["type"], "registered")

    def test_refusals(self):
        """its status says where a letter was refused"""
        said = self.swaks("--to", "nobody@nowhere.example", status=24)
        self.assertRegex(said, r"<~\* +550 5\.1\.1 recipient-unknown: ")
        said = self.swaks("--to", BODY, "--add-header", "X-Letter-State: delivered", status=26)
        self.assertRegex(said, r"<~\* +550 5\.6\.0 forged-header: ")
        self.assertRefused("smtp 550 5.1.1", "smtp 550 5.6.0")


class Curl(Senders):
    programs = ("curl",)

    def curl(self, file, *to, status=0, url="smtps://localhost:%d/client.example"):
        url %= self.gateway.ports["smtps" if url.startswith("smtps") else "smtp"]
        recipients = [a for r in to for a in ("--mail-rcpt", r)]
        done = curl(self.gateway, SENDER, "--url", url, "--ssl-reqd", "--mail-from", SENDER, *recipients,
                    "--upload-file", file, "--verbose")
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stderr.decode()

    def test_sends(self):
        """a registered letter, over TLS and STARTTLS"""
        for url in ("smtps://localhost:%d/client.example", "smtp://localhost:%d/client.example"):
            with self.subTest(url):
                file = self.composed("Через curl " + url[:5])
                said = self.curl(file, BODY, url=url)
                self.registered(re.search(r"accepted as (GP-\S+);", said).group(1), file.read_bytes(), "Через curl " + url[:5])

    def test_two_recipients(self):
        """a letter to two"""
        file = self.home.write("letter.eml", letters.compose(subject="двоим"))
        said = self.curl(file, BODY, PARTNER)
        number = re.search(r"accepted as (GP-\S+);", said).group(1)
        for recipient in (BODY, PARTNER):
            self.arrived(number, file.read_bytes(), recipient)

    def test_refusals(self):
        """its status says where a letter was refused"""
        said = self.curl(self.composed("нет получателя"), "nobody@nowhere.example", status=55)
        self.assertIn("550 5.1.1 recipient-unknown: ", said)
        said = self.curl(self.composed("нет файла", files=[]), BODY, status=8)
        self.assertIn("550 5.6.1 files-missing: ", said)
        self.assertRefused("smtp 550 5.1.1", "smtp 550 5.6.1")

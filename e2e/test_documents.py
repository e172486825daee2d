"""Documents and letters that other programs made: file names and texts in all
the encodings that Russian mail programs use."""

import base64
import email
import email.charset
import email.policy
import quopri
import re
import unittest
from email.header import Header
from email.mime.text import MIMEText

import letters
from house import BODY, DOCUMENTS, LETTERS, SENDER, Gateway
from mail import send
from mailbox import Mailbox, only
from proof import receipts, sha256

ALLOWED = {
    "Обращение в инспекцию.docx": "appeal.docx", "приказ № 17.docx": "order.docx", "Обращение.pdf": "appeal.pdf",
    "акт.pdf": "act.pdf", "Скан № 1 — копия.jpg": "scan.jpg", "печать.png": "stamp.png", "старый формат.doc": "appeal.doc",
}
SIMPLE = {"SubmissionAcceptance": 1, "ContentConsignment": 1}


def digests(names):
    return {name: sha256((DOCUMENTS / document).read_bytes()) for name, document in names.items()}


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def evidence(self, number):
        return receipts(self.gateway, number, SENDER, SIMPLE)["SubmissionAcceptance"][0].evidence

    def accepted(self, octets):
        reply = send(self.gateway, octets, BODY)
        self.assertEqual(reply.code, 250, reply)
        return reply.number

    def file_digests(self, number):
        return {f["name"]: f["sha256"] for f in self.evidence(number)["files"]}

    def test_each_document(self):
        """each document alone, its digest as sha256sum would tell"""
        for name, document in ALLOWED.items():
            with self.subTest(document):
                number = self.accepted(letters.compose(subject=name, files=[(name, document)]))
                self.assertEqual(self.file_digests(number), digests({name: document}))

    def test_refused_documents(self):
        """an archive, a locked PDF and a program do not go in a simple letter"""
        cases = [("архив.zip", "annexes.zip", "file-format-forbidden"), ("закрыто.pdf", "locked.pdf", "file-encrypted"),
                 ("счёт.pdf", b"MZ\x90\0" + bytes(4000), "file-executable"),
                 ("счёт.docx", "appeal.pdf", "file-content-mismatch")]
        for name, document, code in cases:
            with self.subTest(name):
                reply = send(self.gateway, letters.compose(files=[(name, document)]), BODY)
                self.assertEqual((reply.code, reply.reasons), (550, [code]), reply)

    def names_by_hand(self, disposition, content_type="application/pdf"):
        """A letter whose file is named as a program of old would do it."""
        pdf = (DOCUMENTS / "act.pdf").read_bytes()
        return letters.plain(
            "--b", "Content-Type: text/plain; charset=koi8-r", "Content-Transfer-Encoding: base64", "",
            base64.b64encode("Документ во вложении".encode("koi8-r")).decode(),
            "--b", "Content-Type: " + content_type, "Content-Disposition: attachment; " + disposition,
            "Content-Transfer-Encoding: base64", "", *base64.encodebytes(pdf).decode().split(), "--b--",
            header=["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"])

    def test_names(self):
        """a Russian file name in RFC 2231, in pieces too, and in RFC 2047 in three charsets"""
        name = "Счёт на оплату.pdf"

        def percent(octets):
            return "".join("%%%02X" % b for b in octets)

        utf8 = percent(name.encode())
        ways = {
            "RFC 2231 UTF-8": "filename*=UTF-8''" + utf8,
            "RFC 2231 KOI8-R": "filename*=koi8-r''" + percent(name.encode("koi8-r")),
            "RFC 2231 windows-1251": "filename*=windows-1251'ru'" + percent(name.encode("cp1251")),
            "RFC 2231 in pieces": "filename*0*=utf-8''%s; filename*1*=%s; filename*2=%s" % (utf8[:30], utf8[30:-12], ".pdf"),
            "both, the better one wins": 'filename="schet.pdf"; filename*=UTF-8\'\'' + utf8,
        }
        for charset in ("utf-8", "koi8-r", "windows-1251"):
            b64 = base64.b64encode(name.encode(charset)).decode()
            quoted = quopri.encodestring(name.encode(charset), header=True).decode().replace("=\n", "")
            ways["RFC 2047 B " + charset] = 'filename="=?%s?B?%s?="' % (charset, b64)
            ways["RFC 2047 Q " + charset] = 'filename="=?%s?Q?%s?="' % (charset, quoted)
        for way, disposition in ways.items():
            with self.subTest(way):
                number = self.accepted(self.names_by_hand(disposition))
                self.assertEqual(self.file_digests(number), digests({name: "act.pdf"}))

    def test_checked_in_letters(self):
        """the letters of testdata that are well-formed are accepted, their text found"""
        files = {
            "files-rfc2231": {"Обращение в налоговую инспекцию от января.docx": "appeal.docx", "Обращение.pdf": "appeal.pdf",
                              "Скан № 1.jpg": "scan.jpg", "stamp.png": "stamp.png"},
            "files-rfc2047": {"Счёт на оплату.pdf": "act.pdf", "печать.png": "stamp.png", "скан.jpg": "scan.jpg"},
        }
        for name in ("plain-utf8", "plain-qp", "plain-base64", "plain-koi8-r", "plain-windows-1251", "plain-iso-8859-5",
                     "plain-utf-16", "alternative", "html-only", "flowed", *files):
            with self.subTest(name):
                octets = (LETTERS / (name + ".eml")).read_bytes()
                number = self.accepted(octets)
                ev = self.evidence(number)
                self.assertEqual(ev["submitted"]["sha256"], sha256(octets))
                self.assertEqual({f["name"]: f["sha256"] for f in ev.get("files", [])}, digests(files.get(name, {})))
                with Mailbox(self.gateway, BODY) as m:
                    uid = only(m, "INBOX", number)
                    self.assertTrue(m.fetch(uid).endswith(octets), "the delivered letter does not end with what was sent")
                    if name == "html-only":
                        found = m.search_text("BODY", "привет")
                    elif name == "files-rfc2047":
                        found = m.search_text("BODY", "СЧЁТ ВО ВЛОЖЕНИИ")
                    else:
                        found = m.search_text("BODY", "добрый ДЕНЬ")
                    self.assertIn(uid, found, "SEARCH BODY of %s" % name)


class Search(unittest.TestCase):
    """SEARCH for Russian words, whatever the letter's charset."""

    CHARSETS = ("utf-8", "koi8-r", "windows-1251")

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()
        cls.numbers = {c: send(cls.gateway, cls.letter(c), BODY).number for c in cls.CHARSETS}
        with Mailbox(cls.gateway, BODY) as m:
            cls.uids = {c: only(m, "INBOX", n) for c, n in cls.numbers.items()}

    @staticmethod
    def letter(charset):
        """A letter all in one charset, with the older classes, which can."""
        of = email.charset.Charset(charset)
        of.header_encoding = of.body_encoding = email.charset.BASE64
        of.output_charset = charset
        m = MIMEText("Ёлка, подъезд и %s: проверка поиска.\n" % charset, "plain", of)
        m["From"] = Header("Иванов", of).encode() + " <%s>" % SENDER
        m["To"] = BODY
        m["Subject"] = Header("Сверка расчётов по договору 15 от первого января", of, header_name="Subject").encode()
        m["Message-ID"], m["Date"] = letters.message_id(), "Thu, 15 Jan 2026 09:30:00 +0300"
        return re.sub("\r?\n", "\r\n", m.as_string()).encode("ascii")

    def found(self, mailbox, key, text, charset="UTF-8"):
        return set(mailbox.search_text(key, text, charset)) & set(self.uids.values())

    def test_search(self):
        """SUBJECT, BODY, TEXT and FROM with CHARSET UTF-8, whatever the case"""
        everything = set(self.uids.values())
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
            for key, text in (("SUBJECT", "РАСЧЁТОВ по"), ("SUBJECT", "договору 15"), ("BODY", "ёлка, ПОДЪЕЗД"),
                              ("TEXT", "сверка"), ("TEXT", "проверка поиска"), ("FROM", "иванов")):
                with self.subTest(key=key, text=text):
                    self.assertEqual(self.found(m, key, text), everything)
            for charset, uid in self.uids.items():
                self.assertEqual(self.found(m, "BODY", "подъезд и " + charset), {uid})
            for key, text in (("SUBJECT", "ёлка"), ("BODY", "Сверка"), ("TEXT", "неттакого")):
                with self.subTest(key=key, text=text):
                    self.assertEqual(self.found(m, key, text), set())

    def test_charsets_of_the_client(self):
        """a client that asks in KOI8-R or windows-1251"""
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
            for charset in ("KOI8-R", "WINDOWS-1251"):
                self.assertEqual(self.found(m, "SUBJECT", "сверка", charset), set(self.uids.values()), charset)

    def test_unknown_charset(self):
        """an unknown charset is answered with those that are known"""
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
            m.imap.literal = b"x"
            kind, data = m.imap.uid("SEARCH", "CHARSET", "X-UNKNOWN", "SUBJECT")
            self.assertEqual(kind, "NO")
            self.assertIn(b"BADCHARSET", data[0])
            self.assertIn(b"UTF-8", data[0].upper())


class Structure(unittest.TestCase):
    """What a mail program shows before it loads the letter."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def test_parts(self):
        """each file fetched by its part number is the document"""
        octets = letters.compose(files=[("приказ.docx", "order.docx"), ("акт.pdf", "act.pdf")])
        number = send(self.gateway, octets, BODY).number
        with Mailbox(self.gateway, BODY) as m:
            uid = only(m, "INBOX", number)
            for part, document in ((2, "order.docx"), (3, "act.pdf")):
                data = m.ok(m.imap.uid("FETCH", str(uid), "(BODY.PEEK[%d.MIME] BODY.PEEK[%d])" % (part, part)))
                mime, body = (item[1] for item in data if isinstance(item, tuple))
                whole = email.message_from_bytes(mime + body, policy=email.policy.SMTP)
                self.assertEqual(whole.get_payload(decode=True), (DOCUMENTS / document).read_bytes())
            self.assertNotIn(b"\\Seen", m.flags(uid))

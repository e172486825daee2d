"""An employee's day in Thunderbird, looked at on the screen and at the gateway."""

import datetime
import email
import email.policy
import os
import pathlib
import re
import time
import unittest

import letters
from compose import Compose
from display import Display
from house import BODY, DOCUMENTS, PARTNER, SENDER, Gateway, wait_for
from mail import NUMBER, login, send, talk
from mailbox import Mailbox, only
from thunderbird import Thunderbird

NAME = "Иванов Иван Иванович"
PDF = ("Жалоба № 7.pdf", DOCUMENTS / "appeal.pdf")
TEXT = "Просим перенести проверку на 15 января.\n\nС уважением,\nООО «Ромашка»"
PROPOSAL = "Добрый день!\n\nПросим рассмотреть наше предложение.\n\nС уважением,\nАО «Вектор»"
GOOD = "This message includes a valid digital signature. The message has not been altered since it was sent."

# For pictures; other runs leave these to whoever has them.
README_PORTS = {"smtps": 2465, "smtp": 2587, "imaps": 2993, "imap": 2143}

# States as an employee names and colours them, by keyword.
TAGS = {"Letter-Awaiting": ("ждёт подтверждения", "#b3261e"), "Letter-Held": ("можно отозвать", "#9a6700"),
        "Letter-Delivered": ("доставлено", "#0b5cad"), "Letter-Opened": ("прочитано", "#1a7f37")}

# As docs/clients.md says, and a list of letters with columns above the letter.
PREFERENCES = {
    "mail.compose.other.header": "X-Letter-Type", "mailnews.headers.extraExpandedHeaders": "X-Letter-Number X-Letter-Type",
    "mail.pane_config.dynamic": 0, "mail.threadpane.listview": 1,
}


class Office(unittest.TestCase):
    """A gateway and a Thunderbird with the account of an employee."""

    language = "en-US"

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        if os.environ.get("SCREENSHOTS"):
            cls.gateway.ports = README_PORTS
        cls.gateway.quickstart()
        cls.display = Display(1200, 860)
        cls.addClassCleanup(cls.display.close)
        cls.thunderbird = Thunderbird(cls.display, cls.language, PREFERENCES)
        cls.addClassCleanup(cls.thunderbird.close)
        cls.thunderbird.trust(cls.gateway.ca)
        cls.found = cls.thunderbird.account(
            NAME, SENDER, cls.gateway.password(SENDER), cls.gateway.ports["imaps"], cls.gateway.ports["smtps"])

    @classmethod
    def tearDownClass(cls):
        """Of all that Thunderbird asked, the gateway refused nothing and called nothing bad."""
        said = cls.thunderbird.dialogue()
        refused = [line for line in said if line[3] == "S" and re.match(r"(\d+|\*) (NO|BAD)\b", line[4])]
        assert not refused, refused
        assert any(re.match(r'\d+ select "', line[4]) for line in said), "the dialogue was not noted"

    def setUp(self):
        self.addCleanup(self.thunderbird.tidy)

    def picture(self, name):
        """Keeps what is on the screen, when run.py was asked to."""
        folder = os.environ.get("SCREENSHOTS")
        if folder and name:
            self.thunderbird.painted()
            self.display.picture(pathlib.Path(folder) / (name + ".png"))

    def mailbox(self, user=SENDER):
        """An independent IMAP connection."""
        return Mailbox(self.gateway, user)

    def state(self, number):
        return self.gateway.json("letter", "show", number)["state"]


class Employee(Office):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.thunderbird.tags(TAGS)

    def arrive(self, path="INBOX", **options):
        """A letter of the partner that has come to the screen: number, Message-ID, octets."""
        octets = letters.compose(sender=PARTNER, to=SENDER, **options)
        number = send(self.gateway, octets, SENDER, sender=PARTNER).number
        self.thunderbird.show(path)
        self.thunderbird.until(path, letters.id_of(octets), read=False)
        return number, letters.id_of(octets), octets

    def test_account(self):
        """the account hub finds TLS and the kind of password by itself; the account is as README says"""
        self.assertEqual(self.found, ["SSL/TLS", "Normal password"])
        self.assertEqual(self.thunderbird.settings(), [
            "localhost", str(self.gateway.ports["imaps"]), SENDER, "SSL/TLS", "Normal password"])
        self.picture("thunderbird-account")
        self.assertEqual(self.thunderbird.sending(), ["localhost", self.gateway.ports["smtps"], SENDER, NAME, SENDER])

    def test_folders(self):
        """every mailbox of the gateway is in the folder pane, with its use"""
        shown = {path: kind for path, _, kind in self.thunderbird.folders()}
        for path, kind in {"INBOX": "inbox", "Drafts": "drafts", "Sent": "sent", "Archive": "archive", "Junk": "junk",
                           "Trash": "trash", "Templates": "templates", "Receipts": ""}.items():
            self.assertEqual(shown.get(path), kind, path)
        with self.mailbox() as m:
            self.assertEqual(m.names() - set(shown), set())

    def test_reading(self):
        """a letter is opened for its sender when it is read, not when it is fetched"""
        number, message_id, _ = self.arrive(
            subject="Предложение о сотрудничестве", text=PROPOSAL, files=[("Предложение.pdf", "appeal.pdf")], kind="registered")
        self.thunderbird.until("INBOX", message_id, offline=True, keywords=["letter-awaiting"])
        self.assertEqual(self.state(number), "delivered")
        seen = self.thunderbird.read("INBOX", message_id)
        self.assertEqual(seen["subject"], "Предложение о сотрудничестве")
        self.assertIn(PROPOSAL, seen["text"])
        self.assertEqual(seen["files"], ["Предложение.pdf"])
        self.assertEqual(seen["fields"], {"X-Letter-Number": number, "X-Letter-Type": "registered"})
        self.assertEqual(seen["tags"], [TAGS["Letter-Awaiting"][0]])
        wait_for("the opening", lambda: self.state(number) == "opened")
        with self.mailbox(PARTNER) as m:
            self.assertIn("Letter-Opened", m.keywords(only(m, "Sent", number)))
        self.thunderbird.columns("INBOX", "tagsCol")
        self.picture("thunderbird-inbox")

    def test_flags_of_the_client(self):
        """what is read, starred and tagged in Thunderbird is so at the gateway"""
        number, message_id, _ = self.arrive(subject="О встрече")
        with self.mailbox() as m:
            uid = only(m, "INBOX", number)
            for command, there, flag in (
                    ("cmd_markAsRead", True, rb"\Seen"), ("cmd_markAsUnread", False, rb"\Seen"),
                    ("cmd_markAsFlagged", True, rb"\Flagged"), ("cmd_markAsFlagged", False, rb"\Flagged"),
                    ("cmd_tag1", True, b"$label1"), ("cmd_tag1", False, b"$label1")):
                self.thunderbird.do("INBOX", message_id, command)
                wait_for("%s %s by %s" % (flag, there, command), lambda: (flag in m.flags(uid)) == there)

    def test_flags_of_others(self):
        """what another client sets and clears is so on the screen"""
        number, message_id, _ = self.arrive(subject="О сроках")
        with self.mailbox() as m:
            uid = only(m, "INBOX", number)
            for how, flags, seen in (
                    ("+FLAGS", r"(\Seen \Flagged $label2)", {"read": True, "star": True, "keywords": ["$label2"]}),
                    ("-FLAGS", r"(\Flagged)", {"read": True, "star": False, "keywords": ["$label2"]}),
                    ("FLAGS", r"()", {"read": False, "star": False})):
                m.ok(m.imap.uid("STORE", str(uid), how, flags))
                self.thunderbird.until("INBOX", message_id, **seen)
            self.assertNotIn("$label2", self.thunderbird.look("INBOX", message_id)["keywords"])

    def places(self, m, message_id):
        """Where a letter is, by mailbox: its UIDs."""
        found = {}
        for name in m.names():
            if uids := m.select(name).uids("HEADER", "Message-ID", message_id):
                found[name] = uids
        return found

    def test_moving(self):
        """moving to a folder, deleting and archiving leave the same letter in one place"""
        self.thunderbird.make_folder("Дела")
        for command, to, path, folder in (("cmd_moveMessage", "Дела", "Дела", "Дела"),
                                          ("cmd_deleteMessage", "Trash", "Trash", None),
                                          ("cmd_archive", r"Archive/\d{4}", "Archive/%s" % time.gmtime().tm_year, None)):
            with self.subTest(command), self.mailbox() as m:
                number, message_id, _ = self.arrive(subject="О переезде")
                before = m.fetch(only(m, "INBOX", number))
                self.thunderbird.do("INBOX", message_id, command, folder)
                found = wait_for("the letter elsewhere", lambda: {
                    name: uids for name, uids in self.places(m, message_id).items() if name != "INBOX"})
                self.assertEqual([len(uids) for uids in self.places(m, message_id).values()], [1])
                (name, (uid,)), = found.items()
                self.assertRegex(name, to)
                self.assertEqual(m.select(name).fetch(uid), before)
                wait_for("its end in INBOX", lambda: self.thunderbird.look("INBOX", message_id) is None)
                self.thunderbird.show(path)
                self.thunderbird.until(path, message_id, subject="О переезде")

    def leave_copy(self):
        """Switches Thunderbird's own copy in Sent off, for this test."""
        self.thunderbird.own_copy(False)
        self.addCleanup(self.thunderbird.own_copy, True)

    def sent(self, subject):
        """The copies in Sent at the gateway with a subject: Message-ID and number of each."""
        with self.mailbox() as m:
            m.select("Sent")
            uids = m.search_text("SUBJECT", subject)
            return [(m.header(uids, "Message-ID")[u], m.header(uids, "X-Letter-Number")[u]) for u in uids]

    def send_once(self, subject, **options):
        """Sends a registered letter from the compose window: it is in Sent once, here and there. Its number and Message-ID."""
        reply, alert = Compose(self.thunderbird, BODY, subject, TEXT, [PDF], **options).send()
        self.assertIsNone(alert)
        self.assertRegex(reply, r"^250 2\.6\.0 accepted as \S+; registered, 1 recipient, recall until \d\d:\d\d:\d\dZ$")
        number = NUMBER.search(reply).group()
        copies = self.sent(subject)
        self.assertEqual([n for _, n in copies], [number], "copies in Sent at the gateway")
        message_id = copies[0][0]
        self.thunderbird.show("Sent")
        self.thunderbird.until("Sent", message_id, subject=subject)
        self.assertEqual(self.thunderbird.count("Sent", subject), 1, "copies in Sent on the screen")
        shown = self.gateway.json("letter", "show", number)
        self.assertEqual((shown["type"], shown["sender"], shown["signature"]), ("registered", SENDER, "valid (gateway)"))
        return number, message_id

    def test_sending_by_header(self):
        """a registered letter with a PDF, its type in a row of the compose window; it goes the whole way"""
        self.leave_copy()
        number, message_id = self.send_once("Заявление о переносе проверки", kind="registered")
        wait_for("the delivery", lambda: self.state(number) == "delivered")
        with self.mailbox(BODY) as m:
            octets = m.fetch(only(m, "INBOX", number))
        parts = {p.get_filename(): p.get_payload(decode=True) for p in email.message_from_bytes(
            octets, policy=email.policy.SMTP).walk() if p.get_filename()}
        self.assertEqual(parts[PDF[0]], PDF[1].read_bytes())
        seen = self.thunderbird.read("Sent", message_id)
        self.assertEqual(seen["fields"]["X-Letter-Number"], number)
        self.assertEqual(seen["files"], [PDF[0]])

    def test_sending_by_identity(self):
        """a second identity with a suffix sends registered letters, and the letter goes out under the plain address"""
        self.leave_copy()
        suffixed = SENDER.replace("@", "+registered@")
        self.thunderbird.identity(NAME, suffixed)
        number, _ = self.send_once("Второе заявление", sender=suffixed)
        wait_for("the delivery", lambda: self.state(number) == "delivered")
        with self.mailbox(BODY) as m:
            uid = only(m, "INBOX", number)
            self.assertNotIn("+registered", m.header([uid], "From")[uid])

    def test_own_copy(self):
        """with a copy of its own in Sent, which Thunderbird files unless told otherwise, the letter is there once"""
        self.assertTrue(self.thunderbird.own_copy(), "the default")
        begin = len(self.thunderbird.dialogue())
        _, message_id = self.send_once("Заявление с копией", kind="registered")
        said = [line for *_, line in self.thunderbird.dialogue()[begin:]]
        self.assertTrue([line for line in said if re.match(r'(?i)\d+ append "Sent"', line)], "Thunderbird filed no copy")
        self.assertTrue([line for line in said if re.match(r"\d+ OK \[APPENDUID ", line)], "its copy was not answered")
        self.thunderbird.until("Sent", message_id, keywords=["letter-delivered"])

    def test_states(self):
        """states of a sent letter come to the screen while Thunderbird idles, as tags"""
        octets = letters.registered(subject="О выдаче разрешения")
        number = send(self.gateway, octets, BODY).number
        message_id = letters.id_of(octets)
        self.thunderbird.show("Sent")
        self.thunderbird.until("Sent", message_id, keywords=["letter-held"])
        self.thunderbird.until("Sent", message_id, keywords=["letter-delivered"])
        begin = wait_for("Thunderbird to idle", lambda: self.thunderbird.idles("Sent"))
        with self.mailbox(BODY) as m:
            m.fetch(only(m, "INBOX", number), peek=False)
        self.thunderbird.until("Sent", message_id, keywords=["letter-opened"])
        self.pushed(begin, "Sent", r"\* \d+ FETCH .*Letter-Opened")
        self.assertEqual(self.thunderbird.read("Sent", message_id)["tags"], [TAGS["Letter-Opened"][0]])
        begin = len(self.thunderbird.dialogue())
        self.thunderbird.do("Sent", message_id, "cmd_removeTags")
        wait_for("Thunderbird to remove the state", lambda: any(
            re.search(r"(?i)store .*-flags \(letter-opened", l[4]) for l in self.thunderbird.dialogue()[begin:]))
        self.thunderbird.until("Sent", message_id, keywords=["letter-opened"])

    def pushed(self, begin, path, line):
        """The gateway, not Thunderbird, spoke first since a point of the dialogue, and said what was expected."""
        first = next(l for l in self.thunderbird.dialogue()[begin:] if l[2] == path)
        self.assertEqual(first[3], "S", first)
        self.assertRegex(first[4], line)

    def test_arrival(self):
        """a letter that arrives appears without polling"""
        self.thunderbird.show("INBOX")
        begin = wait_for("Thunderbird to idle", lambda: self.thunderbird.idles("INBOX"))
        self.thunderbird.note_arrivals()
        number, message_id, _ = self.arrive(subject="О собрании")
        steps = {s["state"]: s["at"] for s in self.gateway.json("letter", "show", number)["recipients"][0]["steps"]}
        delivered = datetime.datetime.fromisoformat(steps["delivered"][:23] + "+00:00").timestamp() * 1000
        took = self.thunderbird.arrivals()[message_id] - delivered
        print("a letter appeared %d ms after its delivery" % took)
        self.pushed(begin, "INBOX", r"\* \d+ EXISTS")
        self.assertLess(took, 3000)

    def test_burst(self):
        """of letters that arrive while Thunderbird fetches others none waits for the next look"""
        self.thunderbird.show("INBOX")
        wait_for("Thunderbird to idle", lambda: self.thunderbird.idles("INBOX"))
        sent = [letters.compose(sender=PARTNER, to=SENDER, subject=s) for s in (
            "Счёт", "Акт сверки", "Протокол совещания", "Смета", "Приглашение", "График отпусков", "Запрос", "Напоминание")]
        with login(self.gateway, PARTNER) as c:
            for octets in sent:
                self.assertTrue(talk(c, PARTNER, [SENDER], octets).number)
        for octets in sent:
            self.thunderbird.until("INBOX", letters.id_of(octets), read=False)

    def test_search(self):
        """search on the server finds Russian text in subject and body, in any case"""
        _, one, _ = self.arrive(subject="Смета расходов", text="Направляем смету за февраль.")
        _, other, _ = self.arrive(subject="Отчёт", text="Смета расходов будет позже.")
        begin = len(self.thunderbird.dialogue())
        for terms, expected in (
                ([("Subject", "СМЕТА расх")], [one]), ([("Body", "смета РАСХОДОВ")], [other]), ([("Body", "за февраль")], [one]),
                ([("Subject", "отчёт"), ("Body", "будет позже")], [other]), ([("Subject", "отчёт"), ("Body", "за февраль")], [])):
            with self.subTest(terms):
                self.assertEqual(self.thunderbird.search("INBOX", *terms), expected)
        asked = [l[4] for l in self.thunderbird.dialogue()[begin:] if l[3] == "C" and re.search(r"(?i)search", l[4])]
        self.assertEqual(len(asked), 5, asked)

    def signer(self, path, message_id, picture=None):
        """What Thunderbird says of a signature that it should find valid: signer and address."""
        said = self.thunderbird.signature(path, message_id)
        self.picture(picture)
        self.thunderbird.close_signature()
        self.assertEqual((said["seal"], said["heading"], said["explanation"]), ("Good signature", "Message Is Signed", GOOD))
        self.assertEqual(said["issuer"], "gosbridge quickstart CA")
        return said["signer"], said["address"]

    def test_signatures(self):
        """registered letters and receipts are shown with a valid signature; a changed letter is not"""
        number, message_id, _ = self.arrive(subject="Договор", files=[("Договор.pdf", "appeal.pdf")], kind="registered")
        self.assertEqual(self.signer("INBOX", message_id), ("АО «Вектор»", PARTNER))
        with self.mailbox() as m:
            good = m.fetch(only(m, "INBOX", number))
            changed = good.replace(b"Message-ID: <", b"Message-ID: <changed-", 1)
            at = changed.index(b"filename")
            m.ok(m.imap.append("INBOX", None, None, changed[:at] + b"F" + changed[at + 1:]))
        bad = letters.id_of(changed)
        self.thunderbird.until("INBOX", bad, subject="Договор")
        said = self.thunderbird.signature("INBOX", bad)
        self.thunderbird.close_signature()
        self.assertEqual((said["seal"], said["heading"]), ("", "Digital Signature Is Not Valid"))
        _, unsigned, _ = self.arrive(subject="Без подписи")
        self.assertFalse(self.thunderbird.sealed("INBOX", unsigned))

    def test_sent_and_receipts(self):
        """the signature of a sent letter by the organisation, and of its receipts by the operator"""
        octets = letters.registered(subject="Заявление о переносе срока", text=TEXT)
        number = send(self.gateway, octets, BODY).number
        wait_for("the delivery", lambda: self.state(number) == "delivered")
        self.thunderbird.show("Sent")
        self.thunderbird.until("Sent", letters.id_of(octets), keywords=["letter-delivered"])
        self.thunderbird.columns("Sent", "tagsCol")
        self.assertEqual(self.signer("Sent", letters.id_of(octets), "thunderbird"), ("ООО «Ромашка»", SENDER))
        with self.mailbox() as m:
            receipts = m.header(m.wait_number("Receipts", number, 2), "Message-ID")
        self.thunderbird.show("Receipts")
        for message_id in receipts.values():
            self.thunderbird.until("Receipts", message_id, read=False)
            self.assertEqual(self.signer("Receipts", message_id), ("gosbridge quickstart", "receipts@gosbridge.example"))
            self.assertIn(number, self.thunderbird.read("Receipts", message_id)["text"])
        self.picture("thunderbird-receipts")

    def test_refusal(self):
        """a letter that may not go stays in its window under an alert with all reasons, and goes once it is mended"""
        self.leave_copy()
        subject = ("Прошение о продлении срока рассмотрения заявления, поданного в связи с выдачей разрешения на строительство "
                   "складского помещения по адресу: город Учебный, улица Новая, дом 1")
        window = Compose(self.thunderbird, BODY, subject, TEXT, kind="registered")
        reply, alert = window.send()
        self.assertRegex(reply, r"^550-?.5\.")
        for reason in ("subject-too-long", "files-missing"):
            self.assertIn(reason, alert)
        self.picture("thunderbird-refusal")
        window.accept_alert()
        self.assertEqual(window.content(), {"to": [BODY], "subject": subject, "text": TEXT, "kind": "registered"})
        self.assertEqual(self.sent("Прошение"), [])
        window.subject("Прошение")
        window.attach(PDF)
        self.picture("thunderbird-compose")
        reply, alert = window.send()
        self.assertIsNone(alert)
        self.assertEqual([n for _, n in self.sent("Прошение")], [NUMBER.search(reply).group()])

    def test_draft(self):
        """a draft is kept at the gateway with its type, and is gone when the letter has been sent"""
        self.leave_copy()
        window = Compose(self.thunderbird, BODY, "Черновик", TEXT, [PDF], kind="registered")
        window.save()
        with self.mailbox() as m:
            def drafts():
                return m.select("Drafts").search_text("SUBJECT", "Черновик")
            uid, = wait_for("the draft", drafts)
            self.assertEqual(m.header([uid], "X-Letter-Type")[uid], "registered")
            self.assertIn(rb"\Draft", m.flags(uid))
            reply, alert = window.send()
            self.assertIsNone(alert)
            self.assertIn("registered", reply)
            wait_for("the end of the draft", lambda: not drafts())


class Russian(Office):
    """The same in a Thunderbird that speaks Russian."""

    language = "ru"

    def test_names(self):
        """the mailboxes have their Russian names"""
        wait_for("the folders", lambda: len(self.thunderbird.folders()) >= 8)
        names = {path: name for path, name, _ in self.thunderbird.folders()}
        for path, name in {"INBOX": "Входящие", "Drafts": "Черновики", "Sent": "Отправленные", "Archive": "Архивы",
                           "Junk": "Спам", "Trash": "Удалённые", "Templates": "Шаблоны", "Receipts": "Receipts"}.items():
            self.assertEqual(names.get(path), name, path)

    def test_signature(self):
        """the letter of the demonstration, its state and its signature"""
        with self.mailbox() as m:
            message_id, = m.select("Sent").header(m.uids("ALL"), "Message-ID").values()
        self.thunderbird.tags(TAGS)
        self.thunderbird.show("Sent")
        self.thunderbird.until("Sent", message_id, keywords=["letter-opened"])
        self.assertEqual(self.thunderbird.read("Sent", message_id)["tags"], [TAGS["Letter-Opened"][0]])
        said = self.thunderbird.signature("Sent", message_id)
        self.picture("thunderbird-ru")
        self.thunderbird.close_signature()
        self.assertEqual((said["seal"], said["signer"], said["address"]), ("Хорошая подпись", "ООО «Ромашка»", SENDER))

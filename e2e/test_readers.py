"""Mail programs that read: mutt on a terminal, s-nail, curl, and imaplib."""

import email
import email.policy
import imaplib
import re
import urllib.parse

import letters
from house import BODY, DOCUMENTS, SENDER, wait_for
from mail import curl, send
from mailbox import Mailbox, fill, only, utf7
from programs import Programs, maildir, unix

U1, U2, U3, U4, U5, U6 = ("u%d@bench.example" % i for i in range(1, 7))
SUBJECTS = ("читать", "отметить", "переместить", "удалить", "сохранить", "оставить")


def subject_of(octets):
    return str(email.message_from_bytes(octets, policy=email.policy.SMTP)["Subject"])


class Readers(Programs):
    flags = ("--load-test", "6")

    def arrive(self, user, subjects=SUBJECTS):
        """Letters to a user, one of each subject; their octets by subject."""
        made = {s: letters.compose(subject=s, text="Письмо: %s.\n" % s, to=user, sender=U1) for s in subjects}
        fill(self.gateway, user, "INBOX", [(octets, "") for octets in made.values()])
        return made

    def standing(self, user, name="INBOX"):
        """A mailbox as imaplib sees it: octets and flags, by subject."""
        found = {}
        with Mailbox(self.gateway, user) as m:
            for octets, flags in m.everything(name).values():
                self.assertNotIn(subject_of(octets), found, "twice in " + name)
                found[subject_of(octets)] = (octets, {f.decode() for f in flags})
        return found

    def assertMailbox(self, user, name, made, **flags):
        """The mailbox has these letters, as they were made, with these flags."""
        found = self.standing(user, name)
        self.assertEqual({s: f for s, (_, f) in found.items()}, {s: set(f.split()) for s, f in flags.items()})
        for subject, (octets, _) in found.items():
            self.assertEqual(octets, made[subject])


class Mutt(Readers):
    programs = ("mutt",)

    def mutt(self, user, keys, more=""):
        """Opens INBOX, types the keys, and waits until mutt has ended."""
        port = self.gateway.ports["imaps"]
        config = self.home.write("muttrc", """
set ssl_ca_certificates_file=%s smime_ca_location=%s crypt_use_gpgme=no
set imap_user=%s imap_pass="%s"
set folder=imaps://localhost:%d/ spoolfile=imaps://localhost:%d/INBOX record=""
set charset=utf-8 tmpdir=%s mbox_type=Maildir
set quit=yes delete=yes move=no mark_old=no resolve=no confirmappend=no confirmcreate=no wait_key=no
%s
push "%s"
""" % (self.home.ca, self.home.ca, user, self.gateway.password(user), port, port, self.home.path, more, keys))
        return self.home.terminal("mutt", "-F", config)

    def test_reads(self):
        """read, flag, move, delete and save, found by Russian subjects"""
        made = self.arrive(U2)
        self.mutt(U2, "<search>~s читать<enter><display-message><exit>"
                      "<search>~s отметить<enter><flag-message>"
                      "<search>~s переместить<enter><save-message>=Archive<enter>"
                      "<search>~s удалить<enter><delete-message>"
                      "<search>~s сохранить<enter><copy-message>%s/saved<enter>"
                      "<sync-mailbox><quit>" % self.home.path)
        self.assertMailbox(U2, "INBOX", made, читать="\\Seen", отметить="\\Flagged", сохранить="", оставить="")
        self.assertMailbox(U2, "Archive", made, переместить="")
        (saved, _), = maildir(self.home.path / "saved").values()
        # mutt counts what it saves.
        self.assertEqual(re.sub(rb"Content-Length: \d+\nLines: \d+\n\n", b"\n", saved), unix(made["сохранить"]))
        self.assertRefused()

        # A mailbox that is not there yet, with a Russian name; and one search on the server.
        self.mutt(U2, "<search>~s оставить<enter><save-message>=Дела/Проект<enter>"
                      "<tag-pattern>=b \\\"Письмо: сохранить\\\"<enter><tag-prefix><set-flag>!<sync-mailbox><quit>")
        self.assertMailbox(U2, "INBOX", made, читать="\\Seen", отметить="\\Flagged", сохранить="\\Flagged")
        self.assertMailbox(U2, "Дела/Проект", made, оставить="")
        self.assertRefused("STATUS NO NONEXISTENT", "UID COPY NO TRYCREATE")  # so mutt learns that it has to make it

    def test_cache(self):
        """what changed elsewhere reaches a mutt that keeps headers, with CONDSTORE"""
        made = self.arrive(U3)
        more = "set header_cache=%s/cache imap_condstore=yes imap_qresync=yes" % self.home.path
        self.mutt(U3, "<quit>", more)
        with Mailbox(self.gateway, U3) as m:
            m.select("INBOX")
            m.store(2, "+FLAGS", "\\Seen", "\\Flagged")
            m.remove(4)
        new = self.arrive(U3, ["новое"])
        # Those that it sees flagged or new it moves: so it knows what changed.
        self.mutt(U3, "<tag-pattern>~F|~s новое<enter><tag-prefix><save-message>=Archive<enter><sync-mailbox><quit>", more)
        self.assertMailbox(U3, "INBOX", made, читать="", переместить="", сохранить="", оставить="")
        self.assertMailbox(U3, "Archive", made | new, отметить="\\Seen \\Flagged", новое="")

    def test_letter(self):
        """a registered letter is opened, its signature shown as good, its file saved"""
        number = send(self.gateway, letters.registered(subject="для mutt"), BODY).number
        with Mailbox(self.gateway, BODY) as m:
            only(m, "INBOX", number)
        drawn = self.mutt(BODY, "<search>~h %s<enter><display-message><exit><view-attachments><search>pdf<enter>"
                                "<save-entry><kill-line>%s/saved.pdf<enter><exit><sync-mailbox><quit>" % (number, self.home.path))
        self.assertRegex(drawn, r" S  \w+ +\d+ ivanov@romashka.*для mutt")  # S, not s: signed, and found good
        self.assertEqual((self.home.path / "saved.pdf").read_bytes(), (DOCUMENTS / "appeal.pdf").read_bytes())
        wait_for("opened", lambda: self.shown(number)["state"] == "opened")
        with Mailbox(self.gateway, BODY) as m:
            self.assertIn(b"\\Seen", m.flags(only(m, "INBOX", number)))
        with Mailbox(self.gateway, SENDER) as m:
            self.assertIn("Letter-Opened", m.keywords(only(m, "Sent", number)))


class SNail(Readers):
    programs = ("s-nail",)

    def test_reads(self):
        """headers, reading, flagging, moving, deleting, saving, from a script"""
        made = self.arrive(U4)
        self.home.environment["MAILRC"] = str(self.home.write("nailrc", """
set v15-compat ttycharset=utf-8 sendcharsets=utf-8 hold keepsave
set tls-ca-file=%s tls-verify=strict imap-auth=login
""" % self.home.ca))
        url = "imaps://%s:%s@localhost:%d/INBOX" % (U4.replace("@", "%40"), self.gateway.password(U4), self.gateway.ports["imaps"])
        with Mailbox(self.gateway, U4) as m:
            m.ok(m.imap.create(utf7("Дела")))
        said = self.home.run("s-nail", "-:u", "-#", "-f", url, stdin="""
headers
type 1
flag 2
copy 3 @Дела
delete 3
delete 4
copy 5 %s/saved
folders @
quit
""" % self.home.path)
        for subject in SUBJECTS:
            self.assertIn(subject, said, "the list of headers")
        self.assertIn("Письмо: читать.", said)
        self.assertRegex(said, r"(?m)^Дела$", "the list of folders")
        self.assertMailbox(U4, "INBOX", made, читать="\\Seen", отметить="\\Flagged", сохранить="\\Seen", оставить="")
        self.assertMailbox(U4, "Дела", made, переместить="")
        saved = (self.home.path / "saved").read_bytes().partition(b"\n")[2]  # an mbox
        self.assertIn(unix(made["сохранить"]).partition(b"\n\n")[2], saved)


class Curl(Readers):
    programs = ("curl",)

    def curl(self, user, path, *argv, status=0, kind="person", scheme="imaps"):
        url = "%s://localhost:%d/%s" % (scheme, self.gateway.ports[scheme], path)
        done = curl(self.gateway, user, "--ssl-reqd", "--url", url, *argv, kind=kind)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stdout

    def test_reads(self):
        """fetch by UID, number and section, search, flags, copying and expunging by commands, append"""
        user = U6
        made = self.arrive(user)
        for scheme in ("imaps", "imap"):
            self.assertEqual(self.curl(user, "INBOX;UID=2", scheme=scheme), made["отметить"])
        self.assertEqual(self.curl(user, "INBOX;MAILINDEX=3"), made["переместить"])
        head, body = letters.header_of(made["сохранить"])
        self.assertEqual(self.curl(user, "INBOX;UID=5/;SECTION=HEADER"), head + b"\r\n")
        self.assertEqual(self.curl(user, "INBOX;UID=5/;SECTION=TEXT"), body)
        self.assertEqual(self.curl(user, "INBOX;UID=5/;SECTION=1"), body)
        self.assertEqual(self.curl(user, "INBOX?SUBJECT%20nothing"), b"* SEARCH\r\n")
        search = urllib.parse.quote('CHARSET UTF-8 SUBJECT "оставить"')
        self.assertEqual(self.curl(user, "INBOX?" + search), b"* SEARCH 6\r\n")
        listed = self.curl(user, "")
        self.assertIn(b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"\r\n', listed)

        self.curl(user, "INBOX", "-X", "STORE 2 +FLAGS (\\Flagged)")
        self.curl(user, "INBOX", "-X", "UID COPY 3 Archive")
        self.curl(user, "INBOX", "-X", "UID STORE 3:4 +FLAGS.SILENT (\\Deleted)")
        self.curl(user, "INBOX", "-X", "EXPUNGE")
        self.assertIn(b"* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\r\n", self.curl(user, "INBOX", "-X", "FETCH 1:* (UID FLAGS)"))
        # What a person's password reads whole is seen.
        self.assertMailbox(user, "INBOX", made, читать="", отметить="\\Seen \\Flagged", сохранить="\\Seen", оставить="")
        self.assertMailbox(user, "Archive", made, переместить="\\Seen")

        new = letters.compose(subject="черновик", to=U2, sender=user)
        self.curl(user, "Drafts", "--upload-file", self.home.write("new.eml", new))
        self.assertMailbox(user, "Drafts", {"черновик": new}, черновик="\\Seen")

    def test_letter(self):
        """what opens a letter, and what does not"""
        self.gateway.credential(BODY, "archive")
        number = send(self.gateway, letters.compose(), BODY).number
        self.settle(number)
        with Mailbox(self.gateway, BODY) as m:
            uid = only(m, "INBOX", number)
            octets = m.fetch(uid)
        self.assertEqual(self.curl(BODY, "INBOX;UID=%d" % uid, kind="archive"), octets)
        self.curl(BODY, "INBOX", "-X", "UID FETCH %d (BODY.PEEK[])" % uid)
        self.assertEqual(self.shown(number)["state"], "delivered")
        self.assertEqual(self.curl(BODY, "INBOX", "-X", "UID STORE %d +FLAGS (\\Seen)" % uid, kind="archive", status=21), b"")
        self.assertRefused("UID STORE NO NOPERM")
        self.assertEqual(self.curl(BODY, "INBOX;UID=%d" % uid), octets)
        wait_for("opened", lambda: self.shown(number)["state"] == "opened")

    def test_refusals(self):
        """its status says what was refused"""
        self.curl(U1, "Nowhere;UID=1", status=67)
        self.curl(U1, "INBOX;UID=99999", status=78)
        self.curl(U1, "INBOX", "-X", "NONSENSE", status=21)
        self.assertRefused("SELECT NO NONEXISTENT", "unknown BAD")


class Imaplib(Readers):
    def test_reads(self):
        """append with flags and date, searches, partial fetch, copy and move, rename, subscriptions"""
        made = letters.compose(subject="Черновик № 1", text="Первая строка\n" * 200)
        with Mailbox(self.gateway, U5) as m:
            imap = m.imap
            for name in ("Дела", "Дела/Проект"):
                m.ok(imap.create(utf7(name)))
            m.ok(imap.append(utf7("Дела"), "(\\Draft $MDNSent Моё)".replace("Моё", "Mine"), '"05-Mar-2026 10:20:30 +0300"', made))
            m.select("Дела")
            self.assertEqual(m.everything("Дела"), {1: (made, {b"\\Draft", b"$MDNSent", b"Mine"})})
            self.assertIn(b"05-Mar-2026 10:20:30 +0300", m.ok(imap.fetch("1", "(INTERNALDATE RFC822.SIZE)"))[0])
            part = m.ok(imap.uid("FETCH", "1", "(BODY.PEEK[]<100.50>)"))[0]
            self.assertEqual(part[1], made[100:150])
            for criteria, expected in (
                    (("DRAFT",), [1]), (("KEYWORD", "Mine"), [1]), (("UNKEYWORD", "Mine"), []), (("SINCE", "05-Mar-2026"), [1]),
                    (("BEFORE", "05-Mar-2026"), []), (("LARGER", "100"), [1]), (("NOT", "SEEN"), [1]), (("OR", "SEEN", "DRAFT"), [1])):
                self.assertEqual(m.uids(*criteria), expected, criteria)
            for charset in ("UTF-8", "KOI8-R", "WINDOWS-1251"):
                self.assertEqual(m.search_text("SUBJECT", "чЕРНОВИК", charset), [1], charset)
                self.assertEqual(m.search_text("BODY", "первая СТРОКА", charset), [1], charset)
            m.ok(imap.uid("COPY", "1", utf7("Дела/Проект")))
            m.ok(imap.uid("MOVE", "1", "Archive"))
            self.assertEqual(m.everything("Дела"), {})
            for name in ("Archive", "Дела/Проект"):
                found = [o for o, _ in m.everything(name).values() if o == made]
                self.assertEqual(len(found), 1, name)
            m.ok(imap.rename(utf7("Дела"), utf7("Дело")))
            self.assertLessEqual({"Дело", "Дело/Проект"}, m.names())
            m.ok(imap.delete(utf7("Дело/Проект")))
            m.ok(imap.delete(utf7("Дело")))
            self.assertFalse({n for n in m.names() if n.startswith("Дел")})
        self.assertRefused()

    def test_refusals(self):
        """errors of a client are answered, and the connection goes on"""
        with Mailbox(self.gateway, U1) as m:
            self.assertEqual(m.imap.select("Nowhere")[0], "NO")
            self.assertEqual(m.imap.append("Nowhere", None, None, b"x")[0], "NO")
            m.select("INBOX")
            self.assertRaisesRegex(imaplib.IMAP4.error, "BAD", m.imap.search, None, "NONSENSE")
            m.ok(m.imap.noop())
        self.assertRefused("SELECT NO NONEXISTENT", "APPEND NO TRYCREATE", "SEARCH BAD")

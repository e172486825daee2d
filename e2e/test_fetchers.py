"""getmail and fetchmail take letters out of a mailbox, each once."""

import re

import letters
from house import BODY, wait_for
from mail import send
from mailbox import Mailbox, fill, only
from programs import Background, Home, Programs, maildir, unix
from proof import cms_verify

U1, U2, U3, U4, U5 = ("u%d@bench.example" % i for i in range(1, 6))
# getmail 6.18.11 listens for the end of a child only after it has made it, and waits minutes for one that was quicker.
# So its children begin when it sleeps.
LATE = """
import os, time
def late():
    while True:
        time.sleep(0.005)
        with open("/proc/%d/stat" % os.getppid()) as f:
            if f.read().rpartition(")")[2].split()[0] == "S":
                return
os.register_at_fork(after_in_child=late)
"""
ADDED = re.compile(rb"Return-Path: <[^>\n]*>\nDelivered-To: unknown\nReceived: from localhost [^\n]*\n  getmail6 [^\n]*\n")
MAILBOX = re.compile(rb"\nX-getmail-retrieved-from-mailbox: INBOX\n")
RECEIVED = re.compile(rb"Received: from localhost [^\n]*\n\tby [^\n]*\(fetchmail-[^\n]*\n\tfor [^\n]*\n")


class Getmail(Programs):
    programs = ("getmail",)
    flags = ("--load-test", "5")

    def setUp(self):
        super().setUp()
        self.home.close()
        self.home = Home(self.gateway, user="nobody")  # getmail delivers to no Maildir as root
        self.addCleanup(self.home.close)

    def configure(self, user, kind="person", options=""):
        self.home.write("late/sitecustomize.py", LATE)
        self.home.environment["PYTHONPATH"] = str(self.home.path / "late")
        self.mail = self.home.path / "mail"
        for place in ("cur", "new", "tmp"):
            (self.mail / place).mkdir(parents=True, exist_ok=True)
        self.home.write("getmail/getmailrc", """
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = %d
username = %s
password_command = ("/bin/cat", "%s")
mailboxes = ("INBOX",)
ca_certs = %s

[destination]
type = Maildir
path = %s/

[options]
read_all = false
%s
""" % (self.gateway.ports["imaps"], user, self.home.write("password", self.gateway.password(user, kind)), self.home.ca, self.mail,
            options))

    def getmail(self, status=0):
        """One run; how many messages it took, and how many it passed over."""
        self.said = self.home.run("getmail", "--getmaildir", self.home.path / "getmail", status=status)
        return tuple(map(int, re.search(r"(\d+) messages \(\d+ bytes\) retrieved, (\d+) skipped", self.said).groups()))

    def took(self):
        """What lies in the Maildir, without what getmail added: itself to the top, and a field to the end of the header."""
        found = []
        for octets, _ in maildir(self.mail).values():
            match = ADDED.match(octets)
            self.assertTrue(match, octets[:500])
            rest, n = MAILBOX.subn(b"\n", octets[match.end():], count=1)
            self.assertEqual(n, 1, octets[:1000])
            found.append(rest)
        return sorted(found)

    def test_keep(self):
        """without delete: each message once, and the mailbox stays as it is"""
        messages = letters.archive(20)
        fill(self.gateway, U4, "INBOX", messages)
        with Mailbox(self.gateway, U4) as m:
            before = m.standing()
        self.configure(U4)
        self.assertEqual(self.getmail(), (20, 0))
        self.assertEqual(self.took(), sorted(unix(octets) for octets, _ in messages))
        self.assertEqual(self.getmail(), (0, 20))
        new = letters.archive(1)
        fill(self.gateway, U4, "INBOX", new)
        self.assertEqual(self.getmail(), (1, 20))
        self.assertEqual(len(self.took()), 21)
        with Mailbox(self.gateway, U4) as m:
            inbox, _ = m.standing()
            self.assertEqual({uid: inbox[uid] for uid in before[0]}, before[0])

    def test_delete(self):
        """with delete: the mailbox is empty behind it"""
        messages = letters.archive(20)
        fill(self.gateway, U5, "INBOX", messages)
        self.configure(U5, options="delete = true")
        self.assertEqual(self.getmail(), (20, 0))
        self.assertEqual(self.took(), sorted(unix(octets) for octets, _ in messages))
        with Mailbox(self.gateway, U5) as m:
            self.assertEqual(m.everything("INBOX"), {})
        self.assertEqual(self.getmail(), (0, 0))
        self.assertEqual(len(self.took()), 20)

    def test_letters(self):
        """a letter that is fetched is not opened; a login that only reads cannot delete; the signature stays whole"""
        self.gateway.credential(BODY, "archive")
        number = send(self.gateway, letters.registered(), BODY).number
        self.settle(number)
        with Mailbox(self.gateway, BODY) as m:
            before = m.standing()
        self.configure(BODY, "archive")
        self.getmail()
        self.assertEqual(self.getmail()[0], 0)
        octets, = (o for o, _ in maildir(self.mail).values() if number.encode() in o)
        self.assertEqual(cms_verify(self.gateway, octets)[0], 0)
        self.configure(BODY, "archive", "delete = true")
        self.getmail(status=127)
        self.assertIn("'INBOX' is not writable", self.said)
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(m.standing(), before)
        self.assertEqual(self.shown(number)["state"], "delivered")


class Fetchmail(Programs):
    programs = ("fetchmail",)
    flags = ("--load-test", "5")

    def configure(self, user, kind="person", options="keep", secure="tls"):
        self.mail = self.home.path / "mail"
        self.mail.mkdir(exist_ok=True)
        mda = self.home.write("mda", "#!/bin/sh\ncat >%s/part-$$ && mv %s/part-$$ %s/$$\n" % ((self.mail,) * 3))
        mda.chmod(0o700)
        self.home.environment["FETCHMAILHOME"] = str(self.home.path)
        self.config = self.home.write("fetchmailrc", """
set no bouncemail
poll localhost service %d protocol imap
  user "%s" password "%s"
  %s sslcertck sslcertfile %s
  mda %s
  no rewrite %s
""" % (self.gateway.ports["imaps" if secure == "tls" else "imap"], user, self.gateway.password(user, kind),
            "ssl" if secure == "tls" else "sslproto TLS1.2+", self.home.ca, mda, options))

    def fetchmail(self, status=0):
        """One run; status 1 is that there was nothing."""
        self.said = self.home.run("fetchmail", "-f", self.config, status=status)

    def took(self):
        """What the MDA was given, without what fetchmail added: its Received, behind the Return-Path."""
        found = []
        for file in self.mail.iterdir():
            if not file.name.startswith("part-"):
                rest, n = RECEIVED.subn(b"", file.read_bytes(), count=1)
                self.assertEqual(n, 1, file.read_bytes()[:500])
                found.append(rest)
        return sorted(found)

    def test_keep(self):
        """keep: what is unseen comes, each once, and is seen afterwards"""
        messages = letters.archive(40)
        fill(self.gateway, U1, "INBOX", messages)
        self.configure(U1)
        self.fetchmail()
        unseen = sorted(unix(octets) for octets, flags in messages if "Seen" not in flags)
        self.assertEqual(len(unseen), 10)
        self.assertEqual(self.took(), unseen)
        with Mailbox(self.gateway, U1) as m:
            far = m.everything("INBOX")
            before = m.standing()
        self.assertEqual([octets for octets, _ in far.values()], [octets for octets, _ in messages])
        for (_, flags), (_, was) in zip(far.values(), messages):
            self.assertEqual({f.decode() for f in flags}, {"\\Seen", *was.split()})
        self.fetchmail(status=1)
        self.assertEqual(len(self.took()), 10)
        with Mailbox(self.gateway, U1) as m:
            self.assertEqual(m.standing(), before)

    def test_nokeep(self):
        """fetchall and no keep, after STARTTLS: all come, and the mailbox is empty behind them"""
        messages = letters.archive(40)
        fill(self.gateway, U2, "INBOX", messages)
        self.configure(U2, options="fetchall no keep", secure="starttls")
        self.fetchmail()
        self.assertEqual(self.took(), sorted(unix(octets) for octets, _ in messages))
        with Mailbox(self.gateway, U2) as m:
            self.assertEqual(m.everything("INBOX"), {})
        self.fetchmail(status=1)
        self.assertEqual(len(self.took()), 40)

    def test_idle(self):
        """idle: what comes in later comes at once"""
        fill(self.gateway, U3, "INBOX", letters.archive(1))
        self.configure(U3, options="idle keep")
        waiting = Background(self.home, "fetchmail", "-v", "-f", self.config)
        self.addCleanup(waiting.end)
        wait_for("the first", lambda: len(self.took()) == 1)
        wait_for("IDLE", lambda: re.search(r"IMAP> A\d+ IDLE", waiting.output()))
        new = letters.plain("только что", "")
        fill(self.gateway, U3, "INBOX", [(new, "")])
        wait_for("the second", lambda: len(self.took()) == 2, patience=10)
        self.assertIn(unix(new), self.took())

    def test_letters(self):
        """a person's password opens the letter, a system's does not; a login that only reads is none for fetchmail"""
        states = {}
        for kind in ("archive", "system", "person"):
            if kind != "person":
                self.gateway.credential(BODY, kind)
            octets = letters.registered(subject="fetchmail " + kind)
            number = send(self.gateway, octets, BODY).number
            self.settle(number)
            with Mailbox(self.gateway, BODY) as m:
                uid = only(m, "INBOX", number)
                whole = unix(m.fetch(uid))
                self.configure(BODY, kind)
                self.fetchmail(status=7 if kind == "archive" else 0)
                self.assertIn(whole, self.took())
                self.assertEqual(cms_verify(self.gateway, whole)[0], 0)
                m.select("INBOX")
                self.assertEqual(b"\\Seen" in m.flags(uid), kind != "archive")
            if kind == "person":
                wait_for("opened", lambda number=number: self.shown(number)["state"] == "opened")
            states[kind] = self.shown(number)["state"]
        self.assertEqual(states, {"archive": "delivered", "system": "delivered", "person": "opened"})
        self.assertRefused("STORE NO NOPERM")  # it wants to mark what it has fetched

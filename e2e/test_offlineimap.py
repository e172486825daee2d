"""OfflineIMAP keeps a Maildir and the gateway alike, both ways."""

import re

import letters
import sync
from house import BODY
from mail import send
from mailbox import Mailbox, fill, utf7
from programs import Programs, maildir, maildir_flags, sha256, unix
from proof import cms_verify

EMPTY = re.compile(rb"^([!-9;-~]+:) $", re.M)  # OfflineIMAP puts a blank behind a field that begins on its second line
U1, U2 = ("u%d@bench.example" % i for i in (1, 2))


class OfflineIMAP(Programs):
    programs = ("offlineimap",)
    flags = ("--load-test", "2")

    def configure(self, user, kind="person", more=""):
        self.near = self.home.path / "mail"
        self.config = self.home.write("offlineimaprc", """
[general]
accounts = gosbridge
metadata = %s

[Account gosbridge]
localrepository = near
remoterepository = far
utf8foldernames = yes

[Repository near]
type = Maildir
localfolders = %s

[Repository far]
type = IMAP
remotehost = localhost
remoteport = %d
ssl = yes
sslcacertfile = %s
remoteuser = %s
remotepassfile = %s
%s
""" % (self.home.path / "metadata", self.near, self.gateway.ports["imaps"], self.home.ca, user,
            self.home.write("password", self.gateway.password(user, kind)), more))

    def sync(self):
        """One pass; what it did, a line each."""
        self.said = self.home.run("offlineimap", "-c", self.config, "-o", "-u", "basic", patience=60)
        self.assertNotIn("ERROR", self.said)
        return re.findall(r"^ *((?:Copy|Deleting|Adding|Removing) .*)$", self.said, re.M)

    def files(self, name="INBOX"):
        """The files of a folder by their UID: octets, flags, path."""
        return {int(re.search(r",U=(\d+)", file.name).group(1)): (octets, flags, file)
                for file, (octets, flags) in maildir(self.near / name).items()}

    def assertAlike(self, user, name="INBOX", kind="person"):
        """Both sides have the same messages under the same UIDs with the same flags."""
        with Mailbox(self.gateway, user, kind) as m:
            far = m.everything(name)
        near = self.files(name)
        # Digests, because the difference of two large mailboxes would take minutes to show.
        self.assertEqual({uid: (sha256(unix(octets)), maildir_flags(flags)) for uid, (octets, flags) in far.items()},
                         {uid: (sha256(EMPTY.sub(rb"\1", octets)), flags) for uid, (octets, flags, _) in near.items()})
        return far

    def assertQuiet(self, user):
        """One more pass changes nothing."""
        def sides():
            with Mailbox(self.gateway, user) as m:
                return {name: m.status(name) for name in m.names()}, sorted(self.near.rglob("*,U=*"))
        before = sides()
        self.assertEqual(self.sync(), [], self.said)
        self.assertEqual(sides(), before)

    def test_thousand(self):
        """1,000 messages, then passes with news from both sides, and passes without"""
        untouched = sync.begin(self, U1)
        self.configure(U1)
        self.assertEqual(len(self.sync()), 1000 + sync.templates(self.gateway, U1))
        untouched(self.assertAlike(U1))
        self.assertQuiet(U1)
        sync.change_far(self.gateway, U1)
        self.sync()
        self.assertEqual(len(self.assertAlike(U1)), 1000)
        self.assertEqual(self.files()[1][1], {"S", "R"})
        new = sync.change_near(self.near / "INBOX", {uid: file for uid, (_, _, file) in self.files().items()})
        self.sync()
        with Mailbox(self.gateway, U1) as m:
            self.assertEqual(sync.assert_changed(self, m.everything("INBOX")), new)
        self.assertQuiet(U1)
        self.assertAlike(U1)

    def test_mailboxes(self):
        """new mailboxes with Russian names from both sides, which the Maildir has as they are read"""
        self.configure(U2)
        self.sync()
        with Mailbox(self.gateway, U2) as m:
            m.ok(m.imap.create(utf7("Дело № 5")))
        fill(self.gateway, U2, "Дело № 5", letters.archive(3))
        for place in ("cur", "new", "tmp"):
            (self.near / "Проект" / place).mkdir(parents=True)
        (self.near / "Проект" / "cur" / "1.near:2,S").write_bytes(unix(letters.plain("проект", "")))
        self.sync()
        self.assertEqual(len(self.assertAlike(U2, "Дело № 5")), 3)
        self.assertEqual(len(self.assertAlike(U2, "Проект")), 1)
        self.assertQuiet(U2)

    def test_archive(self):
        """readonly with a credential that only reads: nothing counts as opened, nothing changes"""
        self.gateway.credential(BODY, "archive")
        numbers = [send(self.gateway, octets, BODY).number for octets in (letters.compose(), letters.registered())]
        for number in numbers:
            self.settle(number)
        with Mailbox(self.gateway, BODY) as m:
            before = m.standing()
        self.configure(BODY, "archive", "readonly = yes")
        self.sync()
        self.assertAlike(BODY, kind="archive")
        for octets, _, file in self.files().values():
            if numbers[1].encode() in octets:
                self.assertEqual(cms_verify(self.gateway, octets)[0], 0, "the organisation's signature")
            file.rename(self.near / "INBOX" / "cur" / (file.name.partition(":")[0] + ":2,FS"))
        self.sync()
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(m.standing(), before)
        self.assertEqual([self.shown(number)["state"] for number in numbers], ["delivered"] * 2)

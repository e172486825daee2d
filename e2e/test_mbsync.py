"""mbsync keeps a Maildir and the gateway alike, both ways."""

import re
import shutil

import letters
import sync
from house import BODY
from mail import send
from mailbox import Mailbox, fill, utf7
from programs import Programs, maildir, maildir_flags, sha256, unix

TWO_WAY = "Create Both\nExpunge Both"
U1, U2, U3 = ("u%d@bench.example" % i for i in (1, 2, 3))
TUID = re.compile(rb"^X-TUID: \S{12}\n", re.M)  # by which mbsync finds again what it copied


class Pass(Programs):
    """What the tests share."""

    programs = ("mbsync",)

    def configure(self, user, how=TWO_WAY, kind="person", patterns="*"):
        self.near = self.home.path / "mail"
        self.near.mkdir(exist_ok=True)
        self.config = self.home.write("mbsyncrc", """
IMAPAccount gosbridge
Host localhost
Port %d
User %s
PassCmd "cat %s"
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account gosbridge

MaildirStore near
Path %s/
Inbox %s
SubFolders Verbatim

Channel gosbridge
Far :far:
Near :near:
Patterns %s
SyncState *
%s
""" % (self.gateway.ports["imaps"], user, self.home.write("password", self.gateway.password(user, kind)), self.home.ca,
            self.near, self.near / "INBOX", patterns, how))

    def sync(self, status=0):
        """One pass; what it did on the far and the near side: new messages, flags, expunges."""
        self.said = self.home.terminal("mbsync", "-c", self.config, "-a", status=status)  # else it does not count
        counts = re.findall(r"([FN]): \+(\d+)/\d+ \*(\d+)/\d+ #(\d+)/\d+", self.said)
        self.assertEqual([c[0] for c in counts[-2:]], ["F", "N"], self.said)
        return [tuple(map(int, c[1:])) for c in counts[-2:]]

    def files(self, name):
        """The files of a folder by their UID: octets as they came, flags, path."""
        found = {}
        for file, (octets, flags) in maildir(self.near / name).items():
            found[int(re.search(r",U=(\d+)", file.name).group(1))] = (TUID.sub(b"", octets, count=1), flags, file)
        return found

    def assertAlike(self, user, name="INBOX", folder="INBOX", kind="person"):
        """Both sides have the same messages with the same flags, and what was there before has its octets."""
        with Mailbox(self.gateway, user, kind) as m:
            far = m.everything(name)
        near = self.files(folder)
        # Digests, because the difference of two large mailboxes would take minutes to show.
        self.assertEqual(
            sorted((sha256(TUID.sub(b"", unix(octets), count=1)), sorted(maildir_flags(flags))) for octets, flags in far.values()),
            sorted((sha256(octets), sorted(flags)) for octets, flags, _ in near.values()))
        return far

    def sides(self, user):
        """Both sides as they stand: equal when nothing has happened in between."""
        with Mailbox(self.gateway, user) as m:
            far = {name: m.status(name) for name in m.names()}
        return far, sorted(str(p) for p in self.near.rglob("*,U=*"))

    def assertQuiet(self, user):
        """One more pass changes nothing."""
        before = self.sides(user)
        self.assertEqual(self.sync(), [(0, 0, 0), (0, 0, 0)], self.said)
        self.assertEqual(self.sides(user), before)


class Mbsync(Pass):
    flags = ("--load-test", "3")

    def test_thousand(self):
        """1,000 messages, then passes with news from both sides, and passes without"""
        untouched = sync.begin(self, U1)
        self.configure(U1)
        self.assertEqual(self.sync(), [(0, 0, 0), (1000 + sync.templates(self.gateway, U1), 0, 0)])
        untouched(self.assertAlike(U1))
        self.assertQuiet(U1)
        sync.change_far(self.gateway, U1)
        self.assertEqual(self.sync(), [(0, 0, 0), (1, 3, 0)])  # it counts what it deletes as flagged
        self.assertEqual(len(self.assertAlike(U1)), 1000)
        new = sync.change_near(self.near / "INBOX", {uid: file for uid, (_, _, file) in self.files("INBOX").items()})
        self.assertEqual(self.sync(), [(1, 3, 0), (0, 0, 0)])
        far = sync.assert_changed(self, self.assertAlike(U1))
        self.assertEqual(TUID.subn(b"", unix(far), count=1), (unix(new), 1))
        self.assertQuiet(U1)

    def test_mailboxes(self):
        """new mailboxes with Russian names from both sides, as modified UTF-7 in the Maildir"""
        self.configure(U2)
        self.sync()
        with Mailbox(self.gateway, U2) as m:
            m.ok(m.imap.create(utf7("Дела & письма/Дело № 5")))
        fill(self.gateway, U2, "Дела & письма/Дело № 5", letters.archive(3))
        folder = self.near / utf7("Проект")[1:-1]
        for place in ("cur", "new", "tmp"):
            (folder / place).mkdir(parents=True)
        (folder / "cur" / "1.near:2,S").write_bytes(unix(letters.plain("проект")))
        self.assertEqual(self.sync(), [(1, 0, 0), (3, 0, 0)])
        self.assertAlike(U2, "Дела & письма/Дело № 5", utf7("Дела & письма/Дело № 5")[1:-1])
        self.assertAlike(U2, "Проект", folder.name)
        self.assertQuiet(U2)

    def test_unconverted(self):
        """a folder that is not named in modified UTF-7 gets a mailbox, whose next folder is, and nothing is lost"""
        self.configure(U3)
        for place in ("cur", "new", "tmp"):
            (self.near / "Папка" / place).mkdir(parents=True)
        (self.near / "Папка" / "cur" / "1.near:2,S").write_bytes(unix(letters.plain("в папке")))
        self.assertEqual(self.sync()[0], (1, 0, 0))
        self.assertAlike(U3, "Папка", "Папка")
        self.assertEqual(self.sync(status=1), [(0, 0, 0), (1, 0, 0)])
        self.assertIn("far side box Папка cannot be opened", self.said)
        self.assertAlike(U3, "Папка", utf7("Папка")[1:-1])

    def test_archive(self):
        """Sync Pull with a credential that only reads: nothing counts as opened, nothing changes"""
        self.gateway.credential(BODY, "archive")
        numbers = [send(self.gateway, octets, BODY).number for octets in (letters.compose(), letters.registered())]
        for number in numbers:
            self.settle(number)
        with Mailbox(self.gateway, BODY) as m:
            before = m.standing()
        self.configure(BODY, "Sync Pull\nCreate Near\nExpunge Near", "archive")
        (far, near) = self.sync()
        self.assertEqual((far, near[1:]), ((0, 0, 0), (0, 0)))
        self.assertGreaterEqual(near[0], 2)
        self.assertAlike(BODY, kind="archive")
        for uid, (octets, flags, file) in self.files("INBOX").items():
            # What happens to the copies stays there.
            file.rename(self.near / "INBOX" / "cur" / (file.name.partition(":")[0] + ":2,FS"))
        self.assertEqual(self.sync(), [(0, 0, 0), (0, 0, 0)], self.said)
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(m.standing(), before)
        for number in numbers:
            self.assertEqual(self.shown(number)["state"], "delivered")
        self.assertRefused()

        # Where mbsync is told to write all the same, it is refused, and says so.
        # (In more than one mailbox mbsync 1.4.4 then stumbles over itself, and aborts.)
        self.configure(BODY, "Sync All", "archive", "INBOX")
        self.sync()
        self.assertIn("returned an error: NO [NOPERM] this login only reads", self.said)
        self.assertEqual(set(self.gateway.refused()), {"UID STORE NO NOPERM"})
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(m.standing(), before)
        self.assertEqual(self.shown(numbers[0])["state"], "delivered")


class Restored(Pass):
    def test_restored(self):
        """after a restore it goes on with what it has, and takes no new letter for one that was lost"""
        self.configure(BODY, "Sync Pull\nCreate Near", patterns="INBOX")
        fill(self.gateway, BODY, "INBOX", letters.archive(30))  # with fewer it gives up
        kept = send(self.gateway, letters.compose(kind="simple"), BODY).number
        self.settle(kept)
        self.sync()
        backup = self.home.path / "backup"
        self.gateway.command("store", "backup", backup)
        lost = send(self.gateway, letters.compose(kind="simple"), BODY).number
        self.settle(lost)
        self.sync()
        self.gateway.kill()
        shutil.rmtree(self.gateway.data / "store")
        self.gateway.command("store", "restore", backup)
        self.gateway.serve()
        self.sync()
        self.assertIn("Recovered from change of UIDVALIDITY", self.said)
        fresh = send(self.gateway, letters.compose(kind="simple"), BODY).number
        self.settle(fresh)
        self.assertEqual(self.sync()[1][0], 1, self.said)
        found = {number: flags for octets, flags, _ in self.files("INBOX").values()
                 for number in (kept, lost, fresh) if b"X-Letter-Number: " + number.encode() in octets}
        self.assertEqual(found.keys(), {kept, lost, fresh})
        self.assertEqual([number for number, flags in found.items() if "T" in flags], [lost])

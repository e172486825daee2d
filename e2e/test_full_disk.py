"""No space left: letters are refused for the time being, nothing is lost or
left by half, and the server recovers by itself when space returns."""

import atexit
import os
import resource
import shutil
import unittest

import letters
from house import PATIENCE, Gateway, run, wait_for
from mail import login, talk
from mailbox import Mailbox

SENDER, READER = "u1@bench.example", "u2@bench.example"
MIB = 1 << 20
SIZES = (300_000, 4_000, 1_200_000, 20_000)  # octets of the letters' files: within and outside of the metadata file
MOST = 400
LEASE = 30  # seconds: what could not be written for want of space is taken up again when its lease ends


def letter(i):
    size = SIZES[i % len(SIZES)]
    return letters.compose(sender=SENDER, to=READER, subject="letter %d" % i, files=[("data.zip", os.urandom(size))])


class Full:
    """What is tested, whatever makes the disk full."""

    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)

    def fill(self):
        """Sends until space is over, and then some; what was answered with 250."""
        accepted, refused = {}, []
        with login(self.gateway, SENDER) as c:
            for i in range(MOST):
                octets = letter(i)
                reply = talk(c, SENDER, [READER], octets)
                if reply.code == 250:
                    accepted[letters.id_of(octets)] = octets
                else:
                    refused.append((octets, reply))
                if len(refused) == 6:
                    break
        self.assertEqual(len(refused), 6, "the disk did not get full")
        for _, reply in refused:
            self.assertEqual(reply.code, 452, reply)
            self.assertIn("4.3.1 ", reply.text)
            self.assertEqual(len(reply.lines), 1, reply)
        return accepted, refused

    def check_after(self, accepted, refused):
        """All is well once there is space: what was refused goes through, and
        each letter is there once, octet by octet."""
        with login(self.gateway, SENDER) as c:
            for octets, _ in refused:
                reply = wait_for("the server to take letters again", lambda o=octets: self.taken(c, o))
                self.assertNotIn("already", reply.text, "a letter that was refused had been kept")
                accepted[letters.id_of(octets)] = octets
        for user, name in ((SENDER, "Sent"), (READER, "INBOX")):
            with self.subTest(name), Mailbox(self.gateway, user) as m:
                def all_there(m=m, name=name):
                    return len(m.select(name).uids("ALL")) >= len(accepted)
                wait_for("%d letters in %s" % (len(accepted), name), all_there, patience=PATIENCE + LEASE)
                ids = m.header(m.uids("ALL"), "Message-ID")
                self.assertEqual(sorted(ids.values()), sorted(accepted))
                for uid in list(ids)[:3] + list(ids)[-8:]:
                    self.assertTrue(m.fetch(uid).endswith(accepted[ids[uid]]), "letter %d is not what was sent" % uid)
        # The recipient has a letter before the sender's account says so.
        listed = wait_for("the states of all letters", self.settled, patience=PATIENCE + LEASE)
        self.assertEqual(len(listed), len(accepted))

    def settled(self):
        """The sender's letters, once none of them is under way."""
        listed = self.gateway.json("letter", "list", "--account", SENDER, "--limit", "0")
        return listed if {entry["state"] for entry in listed} <= {"delivered", "opened"} else None

    @staticmethod
    def taken(c, octets):
        reply = talk(c, SENDER, [READER], octets)
        return reply if reply.code == 250 else None

    def reads(self, accepted):
        """A full disk keeps nobody from reading."""
        with Mailbox(self.gateway, SENDER) as m:
            ids = m.header(m.select("Sent").uids("ALL"), "Message-ID")
            self.assertEqual(sorted(ids.values()), sorted(accepted))
            uid = max(ids)
            self.assertTrue(m.fetch(uid).endswith(accepted[ids[uid]]))


class SmallDisk(Full, unittest.TestCase):
    """A file system that is full, and gets space again."""

    def setUp(self):
        super().setUp()
        self.disk = self.gateway.temp / "disk"
        self.disk.mkdir()
        done = run("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", self.disk)
        if done.returncode != 0:
            self.skipTest("needs the right to mount; the limit of the size of files is tested: " + done.stderr.strip())
        self.addCleanup(self.unmount)
        atexit.register(run, "umount", "-q", "-l", self.disk)  # if the run is ended before that
        self.gateway.at(self.disk / "d")
        self.gateway.quickstart("--load-test", "2").place()
        self.ballast = self.disk / "ballast"
        self.ballast.write_bytes(bytes(shutil.disk_usage(self.disk).free - 8 * MIB))

    def unmount(self):
        if self.gateway.process is not None:
            self.gateway.kill()
        run("umount", self.disk)

    def test_full(self):
        """a full disk: 452, reading goes on, all is well when space returns"""
        accepted, refused = self.fill()
        self.reads(accepted)
        self.ballast.unlink()
        self.check_after(accepted, refused)
        self.gateway.stop()

    def test_killed_when_full(self):
        """kill -9 and a restart on the full disk lose nothing"""
        accepted, refused = self.fill()
        self.gateway.kill()
        self.gateway.serve()
        self.reads(accepted)
        self.ballast.unlink()
        self.check_after(accepted, refused)
        self.gateway.stop()


class SmallFiles(Full, unittest.TestCase):
    """Files that may not grow: the same for a server without its own disk."""

    def test_full(self):
        """a limit on the size of files: 452, reading goes on, all is well when it is lifted"""
        self.gateway.quickstart("--load-test", "2")
        pid = self.gateway.process.pid
        biggest = max(p.stat().st_size for p in (self.gateway.data / "store").glob("*.db"))
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (biggest + 4 * MIB, before[1]))
        accepted, refused = self.fill()
        self.reads(accepted)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        self.check_after(accepted, refused)
        self.gateway.stop()

"""Mail programs from Debian: finding them, and running them in a home of their own, on a terminal where they want one."""

import fcntl
import hashlib
import os
import pathlib
import pty
import pwd
import select
import shutil
import signal
import struct
import tempfile
import termios
import time
import unittest

from house import BODY, PATIENCE, Gateway, end, need, run, start
from mailbox import Mailbox, only

FLAGS = {"S": b"\\Seen", "F": b"\\Flagged", "R": b"\\Answered", "T": b"\\Deleted", "D": b"\\Draft"}


class Home:
    """A folder that a program takes for its user's home. A user can be named for programs that do not serve root."""

    def __init__(self, gateway, user=None):
        # In memory where there is a place: some programs sync the disk for each message.
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="h", dir=os.environ.get("GOSBRIDGE_MEMORY")))
        self.user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user and os.geteuid() == 0 else {}
        self.ca = self.path / "ca.pem"
        shutil.copyfile(gateway.ca, self.ca)
        self.environment = {
            "HOME": str(self.path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "vt100", "TZ": "UTC",
            "TMPDIR": str(self.path)}

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        """Writes a file that only its owner reads, as programs want it of their configuration."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str):
            text = text.encode()
        path.write_bytes(text)
        path.chmod(0o600)
        return path

    def run(self, *argv, stdin="", status=0, patience=PATIENCE):
        """Runs a program to its end, and wants this status; what it said, stdout before stderr."""
        if self.user:
            for path in (self.path, *self.path.rglob("*")):
                os.chown(path, pwd.getpwnam(self.user["user"]).pw_uid, self.user["group"])
        done = run(*argv, stdin=stdin, patience=patience, env=self.environment, cwd=self.path, **self.user)
        said = done.stdout + done.stderr
        assert done.returncode == status, "%s ended with %d instead of %d:\n%s" % (argv[0], done.returncode, status, said)
        return said

    def terminal(self, *argv, status=0, patience=PATIENCE):
        """Runs a program on a terminal until it ends by itself, and wants this status; what it drew."""
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.path)
                os.execvpe(argv[0], [str(a) for a in argv], self.environment)
            finally:
                os._exit(127)
        drawn, ended = b"", False
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
            late = time.monotonic() + patience
            while not ended and time.monotonic() < late:
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        drawn += os.read(terminal, 65536)
                    except OSError:  # how Linux says that nobody has the terminal any more
                        ended = True
        finally:
            if not ended:
                os.kill(pid, signal.SIGKILL)
            got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(terminal)
        text = drawn.decode(errors="replace")
        assert ended, "%s did not end within %d s:\n%s" % (argv[0], patience, text)
        assert got == status, "%s ended with %d instead of %d:\n%s" % (argv[0], got, status, text)
        return text


class Programs(unittest.TestCase):
    """Tests with a gateway that notes what it refuses; of that nothing may happen but what a test has announced."""

    programs = ()
    flags = ()  # of quickstart
    _gateways = {}  # by flags; the classes of a file share theirs

    @classmethod
    def setUpClass(cls):
        need(*cls.programs)
        if cls.flags not in cls._gateways:
            gateway = Gateway()
            unittest.addModuleCleanup(cls._gateways.clear)
            unittest.addModuleCleanup(gateway.close)
            cls._gateways[cls.flags] = gateway.watched(*cls.flags)
        cls.gateway = cls._gateways[cls.flags]

    def setUp(self):
        self.home = Home(self.gateway)
        self.addCleanup(self.home.close)
        self.gateway.refused()  # of another test

    def tearDown(self):
        self.assertRefused()

    def assertRefused(self, *expected):
        """What clients were refused since the last look, no more and no less."""
        self.assertEqual(self.gateway.refused(), list(expected))

    def shown(self, number):
        return self.gateway.json("letter", "show", number)

    def settle(self, number, recipient=BODY):
        """Waits until a letter is delivered, and its recipient has all that comes with it."""
        with Mailbox(self.gateway, recipient) as m:
            only(m, "INBOX", number)
            m.wait_number("Receipts", number)

    def latest(self, sender):
        """The number of the last letter that an account sent."""
        listed = self.gateway.json("letter", "list", "--account", sender)
        return max(letter["number"] for letter in listed)


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def maildir(path):
    """The files of a Maildir folder as octets with their flags, by file."""
    found = {}
    for place in ("new", "cur"):
        for file in (path / place).iterdir():
            found[file] = (file.read_bytes(), set(file.name.partition(":2,")[2]))
    return found


def maildir_flags(flags):
    """Flags of a message as the name of its file in a Maildir has them; keywords have no place there."""
    return {letter for letter, flag in FLAGS.items() if flag in flags}


def unix(octets):
    """A message as programs keep it on a Unix disk: lines end with LF."""
    return octets.replace(b"\r\n", b"\n")


class Background:
    """A program that stays until it is ended."""

    def __init__(self, home, *argv):
        self.said = home.path / "background"
        with open(self.said, "wb") as out:
            self.process = start(argv, out, env=home.environment, cwd=home.path)

    def output(self):
        return self.said.read_text(errors="replace")

    def end(self):
        end(self.process)

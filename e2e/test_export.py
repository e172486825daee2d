"""An account written as Maildir and mbox: other programs read it, and it comes back as it was."""

import importlib.util
import pathlib
import re
import sysconfig

import letters
from mailbox import Mailbox, fill, utf7
from programs import Programs, maildir, maildir_flags, sha256, unix

U1, U2, U3 = ("u%d@bench.example" % i for i in (1, 2, 3))
SUB = "Дела/№ 5.1"
MAILDIR = r".&BBQENQQ7BDA-.&IRY- 5\2e1"
MBOX = r"Дела.№ 5\2e1.mbox"


def library():
    """Python's own module mailbox; here another has that name."""
    path = pathlib.Path(sysconfig.get_paths()["stdlib"]) / "mailbox.py"
    spec = importlib.util.spec_from_file_location("library_mailbox", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Export(Programs):
    flags = ("--load-test", "3")
    programs = ("mutt",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with Mailbox(cls.gateway, U1) as m:
            m.ok(m.imap.create(utf7(SUB)))
            m.ok(m.imap.subscribe(utf7(SUB)))
        # What a reader of mbox could take for its own.
        odd = letters.plain("From here", ">From there", "", "From MAILER-DAEMON Sat Nov 28 16:05:07 2026", "", "end",
                            header=["Status: RO", "X-Status: D", "X-Keywords: own"])
        fill(cls.gateway, U1, SUB, [*letters.archive(40), (odd, "\\Deleted \\Draft $Forwarded"), (odd[:-2], "")])
        cls.out = {}
        for form in ("maildir", "mbox"):
            cls.out[form] = cls.gateway.temp / form
            cls.told = cls.gateway.json("store", "export", U1, cls.out[form], "--format", form)

    def setUp(self):
        super().setUp()
        with Mailbox(self.gateway, U1) as m:
            self.there = [(octets, flags) for _, (octets, flags) in sorted(m.everything(SUB).items())]
        self.assertEqual(len(self.there), 42)

    def assertSame(self, got):
        """Octets, their line ends aside, and flags by letter, in some order."""
        want = [(sha256(unix(octets)), "".join(sorted(maildir_flags(flags)))) for octets, flags in self.there]
        self.assertEqual(sorted(got), sorted(want))

    def test_library_maildir(self):
        """mailbox.Maildir has the folders, octets and flags"""
        tree = library().Maildir(self.out["maildir"], create=False)
        self.assertIn(MAILDIR[1:], tree.list_folders())
        folder = tree.get_folder(MAILDIR[1:])
        self.assertSame([(sha256(unix(folder.get_bytes(key))), re.sub("[^A-Z]", "", folder[key].get_flags()))
                         for key in folder.keys()])

    def test_library_mbox(self):
        """mailbox.mbox has the messages and flags; of its own fields and quoting it knows less"""
        box = library().mbox(self.out["mbox"] / MBOX, create=False)
        self.assertEqual(len(box), 42)
        letter = {"R": "S", "A": "R", "F": "F", "T": "D", "D": "T"}
        got = []
        for key in box.keys():
            octets = re.sub(rb"\A((Status|X-Status|X-Keywords|X-Mbox-Octets): [^\n]*\n){4}", b"", unix(box.get_bytes(key)))
            octets = re.sub(rb"(?m)^>(>*From )", rb"\1", octets)
            got.append((octets.rstrip(b"\n"), {letter[f] for f in box[key].get_flags() if f in letter}))
        # The flags of the last two are not looked at: to Python the messages' own fields Status count, too.
        self.assertEqual([octets for octets, _ in got], [unix(octets).rstrip(b"\n") for octets, _ in self.there])
        self.assertEqual([flags for _, flags in got[:40]], [maildir_flags(flags) for _, flags in self.there[:40]])

    def mutt(self, source):
        """Copies all messages of a folder into a Maildir, and counts them there."""
        saved = self.home.path / "saved"
        config = self.home.write("muttrc", """
set charset=utf-8 tmpdir=%s mbox_type=Maildir folder=%s spoolfile=/dev/null record=""
set quit=yes move=no mark_old=no resolve=no confirmappend=no confirmcreate=no wait_key=no
push "<tag-pattern>~A<enter><tag-prefix><copy-message>%s<enter><quit>"
""" % (self.home.path, self.home.path, saved))
        self.home.terminal("mutt", "-F", config, "-R", "-f", source)
        got = []
        for octets, flags in maildir(saved).values():
            octets = re.sub(rb"(?m)^(Content-Length|Lines|X-Mbox-Octets|X-Keywords|Status|X-Status): [^\n]*\n", b"", unix(octets))
            got.append((octets.rstrip(b"\n"), flags & set("FRS")))
        return got

    def test_mutt(self):
        """mutt opens both, and has each message with its flags"""
        want = [(re.sub(rb"(?m)^(X-Keywords|Status|X-Status): [^\n]*\n", b"", unix(octets)).rstrip(b"\n"),
                 "".join(sorted(maildir_flags(flags) & set("FRS")))) for octets, flags in self.there[:40]]
        for source in (self.out["maildir"] / MAILDIR, self.out["mbox"] / MBOX):
            got = [(re.sub(rb"(?m)^>From ", b"From ", octets), "".join(sorted(flags))) for octets, flags in self.mutt(source)
                   if b"X-Count" in octets]
            self.assertEqual(sorted(got), sorted(want))
            for file in list((self.home.path / "saved").rglob("*")):
                if file.is_file():
                    file.unlink()

    def test_back(self):
        """both come back octet for octet, with flags and keywords, into another account"""
        for form, user in (("maildir", U2), ("mbox", U3)):
            with Mailbox(self.gateway, user) as m:
                before = {name: m.status(name)["MESSAGES"] for name in m.names()}
            told = self.gateway.json("store", "import", user, self.out[form], "--format", form)
            self.assertEqual(told["messages"], self.told["messages"])
            again = self.gateway.json("store", "import", user, self.out[form], "--format", form)
            self.assertEqual((again["messages"], again["already"]), (0, told["messages"]))
            with Mailbox(self.gateway, user) as m:
                self.assertNotIn(SUB, before)
                self.assertIn(SUB, m.names())
                self.assertEqual([pair for _, pair in sorted(m.everything(SUB).items())], self.there)

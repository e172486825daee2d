"""The first command that a newcomer runs, and its folder."""

import os
import re
import unittest

import letters
from house import BINARY, BODY, PORTS, SENDER, Gateway, run
from mail import connect, send, talk
from mailbox import Idle, Mailbox

STEPS = ("logged in at", "250 2.6.0 accepted as GP-", "Letter-Held", "Letter-Delivered", "opened it in INBOX",
         "its signature is valid", "Letter-Opened", "receipt SubmissionAcceptance", "receipt ContentConsignment",
         "receipt ContentHandover", "The letter went through.")


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)

    def once(self, *flags, status=0):
        argv = ["quickstart", "--data", self.gateway.data, "--once", *flags]
        for name in PORTS:
            if "--%s-port" % name not in flags:
                argv += ["--%s-port" % name, self.gateway.ports[name]]
        done = run(BINARY, *argv)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_once(self):
        """--once tells every step, and ends with status 0"""
        said = self.once()
        at = 0
        for step in STEPS:
            self.assertIn(step, said[at:], "missing or out of order")
            at = said.index(step, at)
        self.assertIn("as shipped: 5m", said)
        self.assertIn("went through", self.once(), "a second time with the same folder")

    def test_once_that_fails(self):
        """--once ends with another status when a step fails"""
        self.once()
        key = self.gateway.data / "keys" / "romashka.key"
        config = self.gateway.config
        # Without the organisation's key nobody can sign the registered letter.
        parts = re.split(r"(?m)^(?=\[)", config.read_text())
        config.write_text("".join(p for p in parts if key.name not in p))
        self.assertIn("signature-missing", self.once(status=1))

    def test_without_imap(self):
        """a demonstration without IMAP is a mistake of usage"""
        self.once("--imaps-port", "0", "--imap-port", "0", status=2)

    def test_ports_off(self):
        """a port of 0 is off"""
        self.gateway.ports["smtp"] = self.gateway.ports["imap"] = 0
        self.gateway.quickstart()
        self.assertEqual(set(self.gateway.ready["ports"]), {"smtps", "imaps"})
        self.assertTrue(send(self.gateway, letters.compose(), BODY).number)

    def test_ready_file(self):
        """the ready file is for its owner only, and says what a script needs"""
        ready = self.gateway.quickstart().ready
        self.assertEqual(self.gateway.ready_mode, 0o600)
        self.assertEqual(ready["ports"], self.gateway.ports)
        self.assertEqual(ready["ca"], str(self.gateway.ca))
        self.assertEqual(ready["config"], str(self.gateway.config))
        self.assertEqual({BODY, SENDER} - set(ready["registry"]), set())
        self.assertEqual({a["class"] for a in ready["accounts"]}, {"person", "system", "archive"})
        for a in ready["accounts"]:
            self.assertTrue(a["password"] and a["organisation"] and a["address"])
        self.assertIn(ready["accounts"][0]["password"], self.gateway.output())

    def test_second_start(self):
        """a second start keeps accounts, passwords, letters and UIDs"""
        self.gateway.quickstart()
        accounts = self.gateway.ready["accounts"]
        octets = letters.compose(subject="до остановки")
        number = send(self.gateway, octets, BODY).number
        with Mailbox(self.gateway, BODY) as m:
            uid, = m.wait_number("INBOX", number)
            before = m.fetch(uid)
            validity = m.imap.response("UIDVALIDITY")[1]
        self.gateway.stop()
        ca = self.gateway.ca.read_bytes()
        self.gateway.quickstart()
        self.assertEqual(self.gateway.ready["accounts"], accounts)
        self.assertEqual(self.gateway.ca.read_bytes(), ca)
        with Mailbox(self.gateway, BODY) as m:
            self.assertEqual(m.wait_number("INBOX", number), [uid])
            self.assertEqual(m.fetch(uid), before)
            self.assertEqual(m.imap.response("UIDVALIDITY")[1], validity)
        self.assertEqual(send(self.gateway, octets, BODY).number, number, "sent again after the restart")

    def test_second_server(self):
        """a second server on the same folder is refused, and says why"""
        self.gateway.quickstart()
        other = Gateway(self.gateway.data)
        self.addCleanup(other.close)
        for command in (["quickstart", "--data", self.gateway.data], ["serve", "--config", self.gateway.config]):
            if command[0] == "quickstart":
                for name in PORTS:
                    command += ["--%s-port" % name, other.ports[name]]
            done = run(BINARY, *command)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertRegex(done.stderr, "(?i)in use|locked|another")
            self.assertIn("store", done.stderr)
        self.assertTrue(send(self.gateway, letters.compose(), BODY).number, "the first one goes on")

    def test_port_in_use(self):
        """a port that is taken is a clear error"""
        other = Gateway()
        self.addCleanup(other.close)
        other.quickstart()
        self.gateway.ports["smtps"] = other.ports["smtps"]
        self.assertIn(str(other.ports["smtps"]), self.once(status=1))

    def test_foreign_folder(self):
        """a folder with something else in it is left alone"""
        self.gateway.data.mkdir()
        (self.gateway.data / "letter.txt").write_text("mine")
        self.assertIn(str(self.gateway.data), self.once(status=1))
        self.assertEqual(os.listdir(self.gateway.data), ["letter.txt"])

    def test_end(self):
        """SIGTERM ends it in order, and says so to clients that wait"""
        self.gateway.quickstart()
        smtp, idle = connect(self.gateway), Idle(self.gateway, BODY, "INBOX")
        self.gateway.stop()
        self.assertEqual(smtp.getreply()[0], 421)
        idle.until(rb"^\* BYE")


class LoadTest(unittest.TestCase):
    """The folder for load generators."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart("--load-test", "2")
        for user in ("u1@bench.example", "u2@bench.example"):
            assert cls.gateway.password(user) == "secret"

    def test_way(self):
        """logins in the clear, and a letter type that checks nothing"""
        with connect(self.gateway, secure="none") as c:
            c.login("u1@bench.example", "secret")
            octets = letters.compose(sender="u1@bench.example", to="u2@bench.example", subject="ж" * 500,
                                     files=[("a.zip", b"no archive")])
            number = talk(c, "u1@bench.example", ["u2@bench.example"], octets).number
        with Mailbox(self.gateway, "u2@bench.example") as m:
            self.assertEqual(len(m.wait_number("INBOX", number)), 1)

    def test_others_are_as_ever(self):
        """the other accounts keep their passwords and rules"""
        reply = send(self.gateway, letters.compose(subject="ж" * 500), BODY)
        self.assertEqual(reply.reasons, ["subject-too-long"], reply)


class LoadTestElsewhere(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)

    def test_not_served_to_others(self):
        """serve refuses the folder on another address than loopback, in the clear or not"""
        self.gateway.quickstart("--load-test", "2")
        self.gateway.stop()
        self.gateway.place()
        text = self.gateway.config.read_text()
        for plaintext in ("true", "false"):
            changed = text.replace("127.0.0.1:", "0.0.0.0:").replace("plaintext = true", "plaintext = " + plaintext)
            self.gateway.config.write_text(changed)
            done = run(BINARY, "serve", "--config", self.gateway.config)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("loopback", done.stderr)
        self.gateway.config.write_text(text)
        self.gateway.serve()
        with connect(self.gateway, secure="none") as c:
            c.login("u1@bench.example", "secret")

    def test_only_new(self):
        """--load-test with a folder that is there is refused"""
        self.gateway.quickstart()
        self.gateway.stop()
        done = run(BINARY, "quickstart", "--data", self.gateway.data, "--load-test", "2")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("new folder", done.stderr)

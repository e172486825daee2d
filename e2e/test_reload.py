"""Reloading and ending sessions while the gateway serves."""

import imaplib
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import unittest

import letters
from house import BINARY, BODY, SENDER, Gateway, run, wait_for
from mail import login, send, talk
from mailbox import Idle, Mailbox


def simple(**options):
    return letters.compose(kind="simple", **options)


class Reloads(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)
        self.gateway.quickstart()
        self.gateway.stop()
        self.gateway.serve()
        self.whole = self.gateway.config.read_text()

    def edit(self, pattern, fresh):
        """Changes the first match of a pattern in the configuration."""
        text, n = re.subn(pattern, fresh, self.gateway.config.read_text(), count=1)
        self.assertEqual(n, 1, "the configuration has no %s" % pattern)
        self.gateway.config.write_text(text)

    def in_profile(self, kind, key, value):
        """Sets a key of a letter type, which the file may have or not."""
        text = self.gateway.config.read_text()
        table = "[profile.%s]\n" % kind
        if table not in text:
            text += "\n" + table
        before, after = text.split(table)
        mine, bracket, rest = after.partition("\n[")
        mine = re.sub(r"(?m)^%s = .*\n?" % key, "", mine)
        self.gateway.config.write_text(before + table + "%s = %s\n" % (key, value) + mine + bracket + rest)

    def hangup(self, expected):
        """Sends SIGHUP and waits for what the log then says."""
        seen = len(self.gateway.output())
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_for(expected, lambda: re.search(expected, self.gateway.output()[seen:]))
        self.assertIsNone(self.gateway.process.poll())
        return self.gateway.output()[seen:]

    def certificate(self, name="imaps"):
        """The certificate that a new connection is shown, verified."""
        with socket.create_connection(("127.0.0.1", self.gateway.ports[name]), timeout=10) as plain:
            with self.gateway.tls().wrap_socket(plain, server_hostname="localhost") as s:
                return s.getpeercert(binary_form=True)

    def renew(self):
        """A new key and certificate in place of the listeners', made by openssl; its DER."""
        keys = self.gateway.data / "keys"
        request, extensions = self.gateway.temp / "renew.csr", self.gateway.temp / "renew.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n")
        for argv in (
                ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=renewed",
                 "-keyout", keys / "listener.key", "-out", request],
                ["x509", "-req", "-in", request, "-CA", keys / "ca.pem", "-CAkey", keys / "ca.key", "-CAcreateserial",
                 "-CAserial", self.gateway.temp / "serial", "-days", "30", "-extfile", extensions, "-out", keys / "listener.pem"]):
            done = run("openssl", *argv)
            self.assertEqual(done.returncode, 0, done.stderr)
        os.chmod(keys / "listener.key", 0o600)
        return ssl.PEM_cert_to_DER_cert((keys / "listener.pem").read_text())

    def test_certificate(self):
        """a renewed certificate is served after SIGHUP, on every port; a session that idles stays"""
        before = self.certificate()
        idle = Idle(self.gateway, BODY, "INBOX")
        self.addCleanup(idle.close)
        smtp = login(self.gateway)
        self.addCleanup(smtp.close)
        fresh = self.renew()
        self.assertEqual(self.certificate(), before, "the files alone changed what is served")
        said = self.hangup("msg=reloaded")
        self.assertRegex(said, r"listener\[0\]\.certificate \(content\)")
        for name in ("imaps", "smtps"):
            self.assertEqual(self.certificate(name), fresh)
        done = run("openssl", "s_client", "-connect", "127.0.0.1:%d" % self.gateway.ports["smtp"], "-starttls", "smtp",
                   "-CAfile", self.gateway.ca, "-verify_return_error", stdin="QUIT\r\n")
        self.assertIn("subject=CN = renewed", done.stdout)
        reply = talk(smtp, SENDER, [BODY], simple(subject="After the reload"))
        self.assertEqual(reply.code, 250, reply)
        idle.until(rb"EXISTS")

    def test_profile(self):
        """a changed letter type refuses what it took; letters that were accepted keep their terms"""
        self.in_profile("registered", "recall_window", '"1h"')
        self.in_profile("registered", "recall", '"hold"')
        changed = {c["key"]: c for c in self.gateway.json("reload")["changed"]}
        self.assertEqual(changed["profile.registered.recall_window"]["new"], "1h")
        held = send(self.gateway, letters.registered(), BODY)
        self.assertEqual(send(self.gateway, simple(subject="Longer than ten"), BODY).code, 250)
        self.in_profile("simple", "subject_max", "10")
        self.in_profile("registered", "recall", '"none"')
        said = self.gateway.command("reload")
        self.assertRegex(said, r"profile\.simple\.subject_max +150 +-> +10")
        refused = send(self.gateway, simple(subject="Longer than ten"), BODY)
        self.assertEqual((refused.code, refused.reasons), (550, ["subject-too-long"]), refused)
        letter = self.gateway.json("letter", "show", held.number)
        self.assertEqual(letter["state"], "accepted")
        self.gateway.command("letter", "recall", held.number)
        self.assertEqual(self.gateway.json("letter", "show", held.number)["state"], "recalled")
        # What is in force is what the file says: a restart changes nothing.
        self.gateway.stop()
        self.gateway.serve()
        self.assertEqual(send(self.gateway, simple(subject="Longer than ten"), BODY).code, 550)

    def test_broken(self):
        """a configuration with faults leaves all as it is, by signal and by command, and every fault is named"""
        before = self.certificate()
        self.renew()
        self.in_profile("simple", "subject_max", "10")
        self.edit(r"(?m)^login_free = .*$", "login_free = 0")
        self.edit(r"(?m)^idle_timeout = .*$", 'idle_timeout = "0s"')
        said = self.hangup("reload refused.*limits.idle_timeout")
        self.assertIn("limits.login_free: must be above zero", said)
        done = run(BINARY, "--config", self.gateway.config, "reload", "--json")
        self.assertEqual(done.returncode, 1)
        out = json.loads(done.stdout)
        self.assertEqual(len(out["faults"]), 2, out)
        self.assertEqual(out["changed"] + out["restart"], [])
        self.gateway.config.write_text(self.whole)
        (self.gateway.data / "keys" / "operator.pem").rename(self.gateway.data / "keys" / "away.pem")
        self.in_profile("simple", "subject_max", "10")
        self.hangup("reload refused.*operator.pem")
        self.assertEqual(self.certificate(), before)
        self.assertEqual(send(self.gateway, simple(subject="Longer than ten"), BODY).code, 250)

    def test_restart(self):
        """a listener's changed port is named as needing a restart, and the old one is still served"""
        old, other = self.gateway.ports["imaps"], Gateway()
        self.addCleanup(other.close)
        new = other.ports["imaps"]
        self.edit(r"127\.0\.0\.1:%d" % old, "127.0.0.1:%d" % new)
        said = self.hangup("needs a restart.*listener")
        self.assertRegex(said, r"imap 127\.0\.0\.1:%d tls=implicit.*imap 127\.0\.0\.1:%d tls=implicit" % (old, new))
        said = self.gateway.command("reload")
        self.assertRegex(said, r"(?s)needs a restart.*listener\[2\] +imap 127\.0\.0\.1:%d tls=implicit +-> +imap 127\.0\.0\.1:%d" % (old, new))
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", new), timeout=5)

    def test_start_up(self):
        """SIGHUPs while it starts end neither serve nor quickstart"""
        self.gateway.stop()
        seen = len(self.gateway.output())
        self.gateway._start(["serve", "--config", self.gateway.config])
        wait_for("its first line", lambda: "msg=configuration" in self.gateway.output()[seen:], every=0.001)
        for _ in range(5):
            self.gateway.process.send_signal(signal.SIGHUP)
        wait_for("a reload", lambda: "msg=reloaded" in self.gateway.output()[seen:])
        self.assertTrue(self.gateway.listening("imaps"))
        self.gateway.stop()
        seen = len(self.gateway.output())
        argv = ["quickstart", "--data", self.gateway.data]
        for name, port in self.gateway.ports.items():
            argv += ["--%s-port" % name, port]
        self.gateway._start(argv)
        wait_for("its first line", lambda: "as it is" in self.gateway.output()[seen:], every=0.001)
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the end of the demonstration", lambda: "Serving." in self.gateway.output()[seen:])
        self.in_profile("simple", "subject_max", "10")
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the changed type", lambda: send(self.gateway, simple(subject="Longer than ten"), BODY).code == 550)
        self.gateway.stop()

    def test_kick(self):
        """sessions are listed and ended: one that idles is told at once, another account's goes on"""
        kicked = Mailbox(self.gateway, SENDER).select("INBOX").imap
        stays = Mailbox(self.gateway, BODY).select("INBOX")
        smtp = login(self.gateway)
        tag = kicked._new_tag()
        kicked.send(tag + b" IDLE\r\n")
        self.assertTrue(kicked.readline().startswith(b"+ "))
        listed = wait_for("the idling session", lambda: [
            s for s in self.gateway.json("session", "list", "--account", SENDER) if s["state"] == "idle"])
        self.assertEqual(len(listed), 1)
        self.assertEqual((listed[0]["protocol"], listed[0]["account"], listed[0]["class"], listed[0]["tls"]),
                         ("imap", SENDER, "person", "TLS 1.3"))
        self.assertEqual(listed[0]["remote"], "127.0.0.1:%d" % kicked.sock.getsockname()[1])
        self.assertNotIn("INBOX", json.dumps(self.gateway.json("session", "list")))
        self.assertEqual(len(self.gateway.json("session", "list")), 3)
        self.assertIn("sessions ended: 1", self.gateway.command("session", "kick", listed[0]["id"]))
        self.assertTrue(kicked.readline().startswith(b"* BYE session ended by the operator"))
        self.assertEqual(kicked.readline(), b"")
        self.gateway.command("session", "kick", listed[0]["id"], status=3)
        self.assertIn("sessions ended: 1", self.gateway.command("session", "kick", "--account", SENDER))
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            code, text = smtp.noop()
            self.assertEqual((code, text), (421, b"4.3.2 session ended by the operator"))
            smtp.noop()
        stays.ok(stays.imap.noop())
        self.assertEqual([s["account"] for s in self.gateway.json("session", "list")], [BODY])
        with self.assertRaises(imaplib.IMAP4.abort):
            kicked.noop()
        self.gateway.stop()
        self.assertEqual(self.gateway.json("session", "list"), [])
        self.assertIn("no gateway is serving", self.gateway.command("session", "kick", "--account", SENDER, status=1))


if __name__ == "__main__":
    unittest.main()

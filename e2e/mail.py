"""Sending letters: smtplib, raw dialogues, swaks and curl."""

import re
import smtplib
import socket
import ssl

from house import PATIENCE, SENDER, run

NUMBER = re.compile(r"GP-\d{6}-\d{8}-\d")


class Reply:
    """The last reply of a dialogue, its lines without the code."""

    def __init__(self, code, text):
        self.code = code
        self.text = text.decode() if isinstance(text, bytes) else text
        self.lines = self.text.splitlines()

    @property
    def number(self):
        found = NUMBER.search(self.text)
        assert self.code == 250 and found, "no letter number in %r" % self
        return found.group()

    @property
    def reasons(self):
        """The reason codes of a refusal, in order."""
        return [m.group(1) for m in (re.match(r"\d\.\d+\.\d+ ([a-z-]+): ", line) for line in self.lines) if m]

    def __repr__(self):
        return "%d %s" % (self.code, self.text)


def connect(gateway, secure="tls", timeout=PATIENCE):
    """An SMTP connection: with TLS, after STARTTLS, or without either."""
    if secure == "tls":
        return smtplib.SMTP_SSL("localhost", gateway.ports["smtps"], timeout=timeout, context=gateway.tls())
    c = smtplib.SMTP("localhost", gateway.ports["smtp"], timeout=timeout)
    if secure == "starttls":
        c.starttls(context=gateway.tls())
        c.ehlo()
    return c


def login(gateway, user=SENDER, kind="person", **how):
    c = connect(gateway, **how)
    c.login(user, gateway.password(user, kind))
    return c


def talk(c, sender, recipients, octets, mail_options=(), rcpt_options=()):
    """One transaction on a connection; the reply that ended it."""
    c.ehlo_or_helo_if_needed()
    code, text = c.mail(sender, mail_options)
    if code == 250:
        for r in recipients:
            code, text = c.rcpt(r, rcpt_options)
            if code != 250:
                break
    if code == 250:
        code, text = c.data(octets)
    if code != 250:
        c.rset()
    return Reply(code, text)


def send(gateway, octets, to, sender=SENDER, kind="person", user=None, **how):
    """Sends one letter on a connection of its own."""
    with login(gateway, user or sender, kind, **how) as c:
        return talk(c, sender, [to] if isinstance(to, str) else to, octets)


class Raw:
    """SMTP by hand, over TLS, for what smtplib would never send."""

    def __init__(self, gateway, timeout=PATIENCE):
        plain = socket.create_connection(("127.0.0.1", gateway.ports["smtps"]), timeout=timeout)
        self.socket = gateway.tls().wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.expect(220)

    def expect(self, code):
        text = []
        while True:
            line = self.file.readline()
            assert line, "connection closed instead of %d" % code
            text.append(line[4:].rstrip(b"\r\n"))
            if line[3:4] != b"-":
                break
        assert int(line[:3]) == code, "%s instead of %d" % (line, code)
        return Reply(code, b"\n".join(text))

    def say(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.expect(code)

    def begin(self, gateway, sender, to):
        """Everything up to the 354 of DATA."""
        import base64
        login = base64.b64encode(("\0%s\0%s" % (sender, gateway.password(sender))).encode()).decode()
        self.say("EHLO client.example", 250)
        self.say("AUTH PLAIN " + login, 235)
        self.say("MAIL FROM:<%s>" % sender, 250)
        self.say("RCPT TO:<%s>" % to, 250)
        self.say("DATA", 354)

    def vanish(self):
        """Resets the connection, as a client that lost power or network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.file.close()
        try:
            self.socket.close()
        except (OSError, ssl.SSLError):
            pass


def swaks(gateway, letter, to, sender=SENDER, secure="tls", mechanism="PLAIN"):
    """Sends a letter that is a file with swaks; its transcript."""
    port, how = (gateway.ports["smtps"], "--tls-on-connect") if secure == "tls" else (gateway.ports["smtp"], "--tls")
    done = run(
        "swaks", "--server", "localhost", "--port", port, how, "--tls-verify", "--tls-ca-path", gateway.ca,
        "--auth", mechanism, "--auth-user", sender, "--auth-password", gateway.password(sender), "--auth-hide-password",
        "--from", sender, "--to", to, "--data", "@%s" % letter, "--no-data-fixup", "--helo", "client.example",
        "--timeout", PATIENCE)
    assert done.returncode == 0, "swaks ended with %d:\n%s%s" % (done.returncode, done.stdout, done.stderr)
    return Reply(250, done.stdout)


def curl_send(gateway, letter, to, sender=SENDER):
    """Sends a letter that is a file with curl."""
    done = curl(gateway, sender, "--url", "smtps://localhost:%d/client.example" % gateway.ports["smtps"],
                "--mail-from", sender, "--mail-rcpt", to, "--upload-file", letter, "--verbose")
    assert done.returncode == 0, "curl ended with %d:\n%s" % (done.returncode, done.stderr.decode())
    return Reply(250, done.stderr)


def curl(gateway, user, *argv, kind="person"):
    """curl with a login, which stands in no command line; output as octets."""
    secret = 'user = "%s:%s"\n' % (user, gateway.password(user, kind))
    return run("curl", "--silent", "--show-error", "--config", "-", "--cacert", gateway.ca, "--max-time", PATIENCE,
               *argv, stdin=secret.encode())

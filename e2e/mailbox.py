"""Reading mailboxes: imaplib, a raw connection for IDLE, and curl."""

import base64
import hashlib
import imaplib
import re
import select
import socket
import time

from house import PATIENCE, SENDER, wait_for
from mail import curl


class Mailbox:
    """An account over imaplib."""

    def __init__(self, gateway, user, kind="person", secure="tls"):
        if secure == "tls":
            self.imap = imaplib.IMAP4_SSL("localhost", gateway.ports["imaps"], ssl_context=gateway.tls(), timeout=PATIENCE)
        else:
            self.imap = imaplib.IMAP4("localhost", gateway.ports["imap"], timeout=PATIENCE)
            self.imap.starttls(gateway.tls())
        self.imap.login(user, gateway.password(user, kind))
        self.readonly = kind == "archive"  # to whom every mailbox is read-only

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.imap.logout()
        except (imaplib.IMAP4.error, OSError):
            pass

    def ok(self, answer):
        kind, data = answer
        assert kind == "OK", "IMAP answered %s %s" % (kind, data)
        return data

    def select(self, name):
        self.ok(self.imap.select(utf7(name), readonly=self.readonly))
        return self

    def uids(self, *criteria, charset=None, literal=None):
        """UID SEARCH; a literal ends the criteria in the charset."""
        if literal is not None:
            self.imap.literal = literal
        head = ("CHARSET", charset) if charset else ()
        data = self.ok(self.imap.uid("SEARCH", *head, *criteria))
        return [int(u) for u in (data[0] or b"").split()]

    def search_text(self, key, text, charset="UTF-8"):
        return self.uids(key, charset=charset, literal=text.encode(charset))

    def by_number(self, number):
        return self.uids("HEADER", "X-Letter-Number", number)

    def fetch(self, uid, peek=True):
        """The octets of a message."""
        data = self.ok(self.imap.uid("FETCH", str(uid), "(BODY%s[])" % (".PEEK" if peek else "")))
        for item in data:
            if isinstance(item, tuple):
                return item[1]
        raise AssertionError("no message %s: %r" % (uid, data))

    def flags(self, uid):
        data = self.ok(self.imap.uid("FETCH", str(uid), "(FLAGS)"))
        return set(imaplib.ParseFlags(data[0]) if data[0] else ())

    def keywords(self, uid):
        return {f.decode() for f in self.flags(uid) if f.startswith(b"Letter-")}

    def everything(self, name):
        """A mailbox as it is: octets and flags of each message, by UID."""
        self.select(name)
        found = {}
        for item in self.ok(self.imap.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")):
            if isinstance(item, tuple):
                found[int(re.search(rb"UID (\d+)", item[0]).group(1))] = (item[1], set(imaplib.ParseFlags(item[0])))
        return found

    def standing(self):
        """All of the account: octets, as their digest, and flags of INBOX, and the counts of each mailbox."""
        inbox = {uid: (hashlib.sha256(octets).hexdigest(), flags) for uid, (octets, flags) in self.everything("INBOX").items()}
        return inbox, {name: self.status(name) for name in self.names()}

    def store(self, uid, change, *flags):
        self.ok(self.imap.uid("STORE", str(uid), change, "(%s)" % " ".join(flags)))

    def remove(self, uid):
        self.store(uid, "+FLAGS", "\\Deleted")
        self.ok(self.imap.uid("EXPUNGE", str(uid)))

    def status(self, name):
        """What the server counts, the mod-sequence with it: two that are equal have nothing between them."""
        data = self.ok(self.imap.status(utf7(name), "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"))
        return dict(re.findall(r"(\w+) (\d+)", data[0].decode().rpartition("(")[2]))

    def names(self):
        """The mailboxes, decoded."""
        found = set()
        for line in self.ok(self.imap.list()):
            name = re.search(rb'\) (?:"/"|NIL) "?([^"]*)"?$', line).group(1).decode()
            found.add(from_utf7(name))
        return found

    def header(self, uids, name):
        """One header field of messages, by UID; "" where it is absent."""
        if not uids:
            return {}
        found = {}
        wanted = ",".join(map(str, uids))
        for item in self.ok(self.imap.uid("FETCH", wanted, "(UID BODY.PEEK[HEADER.FIELDS (%s)])" % name)):
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
                found[uid] = item[1].decode().partition(":")[2].strip()
        return found

    def wait_number(self, name, number, count=1, patience=PATIENCE):
        """Waits for messages of a letter in a mailbox; their UIDs."""
        def look():
            self.select(name)
            got = self.by_number(number)
            return got if len(got) >= count else None
        return wait_for("%d messages of %s in %s" % (count, number, name), look, patience)


def utf7(name):
    """A mailbox name in modified UTF-7 (RFC 3501, 5.1.3), quoted."""
    def coded(match):
        text = base64.b64encode(match.group().encode("utf-16be")).decode()
        return "&%s-" % text.rstrip("=").replace("/", ",")
    return '"%s"' % re.sub(r"[^\x20-\x7e]+", coded, name.replace("&", "&-"))


def from_utf7(name):
    def plain(match):
        text = match.group(1).replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16be") if text else "&"
    return re.sub(r"&([^-]*)-", plain, name)


def fill(gateway, user, name, messages):
    """Appends messages, (octets, flags) each, as a client does that sends ahead."""
    with Mailbox(gateway, user) as m:
        for begin in range(0, len(messages), 100):
            part = messages[begin:begin + 100]
            out = b"".join(b"f%d APPEND %s (%s) {%d+}\r\n%s\r\n" % (i, utf7(name).encode(), flags.encode(), len(octets), octets)
                           for i, (octets, flags) in enumerate(part))
            m.imap.sock.sendall(out)
            for i in range(len(part)):
                line = m.imap.readline()
                assert line.startswith(b"f%d OK [APPENDUID " % i), line


def only(mailbox, name, number):
    """The UID of a letter that is in a mailbox once."""
    got = mailbox.wait_number(name, number)
    assert len(got) == 1, "%d messages of %s in %s" % (len(got), number, name)
    return got[0]


class Idle:
    """A raw connection that idles: it sends nothing, and notes what it is
    told and when."""

    def __init__(self, gateway, user, name):
        plain = socket.create_connection(("127.0.0.1", gateway.ports["imaps"]), timeout=PATIENCE)
        self.socket = gateway.tls().wrap_socket(plain, server_hostname="localhost")
        self.buffer = b""
        self.heard = []
        self.line()
        self.say(b"a LOGIN %s %s" % (user.encode(), gateway.password(user).encode()), b"a OK")
        self.say(b"b SELECT %s" % name.encode(), b"b OK")
        self.say(b"c IDLE", b"+")

    def say(self, command, answer):
        self.socket.sendall(command + b"\r\n")
        while not (got := self.line()).startswith(answer):
            assert got.startswith(b"*"), "%r instead of %r" % (got, answer)

    def line(self, patience=PATIENCE):
        """The next line; the connection must say it in time."""
        end = time.monotonic() + patience
        while b"\r\n" not in self.buffer:
            left = end - time.monotonic()
            ready = self.socket.pending() or (left > 0 and select.select([self.socket], [], [], left)[0])
            if not ready:
                raise AssertionError("nothing was pushed for %d s; heard %r" % (patience, self.heard))
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("connection closed; heard %r" % self.heard)
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def until(self, pattern, patience=PATIENCE):
        """Waits for a pushed line that matches; when it came."""
        end = time.monotonic() + patience
        while True:
            line = self.line(max(0.1, end - time.monotonic()))
            self.heard.append(line)
            if re.search(pattern, line):
                return time.monotonic()

    def close(self):
        try:
            self.say(b"DONE", b"c OK")
            self.socket.close()
        except (OSError, AssertionError):
            self.socket.close()


def curl_read(gateway, user, name, uid, kind="person"):
    """A message as curl reads it."""
    done = curl(gateway, user, "--url", "imaps://localhost:%d/%s;UID=%d" % (gateway.ports["imaps"], name, uid), kind=kind)
    assert done.returncode == 0, "curl ended with %d:\n%s" % (done.returncode, done.stderr.decode())
    return done.stdout


def delivered(gateway, number, recipient, sender=SENDER):
    """Waits until a letter is in the recipient's INBOX; Sent and INBOX octets."""
    with Mailbox(gateway, recipient) as m:
        inbox = m.fetch(only(m, "INBOX", number))
    with Mailbox(gateway, sender) as m:
        sent = m.fetch(only(m, "Sent", number))
    return sent, inbox

"""Receipts and signatures, checked with openssl as docs/evidence.md tells."""

import email
import email.policy
import hashlib
import json
import pathlib
import re
import tempfile

from house import run
from mailbox import Mailbox


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def cms_verify(gateway, octets, *flags):
    """openssl cms -verify of a multipart/signed; status, what was signed, the
    signer's certificate as PEM, and what openssl said."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        folder = pathlib.Path(folder)
        (folder / "in.eml").write_bytes(octets)
        done = run("openssl", "cms", "-verify", *flags, "-CAfile", gateway.ca, "-in", folder / "in.eml",
                   "-signer", folder / "signer.pem", "-out", folder / "out")
        out, signer = folder / "out", folder / "signer.pem"
        return (done.returncode, out.read_bytes() if out.exists() else b"",
                signer.read_bytes() if signer.exists() else b"", done.stderr)


def certificate_sha256(pem):
    done = run("openssl", "x509", "-outform", "DER", stdin=pem)
    assert done.returncode == 0, done.stderr
    return sha256(done.stdout)


def certificate_names(pem):
    done = run("openssl", "x509", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus", stdin=pem.decode())
    assert done.returncode == 0, done.stderr
    return done.stdout


class Receipt:
    """A receipt that openssl has verified, taken apart."""

    def __init__(self, gateway, octets):
        self.octets = octets
        status, signed, self.signer, said = cms_verify(gateway, octets, "-cades")
        assert status == 0, "openssl does not accept the receipt: %s" % said
        assert "CAdES Verification successful" in said, said
        self.outer = email.message_from_bytes(octets, policy=email.policy.SMTP)
        self.signed = email.message_from_bytes(signed, policy=email.policy.SMTP)
        self.parts = {p.get_filename(): p.get_payload(decode=True) for p in self.signed.walk() if p.get_filename()}
        self.types = [p.get_content_type() for p in self.signed.walk()]
        text = [p for p in self.signed.walk() if p.get_content_type() == "text/plain"]
        self.text = text[0].get_content() if text else ""
        status_parts = [p for p in self.signed.walk() if p.get_content_type() in (
            "message/delivery-status", "message/disposition-notification")]
        assert len(status_parts) == 1, "parts of the report: %s" % self.types
        self.report = re.sub(r"\r?\n[ \t]+", " ", status_parts[0].as_bytes().decode())
        self.event = self.outer["X-Letter-Receipt"]
        self.evidence = json.loads(self.parts["evidence.json"]) if "evidence.json" in self.parts else None
        self.hash = self.field("X-Letter-Evidence-SHA256")

    def field(self, name):
        """A field of the signed report: what stands outside is not signed."""
        for line in self.report.splitlines():
            key, colon, value = line.partition(":")
            if colon and key.strip().lower() == name.lower():
                return value.strip()
        return None


def receipts(gateway, number, user, events, patience=30):
    """Waits for the receipts of a letter, and checks each. events tells how
    many there are of each event, no more and no less; lists by event."""
    count = sum(events.values())
    with Mailbox(gateway, user) as m:
        uids = m.wait_number("Receipts", number, count, patience)
        found = [Receipt(gateway, m.fetch(uid)) for uid in uids]
    by_event = {}
    for r in found:
        by_event.setdefault(r.event, []).append(r)
    got = {event: len(of) for event, of in by_event.items()}
    assert got == events, "receipts of %s: %s instead of %s" % (number, got, events)
    return by_event

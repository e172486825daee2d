"""Letters as mail programs write them: by the standard library's email
package, as octets with CRLF line ends."""

import email.policy
import email.utils
import itertools
from email.message import EmailMessage

from house import BODY, DOCUMENTS, SENDER

TEXT = "Добрый день!\n\nПрошу рассмотреть приложенные документы.\n\nС уважением,\nИванов И. И.\n"
TYPES = {
    ".pdf": ("application", "pdf"), ".jpg": ("image", "jpeg"), ".png": ("image", "png"), ".doc": ("application", "msword"),
    ".docx": ("application", "vnd.openxmlformats-officedocument.wordprocessingml.document"), ".zip": ("application", "zip"),
}
POLICY = email.policy.SMTP.clone(cte_type="7bit")

_count = itertools.count(1)


def compose(subject="Обращение", text=TEXT, to=BODY, sender=SENDER, files=(), kind=None, policy=POLICY, **headers):
    """A letter. files are (name, document of testdata or octets)."""
    m = EmailMessage(policy=policy)
    m["From"], m["To"], m["Subject"] = sender, to, subject
    m["Date"] = email.utils.formatdate(localtime=True)
    m["Message-ID"] = message_id()
    if kind:
        m["X-Letter-Type"] = kind
    for name, value in headers.items():
        m[name.replace("_", "-")] = value
    m.set_content(text)
    for name, content in files:
        if isinstance(content, str):
            content = (DOCUMENTS / content).read_bytes()
        main, sub = TYPES["." + name.rpartition(".")[2]]
        m.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return m.as_bytes()


def message_id():
    return "<%d.%s" % (next(_count), email.utils.make_msgid(domain="e2e.example")[1:])


def registered(**options):
    """A registered letter with a PDF."""
    options.setdefault("files", [("Обращение.pdf", "appeal.pdf")])
    return compose(kind="registered", **options)


def plain(*lines, header=()):
    """A letter by hand, from lines; only the line ends are made here."""
    head = ["From: " + SENDER, "To: " + BODY, "Subject: letter", "Message-ID: " + message_id(),
            "Date: Thu, 15 Jan 2026 09:30:00 +0300", *header]
    return "\r\n".join([*head, "", *lines, ""]).encode()


def archive(n):
    """n different messages as an old mailbox has them, with flags."""
    flags = ("", "\\Seen", "\\Seen \\Flagged", "\\Seen \\Answered")
    header = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    made = []
    for i in range(n):
        octets = plain("Письмо № %d" % i, ".", "..", "From a line", "", "x" * (i % 900), header=[*header, "X-Count: %d" % i])
        made.append((octets, flags[i % len(flags)]))
    return made


def header_of(octets):
    """The header with its last CRLF, and the body behind the blank line."""
    head, blank, body = octets.partition(b"\r\n\r\n")
    assert blank, "no end of the header in %r" % octets[:200]
    return head + b"\r\n", body


def fields(header):
    """The fields of a header as octets, folded lines together."""
    out = []
    for line in header.splitlines(keepends=True):
        if line[:1] in b" \t" and out:
            out[-1] += line
        else:
            out.append(line)
    return out


def named(field, *names):
    return field.partition(b":")[0].decode().lower() in [n.lower() for n in names]


def id_of(octets):
    """The Message-ID of a letter."""
    head, _ = header_of(octets)
    field = next(f for f in fields(head) if named(f, "Message-ID"))
    return field.partition(b":")[2].strip().decode()

#!/usr/bin/env python3
"""Makes the letters beside this file: the well-formed ones with the standard
email library, the awkward ones by hand. The same input gives the same octets,
so running it again changes nothing. Needs python3 and ../documents."""

import email.policy
import pathlib
from base64 import encodebytes
from email.charset import Charset, QP, BASE64
from email.header import Header
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent / "documents"
DATE = "Thu, 15 Jan 2026 09:30:00 +0300"
IVANOV = "Иванов Иван <ivanov@romashka.example>"
FNS = "ФНС России <fns@gov.example>"
TEXT = "Добрый день!\n\nПрошу принять документы.\n\nС уважением,\nИванов И. И.\n"
TYPES = {
    ".pdf": ("application", "pdf"), ".jpg": ("image", "jpeg"), ".png": ("image", "png"),
    ".doc": ("application", "msword"), ".zip": ("application", "zip"),
    ".docx": ("application", "vnd.openxmlformats-officedocument.wordprocessingml.document"),
}


def write(name, data):
    if isinstance(data, str):
        data = data.encode()
    (HERE / (name + ".eml")).write_bytes(data)


def crlf(text):
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def flat(msg, name, **options):
    policy = email.policy.SMTP.clone(**options)
    boundaries(msg, name)
    return msg.as_bytes(policy=policy)


def boundaries(msg, name):
    for i, part in enumerate(p for p in msg.walk() if p.is_multipart() and p.get_content_maintype() == "multipart"):
        part.set_boundary("=_%s_%d" % (name, i))


def letter(subject, text=TEXT, charset="utf-8", cte=None):
    m = EmailMessage(policy=email.policy.SMTP)
    m["From"], m["To"], m["Subject"], m["Date"] = IVANOV, FNS, subject, DATE
    m["Message-ID"] = "<%s@romashka.example>" % (abs(hash_of(subject)) % 10**8)
    m.set_content(text, charset=charset, cte=cte)
    return m


def hash_of(text):
    value = 7
    for c in text:
        value = value * 31 + ord(c) & 0x7FFFFFFF
    return value


def attach(m, document, filename):
    main, sub = TYPES[pathlib.Path(document).suffix]
    m.add_attachment((DOCS / document).read_bytes(), maintype=main, subtype=sub, filename=filename)


def well_formed():
    write("plain-utf8", flat(letter("Заявление", cte="8bit"), "a"))
    write("plain-qp", flat(letter("Заявление о выдаче копии документа, с очень длинной темой письма, "
                                  "которую приходится складывать", cte="quoted-printable"), "a"))
    write("plain-base64", flat(letter("Заявление", cte="base64"), "a"))
    for charset in ("koi8-r", "windows-1251", "iso-8859-5", "utf-16"):
        # The library of today writes UTF-8 words only, so the subject is made
        # with the older classes.
        cs = Charset(charset)
        cs.header_encoding, cs.body_encoding, cs.output_charset = BASE64, QP if charset == "koi8-r" else BASE64, charset
        m = MIMEText(TEXT, "plain", cs)
        del m["MIME-Version"]
        m["MIME-Version"] = "1.0"
        m["From"] = "ivanov@romashka.example"
        m["To"] = Header("ФНС России", cs).encode() + " <fns@gov.example>"
        m["Subject"] = Header("Запрос сведений о начисленных налогах за прошлый год", cs, header_name="Subject").encode()
        m["Date"] = DATE
        write("plain-" + charset, crlf(m.as_string()).encode("ascii"))
    m = letter("Обращение с документами")
    attach(m, "appeal.docx", "Обращение в налоговую инспекцию от января.docx")
    attach(m, "appeal.pdf", "Обращение.pdf")
    attach(m, "scan.jpg", "Скан № 1.jpg")
    attach(m, "stamp.png", "stamp.png")
    write("files-rfc2231", flat(m, "files"))
    m = letter("Архив и старый формат")
    attach(m, "annexes.zip", "Приложения.zip")
    attach(m, "appeal.doc", "appeal.doc")
    attach(m, "order.docx", "приказ.docx")
    attach(m, "act.pdf", "акт.pdf")
    write("files-other", flat(m, "other"))
    m = letter("Две формы текста")
    m.add_alternative("<html><head><title>x</title><style>p{}</style></head><body><p>Добрый день!</p>"
                      "<p>Прошу &laquo;принять&raquo; документы.<!-- нет --></p></body></html>", subtype="html")
    write("alternative", flat(m, "alt"))
    m = letter("Только HTML")
    m.set_content("<p>Привет,<br>мир &amp; труд</p><script>alert('x')</script>", subtype="html", charset="utf-8")
    write("html-only", flat(m, "html"))
    m = letter("format=flowed")
    m.set_param("format", "flowed")
    m.set_param("delsp", "yes")
    write("flowed", flat(m, "flowed"))
    inner = letter("Внутреннее письмо")
    attach(inner, "act.pdf", "акт.pdf")
    boundaries(inner, "inner")
    m = letter("Пересылаю письмо")
    m.add_attachment(inner)
    write("forwarded", flat(m, "fwd", cte_type="8bit"))
    m = letter("Re: Заявление")
    m["In-Reply-To"], m["References"] = "<1@gov.example>", "<0@gov.example> <1@gov.example>"
    m["Cc"] = "Канцелярия <office@gov.example>, \"Петров, П. П.\" <petrov@gov.example>"
    m["Reply-To"], m["X-Letter-Type"] = "reply@romashka.example", "registered"
    write("reply", flat(m, "reply"))


def rfc2047_file():
    """What Outlook and many Russian programs write: words within quotes."""
    head = ("From: =?koi8-r?B?%s?= <ivanov@romashka.example>\nTo: fns@gov.example\nSubject: =?windows-1251?Q?%s?=\n"
            "Date: %s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b1\"\n\nThis is MIME.\n" % (
                encodebytes("Иванов".encode("koi8-r")).decode().strip(),
                "".join("=%02X" % b for b in "Счёт".encode("cp1251")), DATE))
    body = "--b1\nContent-Type: text/plain; charset=windows-1251\nContent-Transfer-Encoding: quoted-printable\n\n%s\n" % (
        "".join("=%02X" % b for b in "Счёт во вложении.".encode("cp1251")))
    names = [
        ("act.pdf", "=?windows-1251?B?%s?=" % encodebytes("Счёт на оплату.pdf".encode("cp1251")).decode().strip()),
        ("stamp.png", "=?koi8-r?Q?%s?=" % "".join("=%02X" % b for b in "печать.png".encode("koi8-r"))),
        ("scan.jpg", "%D1%81%D0%BA%D0%B0%D0%BD.jpg"),
    ]
    for document, name in names:
        kind = "/".join(TYPES[pathlib.Path(document).suffix])
        body += "--b1\nContent-Type: %s;\n\tname=\"%s\"\nContent-Transfer-Encoding: base64\n" % (kind, name)
        body += "Content-Disposition: attachment;\n\tfilename=\"%s\"\n\n%s" % (
            name, encodebytes((DOCS / document).read_bytes()).decode())
    write("files-rfc2047", crlf(head + body + "--b1--\n"))


def awkward():
    head = "From: ivanov@romashka.example\nTo: fns@gov.example\nSubject: x\nDate: %s\nMIME-Version: 1.0\n" % DATE
    text = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    mixed = head + "Content-Type: multipart/mixed; boundary=b\n\n"
    write("truncated", crlf(mixed + "--b\n" + text + "Первая часть\n--b\nContent-Type: application/pdf; name=a.pdf\n"
                            "Content-Transfer-Encoding: base64\n\nJVBERi0xLjcKJeLjz9MK\nMSAwIG9i"))
    write("no-boundary", crlf(head + "Content-Type: multipart/mixed\n\n--b\n\nтекст\n--b--\n"))
    write("empty-multipart", crlf(mixed + "--b--\n"))
    write("no-part-header", crlf(mixed + "--b\n\nбез полей\n--b\n--b--\nпослесловие\n"))
    write("no-charset", crlf(head + "Content-Type: text/plain\n\n") .encode() + "Привет\r\n".encode("cp1251"))
    write("unknown-charset", crlf(head + "Content-Type: text/plain; charset=x-martian\n\nabc\n"))
    write("no-header", b"\r\nonly a body\r\n")
    write("no-body", crlf("Subject: no body at all\nFrom: a@b.example"))
    write("raw-8bit-header", crlf("From: Иванов <ivanov@romashka.example>\nTo: fns@gov.example\nSubject: ").encode()
          + "Тема в 1251".encode("cp1251") + crlf("\nDate: 1 Feb 26 9:05 MSK\nContent-Type: text/plain\n\nx\n").encode())
    write("groups", crlf("From: ivanov@romashka.example (Ivan Ivanov)\nTo: undisclosed-recipients:;\n"
                         "Cc: Office: a@gov.example, \"B, C\" <b@gov.example>;, @route.example:c@gov.example,\n"
                         " <@hop.example:d@gov.example>, root, \"odd name\"@gov.example\nSubject:\n"
                         "Date: Thu, 15 Jan 2026 09:30 GMT (comment)\n\nx\n"))
    deep = head
    for i in range(200):
        deep += "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i)
    deep += "Content-Type: text/plain\n\nглубоко\n" + "".join("--b%d--\n" % i for i in range(199, -1, -1))
    write("deep-200", crlf(deep))
    write("many-parts", crlf(mixed + "".join("--b\n\npart %d\n" % i for i in range(150)) + "--b--\n"))
    write("bare-lf", crlf(head) + "Content-Type: text/plain\n\nline\nline\r\n")
    write("bare-cr-nul", (crlf(head) + "\r\none\rtwo\r\n").encode() + b"nul\0here\r\n")
    write("path-name", crlf(mixed + "--b\nContent-Type: application/pdf\nContent-Disposition: attachment;\n"
                            " filename=\"..\\..\\windows\\a.pdf\"\n\nx\n--b\nContent-Disposition: attachment; filename=../../etc/passwd\n\n"
                            "y\n--b--\n"))
    write("broken-embedded", crlf(mixed + "--b\nContent-Type: message/rfc822\n\nno colon here\n Subject folded\n"
                                  "From <>\n\nbody\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
                                  "RnJvbTogYQ0KDQp4\n--b\nContent-Type: message/rfc822\n\n--b--\n"))
    write("digest", crlf(head + "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b\n\n"
                         "Subject: two\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\n2\n--c--\n--b--\n"))
    write("nested-boundaries", crlf(head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                                    "Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\nplain\n--bbx\n--bb\n"
                                    "Content-Type: text/html\n\n<b>html</b>\n--b\nContent-Type: image/png\n\npng\n--b-- \n"))
    write("signed", crlf(head + "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\n"
                         " micalg=sha-256; boundary=s\n\n--s\nContent-Type: text/plain\n\nsigned text\n--s\n"
                         "Content-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n"
                         "Content-Disposition: attachment; filename=smime.p7s\n\nMIIB\n--s--\n"))
    write("bad-base64", crlf(mixed + "--b\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"
                             "JVBE*RiQ=\nabc\n--b\nContent-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\nx\n--b--\n"))
    write("long-line", crlf(head + "\n" + "x" * 1200 + "\n"))


if __name__ == "__main__":
    well_formed()
    rfc2047_file()
    awkward()

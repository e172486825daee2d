"""The operator's commands, while the gateway serves and when it does not."""

import csv
import hashlib
import imaplib
import io
import json
import smtplib
import unittest

import letters
from house import BINARY, BODY, PARTNER, SENDER, Gateway, run, wait_for
from mail import login, send, talk
from mailbox import Mailbox, only
from proof import receipts

NOT_FOUND, USAGE, TOO_LATE = 3, 2, 4


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.quickstart()

    def test_account(self):
        """an account with a password is made while the gateway serves, and used at once"""
        clerk = "clerk@vector.example"
        said = self.gateway.command("account", "add", clerk, "--registry", "vector", "--name", "Секретарь",
                                    "--alias", "sekretar@vector.example", "--language", "en")
        self.assertIn(clerk, said)
        self.gateway.credential(clerk, "person")
        listed = {a["addresses"][0]: a for a in self.gateway.json("account", "list")}
        self.assertEqual(listed[clerk]["registry"], "vector")
        self.assertEqual(listed[clerk]["addresses"], [clerk, "sekretar@vector.example"])
        self.assertEqual([c["class"] for c in listed[clerk]["credentials"]], ["person"])
        self.assertNotIn(self.gateway.password(clerk), json.dumps(listed), "a list must show no secret")
        self.assertIn("Секретарь", self.gateway.command("account", "list"))
        octets = letters.compose(sender="sekretar@vector.example")
        number = send(self.gateway, octets, BODY, sender="sekretar@vector.example", user=clerk).number
        got = receipts(self.gateway, number, clerk, {"SubmissionAcceptance": 1, "ContentConsignment": 1})
        self.assertTrue(got["SubmissionAcceptance"][0].text.startswith("RECEIPT"), "the account's language comes first")

    def test_account_mistakes(self):
        """mistakes end with the status of usage, and make nothing"""
        before = self.gateway.json("account", "list")
        self.gateway.command("account", "add", "x@vector.example", status=USAGE)
        said = self.gateway.command("account", "add", "x@vector.example", "--registry", "nobody", status=USAGE)
        self.assertIn("nobody", said)
        self.gateway.command("account", "add", PARTNER, "--registry", "vector", status=1)
        self.gateway.command("account", "add", "no address", "--registry", "vector", status=USAGE)
        self.gateway.command("account", "add", status=USAGE)
        self.gateway.command("credential", "add", "nobody@vector.example", "--name", "x", status=NOT_FOUND)
        self.gateway.command("credential", "add", PARTNER, "--name", "x", "--class", "king", status=USAGE)
        self.assertEqual(self.gateway.json("account", "list"), before)

    def test_revoke_and_disable(self):
        """who is revoked or blocked is out at once, and a blocked account is sent nothing"""
        clerk = "gone@vector.example"
        self.gateway.account(clerk, "vector")
        self.gateway.credential(clerk, "system")
        rows = self.table()
        head = rows[0]
        with_clerk = [list(r) for r in rows]
        vector = next(r for r in with_clerk if r[0] == "vector")
        vector[head.index("addresses")] += " " + clerk
        self.gateway.command("registry", "import", self.write(with_clerk))
        self.addCleanup(lambda: self.gateway.command("registry", "import", self.write(rows)))
        number = send(self.gateway, letters.compose(to=clerk, subject="до блокировки"), clerk).number
        with Mailbox(self.gateway, clerk) as m:
            only(m, "INBOX", number)

        with Mailbox(self.gateway, clerk) as person, Mailbox(self.gateway, clerk, "system") as system:
            revoked = self.gateway.json("credential", "revoke", clerk, "e2e person")
            self.assertTrue(revoked["revoked"])
            with self.assertRaises(imaplib.IMAP4.error):
                person.imap.noop()
            system.imap.noop()
            self.assertTrue(self.gateway.json("account", "disable", clerk)["disabled"])
            with self.assertRaises(imaplib.IMAP4.error):
                system.imap.noop()
        listed = {c["name"]: c for c in self.gateway.json("credential", "list", clerk)}
        self.assertTrue(listed["e2e person"]["revoked"])
        self.assertIn("last_used", listed["e2e system"])
        with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
            with login(self.gateway, clerk, "system"):
                pass
        self.assertEqual(refused.exception.smtp_code, 535)
        self.assertIn(b"5.7.8", refused.exception.smtp_error)
        with login(self.gateway) as c:
            reply = talk(c, SENDER, [clerk], b"")
        self.assertEqual((reply.code, reply.reasons), (550, ["recipient-blocked"]), reply)
        self.assertIn("5.2.1", reply.text)

        self.gateway.command("account", "enable", clerk)
        with Mailbox(self.gateway, clerk, "system") as m:
            only(m, "INBOX", number)  # what is in the mailbox stays

    def test_password(self):
        """the account's own password is taken from the standard input, and opens nothing"""
        for password, status in ("weak", USAGE), ("Passw0rd!", 0), ("Passw0rd!", USAGE):
            done = run(BINARY, "--config", self.gateway.config, "account", "password", PARTNER, "--stdin", stdin=password + "\n")
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertNotIn(password, done.stdout + done.stderr)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            with smtplib.SMTP_SSL("127.0.0.1", self.gateway.ports["smtps"], context=self.gateway.tls()) as c:
                c.login(PARTNER, "Passw0rd!")
        self.assertTrue(next(a for a in self.gateway.json("account", "list") if PARTNER in a["addresses"])["password"])

    def test_registry_search(self):
        """registry search finds by name, number and address"""
        for text in ("ИНСПЕКЦИЯ", "7705345670", "10277053", "office@inspection", "inspection"):
            found = self.gateway.json("registry", "search", text)
            self.assertEqual([e["id"] for e in found["entries"]], ["inspection"], text)
        self.assertEqual(self.gateway.json("registry", "search", "никого")["entries"], [])
        self.assertEqual(len(self.gateway.json("registry", "list", "--kind", "body")["entries"]), 1)

    def test_letter_export(self):
        """a letter is exported octet for octet, in each form"""
        octets = letters.registered(subject="выгрузка")
        number = send(self.gateway, octets, BODY).number
        file = self.gateway.temp / "letter.eml"
        for _ in range(2):  # the second replaces the first
            said = self.gateway.json("letter", "export", number, "-o", file)
        self.assertEqual(file.read_bytes(), octets)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual((said["size"], said["sha256"]), (len(octets), hashlib.sha256(octets).hexdigest()))
        self.assertEqual(self.gateway.json("letter", "show", number)["sha256"], said["sha256"])
        self.gateway.command("letter", "export", number, "--form", "sent", "-o", file)
        self.assertIn(b"multipart/signed", file.read_bytes())
        self.gateway.command("letter", "export", number, "--form", "delivered", status=NOT_FOUND)  # held
        with Mailbox(self.gateway, BODY) as m:
            uid = only(m, "INBOX", number)
            self.gateway.command("letter", "export", number, "--form", "delivered", "-o", file)
            self.assertEqual(file.read_bytes(), m.fetch(uid))

    def test_errors_as_json(self):
        """errors are JSON where the answer would be, and the status stays"""
        for kind, status, argv in (("not-found", NOT_FOUND, ("account", "disable", "nobody@vector.example")),
                                   ("usage", USAGE, ("account", "add")), ("conflict", 1, ("account", "add", PARTNER, "--registry", "vector"))):
            said = json.loads(self.gateway.command(*argv, "--json", status=status))
            self.assertEqual((said["kind"], said["status"]), (kind, status), said)
            self.assertTrue(said["error"])

    def test_registry_show(self):
        """registry show, whole, by id and by address"""
        everything = self.gateway.json("registry", "show")
        self.assertLessEqual({"romashka", "vector", "inspection"}, {e["id"] for e in everything["entries"]})
        for name in ("inspection", BODY):
            one, = self.gateway.json("registry", "show", name)["entries"]
            self.assertEqual((one["id"], one["kind"], len(one["inn"]), len(one["ogrn"])), ("inspection", "body", 10, 13))
        self.assertIn(everything["sha256"], self.gateway.command("registry", "show"))
        self.gateway.command("registry", "show", "nobody@nowhere.example", status=NOT_FOUND)

    def table(self):
        return list(csv.reader(io.StringIO((self.gateway.data / "registry.csv").read_text())))

    def write(self, rows):
        path = self.gateway.temp / "new.csv"
        with open(path, "w", newline="") as f:
            csv.writer(f).writerows(rows)
        return path

    def test_registry_import(self):
        """an import is in force at once; a bad row refuses the whole"""
        rows = self.table()
        before = self.gateway.json("registry", "show")["sha256"]
        head, vector = rows[0], next(r for r in rows if r[0] == "vector")
        alias = list(vector)
        alias[head.index("aliases")] = "fns@gov.example"
        new = [alias if r[0] == "vector" else r for r in rows]

        bad = [list(r) for r in new]
        bad[-1][head.index("inn")] = "7700000001"
        said = self.gateway.command("registry", "import", self.write(bad), status=USAGE)
        self.assertRegex(said, r"(?i)(row|line) %d" % len(bad))
        self.gateway.command("registry", "import", self.write(new), "--dry-run")
        self.assertEqual(self.gateway.json("registry", "show")["sha256"], before)
        with login(self.gateway) as c:
            c.mail(SENDER)
            self.assertEqual(c.rcpt("fns@gov.example")[0], 550)

        self.gateway.command("registry", "import", self.write(new))
        self.assertNotEqual(self.gateway.json("registry", "show")["sha256"], before)
        number = send(self.gateway, letters.compose(to="fns@gov.example"), "fns@gov.example").number
        with Mailbox(self.gateway, PARTNER) as m:
            only(m, "INBOX", number)

        left = [list(r) for r in new]
        next(r for r in left if r[0] == "vector")[head.index("status")] = "left"
        self.gateway.command("registry", "import", self.write(left))
        with login(self.gateway) as c:
            reply = talk(c, SENDER, [PARTNER], b"")
        self.assertEqual((reply.code, reply.reasons), (550, ["recipient-left"]), reply)
        self.assertIn("5.2.1", reply.text)
        self.gateway.command("registry", "import", self.write(rows))
        self.assertEqual(self.gateway.json("registry", "show")["sha256"], before)

    def wait_state(self, number, state):
        wait_for(state, lambda: self.gateway.json("letter", "show", number)["state"] == state)

    def test_letter_show(self):
        """letter list and show agree with what the mailbox says"""
        octets = letters.compose()
        number = send(self.gateway, octets, [BODY, PARTNER], sender=SENDER).number
        self.wait_state(number, "delivered")
        shown = self.gateway.json("letter", "show", number)
        self.assertEqual({r["address"] for r in shown["recipients"]}, {BODY, PARTNER})
        for r in shown["recipients"]:
            self.assertEqual([s["state"] for s in r["steps"]], ["accepted", "processing", "sent", "delivered"])
            mine = [s for s in shown["trace"] if s.get("recipient") == r["address"]]
            self.assertEqual(sorted(s["step"] for s in mine), ["delivered", "processing", "received", "sent"])
            self.assertTrue(all("journal" in s for s in mine), "a step is in no journal")
        self.assertEqual([e["event"] for e in shown["evidence"]],
                         ["SubmissionAcceptance", "ContentConsignment", "ContentConsignment"])
        listed = {entry["number"]: entry for entry in self.gateway.json("letter", "list", "--account", SENDER)}
        self.assertEqual(listed[number]["state"], "delivered")
        self.assertNotIn(number, [entry["number"] for entry in self.gateway.json("letter", "list", "--account", PARTNER)])
        self.assertNotIn(number, [entry["number"] for entry in self.gateway.json("letter", "list", "--state", "accepted")])
        self.assertIn(number, self.gateway.command("letter", "list"))
        self.assertIn("ContentConsignment", self.gateway.command("letter", "show", number))
        digit = str((int(number[-1]) + 1) % 10)
        self.gateway.command("letter", "show", number[:-1] + digit, status=USAGE)

    def test_recall(self):
        """a held letter is taken back and never arrives; a delivered one is not"""
        number = send(self.gateway, letters.registered(subject="отозвать"), BODY).number
        self.assertIn(number, self.gateway.command("letter", "recall", number))
        self.assertEqual(self.gateway.json("letter", "show", number)["state"], "recalled")
        receipts(self.gateway, number, SENDER, {"SubmissionAcceptance": 1, "Recall": 1})
        late = send(self.gateway, letters.registered(subject="поздно"), BODY).number
        with Mailbox(self.gateway, BODY) as m:
            only(m, "INBOX", late)
            self.assertEqual(m.by_number(number), [], "a recalled letter was delivered")
        with Mailbox(self.gateway, SENDER) as m:
            self.assertIn("Letter-Recalled", m.keywords(only(m, "Sent", number)))
        said = self.gateway.command("letter", "recall", late, status=TOO_LATE)
        self.assertIn(late, said)
        self.gateway.command("letter", "recall", number, status=TOO_LATE)

    def test_withdraw(self):
        """a simple letter is taken out of the mailbox while nobody opened it"""
        first, second = (send(self.gateway, letters.compose(), BODY).number for _ in range(2))
        with Mailbox(self.gateway, BODY) as m:
            only(m, "INBOX", first)
            m.fetch(only(m, "INBOX", second), peek=False)
        self.wait_state(second, "opened")
        self.gateway.command("letter", "recall", first)
        self.gateway.command("letter", "recall", second, status=TOO_LATE)
        self.wait_state(first, "recalled")
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
            self.assertEqual(m.by_number(first), [])
            self.assertEqual(len(m.by_number(second)), 1, "an opened letter stays")
        receipts(self.gateway, first, BODY, {"ContentConsignment": 1, "Recall": 1})
        self.assertEqual(self.gateway.json("letter", "show", second)["state"], "opened")

    def test_config(self):
        """config check finds no fault, or all of them"""
        self.assertIn("no fault", self.gateway.command("config", "check"))
        bad = self.gateway.data / "bad.toml"
        text = self.gateway.config.read_text()
        bad.write_text(text.replace('hostname = "localhost"', 'hostname = "localhost"\nhostnaem = "x"'))
        done = run(BINARY, "config", "check", "--config", bad)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("hostnaem", done.stderr)
        bad.write_text(text.replace("keys/operator.key", "keys/none.key").replace("registry.csv", "none.csv"))
        done = run(BINARY, "config", "check", "--config", bad)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("none.key", done.stderr)
        self.assertIn("none.csv", done.stderr)

    def test_others(self):
        """version, help, and what is no command"""
        self.assertRegex(run(BINARY, "version").stdout, r"^gosbridge \S+ go1\.\d+")
        self.assertIn("quickstart", run(BINARY, "help").stdout)
        self.assertNotEqual(run(BINARY, "nothing").returncode, 0)
        self.assertEqual(run(BINARY, "serve", "--no-such-flag").returncode, USAGE)
        done = run(BINARY, "account", "list", "--config", "/nonexistent/config.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/config.toml", done.stderr)


class Stopped(unittest.TestCase):
    """The same commands on the folder of a gateway that does not serve."""

    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)

    def test_stopped(self):
        """what is done to a stopped gateway is there when it serves"""
        self.gateway.quickstart()
        number = send(self.gateway, letters.compose(), BODY).number
        wait_for("delivery", lambda: self.gateway.json("letter", "show", number)["state"] == "delivered")
        while_serving = self.gateway.json("letter", "show", number)
        held = send(self.gateway, letters.registered(), BODY).number
        self.gateway.kill()  # before it is dispatched
        self.assertEqual(self.gateway.json("letter", "show", number), while_serving)
        self.assertIn(held, self.gateway.command("letter", "recall", held))
        self.gateway.account("night@vector.example", "vector")
        self.gateway.command("registry", "import", self.gateway.data / "registry.csv")
        self.assertIn("no fault", self.gateway.command("config", "check"))
        accounts = self.gateway.ready["accounts"]
        self.gateway.serve()
        self.gateway.ready["accounts"] = accounts
        late = letters.compose(sender="night@vector.example")
        self.assertTrue(send(self.gateway, late, BODY, sender="night@vector.example").number)
        self.assertEqual(self.gateway.json("letter", "show", held)["state"], "recalled")
        with Mailbox(self.gateway, BODY) as m:
            m.select("INBOX")
            self.assertEqual(m.by_number(held), [])
            only(m, "INBOX", number)

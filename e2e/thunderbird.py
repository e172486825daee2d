"""Thunderbird, used as an employee uses it: account hub, folders, letters,
compose windows. It has a profile of its own, and reaches nothing but this
machine. What it says to the gateway is noted."""

import json
import os
import pathlib
import re
import shutil
import tempfile

from house import PATIENCE, end, start, wait_for
from marionette import Marionette

PROGRAM = "/usr/lib/thunderbird/thunderbird"  # the one in /usr/bin first looks for old profiles
PRELUDE = (pathlib.Path(__file__).resolve().parent / "thunderbird.js").read_text()

# Beside what Marionette itself switches off. Whatever still wants to leave this machine ends at a port where nobody
# listens.
PREFERENCES = {
    "marionette.port": 0,
    "network.proxy.type": 1, "network.proxy.no_proxies_on": "localhost,127.0.0.1",
    "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
    "network.proxy.socks": "127.0.0.1", "network.proxy.socks_port": 9, "network.proxy.socks_remote_dns": True,
    "datareporting.policy.dataSubmissionEnabled": False, "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.server": "", "app.update.disabledForTesting": True, "app.donation.eoy.version.viewed": 999,
    "mail.inappnotifications.enabled": False, "mailnews.start_page.enabled": False, "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False, "mailnews.smtp.loglevel": "All", "ui.prefersReducedMotion": 1,
}

# A line of the log that MOZ_LOG asks for: time, connection, state of the connection with the mailbox that it has
# selected, and what was said.
LINE = re.compile(r"(\S+ \S+) UTC .*? (\w+):localhost:(\S+):(SendData|CreateNewLineFromSocket): (.*)")


class Thunderbird:
    """A running Thunderbird. Its scripts have the functions of thunderbird.js."""

    def __init__(self, display, language="en-US", preferences=()):
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix="t"))
        self.profile, self.log = self.temp / "p", self.temp / "log"
        self.profile.mkdir()
        wanted = PREFERENCES | {"intl.locale.requested": language} | dict(preferences)
        (self.profile / "user.js").write_text("".join(
            "user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)) for name, value in wanted.items()))
        env = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        env |= {"HOME": str(self.temp), "DISPLAY": display.name, "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_AT_BRIDGE": "1",
                "MOZ_CRASHREPORTER_DISABLE": "1",
                "MOZ_LOG": "IMAP:5,timestamp,sync", "MOZ_LOG_FILE": str(self.temp / "imap")}
        with open(self.log, "wb") as log:
            self.process = start([PROGRAM, "--profile", self.profile, "--no-remote", "--marionette", "--remote-allow-system-access"],
                                 log, cwd=self.temp, env=env)
        self.marionette = Marionette(wait_for("Marionette", self._port), 3 * PATIENCE)
        version = self.script("return Services.appinfo.version")
        assert int(version.partition(".")[0]) >= 153, "Thunderbird %s sets accounts up in another way: 153 is needed" % version
        # The look for address books asks the system's resolver past the proxy.
        self.script("""
            const { DNS } = ChromeUtils.importESModule("resource:///modules/DNS.sys.mjs");
            DNS.srv = DNS.txt = DNS.mx = async () => [];
            """)
        self.script("await until('the window', () => tabs?.currentAbout3Pane); window.moveTo(0, 0);"
                    "window.resizeTo(screen.width, screen.height)")

    def _port(self):
        assert self.process.poll() is None, "Thunderbird ended with %s:\n%s" % (
            self.process.returncode, self.log.read_text(errors="replace"))
        file = self.profile / "MarionetteActivePort"
        return int(file.read_text() or 0) if file.exists() else 0

    def close(self):
        end(self.process)
        shutil.rmtree(self.temp, ignore_errors=True)

    def script(self, source, *args):
        return self.marionette.script(PRELUDE + source, *args)

    def painted(self):
        """Waits until the windows are on the screen as they are now."""
        self.script("""
            for (const w of Services.wm.getEnumerator(null)) {
              await Promise.race([
                new Promise(resolve => w.requestAnimationFrame(() => w.requestAnimationFrame(resolve))),
                new Promise(resolve => setTimeout(resolve, 500)), // of one that is covered nothing is painted
              ]);
            }
            """)

    def tidy(self):
        """Closes what a test left open: alerts, compose windows, tabs."""
        self.script("""
            for (let w; (w = compose()); ) {
              alertOf(w)?.document.querySelector("dialog").cancelDialog();
              w.gContentChanged = false;
              w.close();
              await until("the end of the compose window", () => w.closed);
            }
            tabs.closeOtherTabs(tabs.tabInfo[0]);
            tabs.currentAboutMessage?.document.getElementById("messageSecurityPanel")?.hidePopup();
            """)

    # Account

    def trust(self, ca):
        """Imports an authority for servers and for mail, as the certificate manager does with both boxes ticked."""
        self.script("""
            const base64 = arguments[0].replace(/-----[^-]+-----|\\s/g, "");
            Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(base64, "C,C,");
            """, ca.read_text())

    def account(self, name, address, password, imap_port, smtp_port):
        """Sets the account up in the account hub: name and address, servers and ports by hand, test, password. What the
        hub shows of the servers after the test."""
        return self.script("""
            const [name, address, password, imap, smtp] = arguments;
            const hub = (await until("the account hub", () => document.querySelector("account-hub-container"))).modal;
            await fill(hub, "#realName", name);
            await fill(hub, "#email", address);
            await click(hub, "#manualConfiguration");
            await fill(hub, "#incomingHostname", "localhost");
            await fill(hub, "#incomingPort", imap);
            await fill(hub, "#incomingUsername", address);
            await click(hub, "#forward");
            await fill(hub, "#outgoingHostname", "localhost");
            await fill(hub, "#outgoingPort", smtp);
            await fill(hub, "#outgoingUsername", address);
            await click(hub, "#custom");
            await usable(hub, "#forward");
            const found = [];
            for (const id of ["outgoingConnectionSecurity", "outgoingAuthMethod"]) {
              found.push(await until(`the text of ${id}`, () => hub.querySelector(`#${id}`).select.selectedOptions[0].label));
            }
            await click(hub, "#forward");
            await fill(hub, "#password", password);
            await click(hub, "#forward");
            await usable(hub, "email-added-success");
            await click(hub, "#forward");
            await until("the end of the account hub", () => !hub.open);
            return found;
            """, name, address, password, imap_port, smtp_port)

    def settings(self):
        """Opens the account settings, page Server Settings: what it shows of the server."""
        return self.script("""
            await window.MsgAccountManager("am-server.xhtml", server());
            const page = () => tabs.currentTabInfo.browser?.contentDocument?.getElementById("contentFrame")?.contentDocument;
            const of = id => page().getElementById(`server.${id}`), choice = id => of(id).selectedOptions[0]?.label;
            await until("the account settings", () => page()?.location.href.endsWith("/am-server.xhtml") && of("hostname")?.value
              && choice("authMethod") && !tabs.currentTabInfo.busy);
            return [of("hostname").value, of("port").value, of("username").value, choice("socketType"), choice("authMethod")];
            """)

    def sending(self):
        """What the account became on the other side: server, port, user, the name and address that letters carry."""
        return self.script("""
            const smtp = MailServices.outgoingServer.defaultServer;
            const { fullName, email } = identity();
            return [smtp.serverURI.host, smtp.serverURI.port, smtp.username, fullName, email];
            """)

    def own_copy(self, wanted=None):
        """The box "Place a copy in" of Copies & Folders: ticks it or not, unless wanted is None; whether it is ticked."""
        return self.script("if (arguments[0] !== null) identity().doFcc = arguments[0]; return identity().doFcc", wanted)

    def identity(self, name, address):
        """One more identity of the account."""
        self.script("""
            const added = MailServices.accounts.createIdentity();
            [added.fullName, added.email] = arguments;
            added.doFcc = identity().doFcc;
            account().addIdentity(added);
            """, name, address)

    def tags(self, tags):
        """Makes a tag of the name of each keyword, as New in the settings does, then renames it: {keyword: (name, colour)}."""
        self.script("""
            for (const [keyword, [name, colour]] of Object.entries(arguments[0])) {
              MailServices.tags.addTag(keyword, colour, "");
              MailServices.tags.setTagForKey(MailServices.tags.getKeyForTag(keyword), name);
            }
            """, tags)

    # Folders and letters

    def folders(self):
        """The rows of the account in the folder pane: path, name that is shown, type ("" for an ordinary folder)."""
        return [tuple(row) for row in self.script("""
            const rows = [...(await show("INBOX")).folderTree.querySelectorAll("li[data-server-key]")].filter(row => row.uri);
            const root = server().rootFolder.URI + "/";
            return rows.filter(row => row.uri.startsWith(root)).map(row =>
              [decodeURIComponent(row.uri.slice(root.length)), row.name, row.dataset.folderType ?? ""]);
            """)]

    def make_folder(self, name):
        """Makes a folder beside INBOX, and waits until it is there."""
        self.script("""
            server().rootFolder.createSubfolder(arguments[0], window.msgWindow);
            await until(arguments[0], () => folder(arguments[0]));
            """, name)

    def columns(self, path, *names):
        """Shows more columns in the list of a folder, as the picker at its corner does."""
        self.script("""
            const [path, names] = arguments;
            const pane = await show(path);
            for (const value of names) {
              const detail = { value, target: { hasAttribute: () => true } };
              pane.threadPane.treeTable.dispatchEvent(new pane.CustomEvent("columns-changed", { detail }));
            }
            """, path, names)

    def show(self, path):
        """Clicks on a folder. Returns when it is shown, which is before the server has answered."""
        self.script("await show(arguments[0])", path)

    def look(self, path, message_id):
        """What the model of the screen holds of a letter: read, star, subject, offline, keywords; None without it."""
        return self.script("return look(...arguments)", path, message_id.strip("<>"))

    def count(self, path, subject):
        """How many letters of a folder have a subject."""
        return self.script("return [...folder(arguments[0]).messages].filter(m => m.mime2DecodedSubject == arguments[1]).length",
                           path, subject)

    def until(self, path, message_id, **expected):
        """Waits until a letter is as expected on the screen; keywords are those that must be among others."""
        def check():
            seen = self.look(path, message_id)
            return seen if seen and all(
                set(value) <= set(seen[name]) if name == "keywords" else seen[name] == value for name, value in expected.items()
            ) else None
        return wait_for("%s in %s with %r" % (message_id, path, expected), check)

    def read(self, path, message_id):
        """Clicks on a letter, and waits until it is shown: subject, text, the names of its files, its tags, and the fields
        that the header shows beside the usual ones."""
        return self.script("""
            const shown = await read(...arguments);
            const text = e => e.textContent.trim();
            const body = await until("the text", () => shown.getMessagePaneBrowser().contentDocument?.body?.innerText);
            return {
              subject: text(shown.document.querySelector("#expandedsubjectBox > :last-child")),
              text: body,
              files: shown.currentAttachments.map(a => a.name),
              tags: [...shown.document.querySelectorAll("#expandedtagsBox .tag")].map(text),
              fields: Object.fromEntries([...shown.document.querySelectorAll("#extraHeadersArea .header-row")].map(row =>
                [row.querySelector(".row-heading").firstChild.textContent.trim(), text(row.lastElementChild)])),
            };
            """, path, message_id.strip("<>"))

    def sealed(self, path, message_id):
        """Opens a letter: whether the button that tells of its signature is there."""
        return self.script("return (await read(...arguments)).document.getElementById('encryptionTechBtn').checkVisibility()",
                           path, message_id.strip("<>"))

    def signature(self, path, message_id):
        """Opens a signed letter, and what the button with the seal says of it: seal, heading, explanation, signer, address,
        issuer."""
        return self.script("""
            const shown = await read(...arguments);
            const { SUCCESS, VERIFY_NOT_YET_ATTEMPTED } = Ci.nsICMSMessageErrors;
            await until("the check of the signature", () => ![-1, VERIFY_NOT_YET_ATTEMPTED].includes(shown.gSignatureStatus));
            const seal = shown.document.getElementById("signedHdrIcon");
            await until("the words for the seal", () => seal.alt || shown.gSignatureStatus != SUCCESS);
            await click(shown.document, "#encryptionTechBtn");
            const panel = shown.document.getElementById("messageSecurityPanel");
            const of = id => panel.querySelector(`#${id}`).textContent.trim();
            await until("the panel", () => panel.state == "open" && of("signatureLabel") && of("signatureExplanation"));
            return {
              seal: seal.alt, heading: of("signatureLabel"), explanation: of("signatureExplanation"), signer: of("signedBy"),
              address: of("signerEmail"), issuer: of("sigCertIssuedBy"),
            };
            """, path, message_id.strip("<>"))

    def close_signature(self):
        self.script("""
            const panel = tabs.currentAboutMessage.document.getElementById("messageSecurityPanel");
            panel.hidePopup();
            await until("the end of the panel", () => panel.state == "closed");
            """)

    def do(self, path, message_id, command, folder=None):
        """Selects a letter and gives a command of the menus; folder is where to."""
        self.script("""
            const [path, id, command, destination] = arguments;
            await read(path, id);
            tabs.currentAbout3Pane.commandController.doCommand(command, destination && folder(destination));
            """, path, message_id.strip("<>"), command, folder)

    def search(self, path, *terms):
        """Searches on the server; terms are names of attributes (Subject, Body) and texts. The Message-IDs of what it found."""
        return self.script("""
            const [path, terms] = arguments;
            const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
            session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(path));
            for (const [attribute, text] of terms) {
              const term = session.createTerm();
              const value = term.value;
              term.attrib = value.attrib = Ci.nsMsgSearchAttrib[attribute];
              term.op = Ci.nsMsgSearchOp.Contains;
              value.str = text;
              term.value = value;
              term.booleanAnd = true;
              session.appendTerm(term);
            }
            const found = [];
            const status = await new Promise(resolve => {
              session.registerListener({
                onNewSearch() {},
                onSearchHit: header => found.push(`<${header.messageId}>`),
                onSearchDone: resolve,
              });
              session.search(window.msgWindow);
            });
            if (!Components.isSuccessCode(status)) {
              throw new Error(`the search ended with ${status}`);
            }
            return found;
            """, path, [list(term) for term in terms])

    def note_arrivals(self):
        """From now on, notes when which letter came."""
        self.script("""
            window.arrived = {};
            MailServices.mfn.addListener({
              msgAdded: header => { window.arrived[`<${header.messageId}>`] ??= Date.now(); },
            }, MailServices.mfn.msgAdded);
            """)

    def arrivals(self):
        """By Message-ID, the milliseconds since 1970."""
        return self.script("return window.arrived")

    # What it says

    def dialogue(self):
        """Every line of IMAP so far: time, connection, selected mailbox or "", C or S, the line."""
        found = (LINE.match(line) for line in (self.temp / "imap.moz_log").read_text(errors="replace").splitlines())
        return [(m[1], m[2], m[3].partition("-")[2], "C" if m[4] == "SendData" else "S", m[5].strip()) for m in found if m]

    def idles(self, path):
        """Whether a connection idles on a mailbox: the number of lines of the dialogue until then."""
        lines = self.dialogue()
        last = {connection: (mailbox, side, line) for _, connection, mailbox, side, line in lines}
        return len(lines) if (path, "S", "+ idling") in last.values() else 0

"""The window in which a letter is written."""

import json


class Compose:
    """A compose window of Thunderbird; there is one at a time."""

    def __init__(self, thunderbird, to, subject, text, files=(), kind=None, sender=None):
        """Clicks on New Message and fills the window in. files are (name, path); kind goes into the row for X-Letter-Type;
        sender chooses another identity."""
        self.script = thunderbird.script
        self.script("""
            const [to, subject, text, kind, sender] = arguments;
            tabs.switchToTab(0);
            const earlier = compose();
            tabs.currentAbout3Pane.document.getElementById("folderPaneWriteMessage").click();
            const w = await until("the compose window", () => compose() != earlier && compose()?.composeEditorReady && compose());
            const d = w.document;
            w.moveTo(0, 0);
            w.resizeTo(screen.width, screen.height);
            if (sender) {
              const choice = d.getElementById("msgIdentity");
              choice.selectedItem = [...choice.menupopup.children].find(i => i.value?.includes(sender));
              choice.dispatchEvent(new w.Event("command", { bubbles: true }));
            }
            if (kind) {
              d.getElementById("X-Letter-TypeShowAddressRowMenuItem").doCommand();
              await fill(d, "#addressRowX-Letter-Type input", kind);
            }
            await fill(d, "#toAddrInput", to);
            await fill(d, "#msgSubject", subject);
            await until("the recipient", () => d.querySelector("#addressRowTo mail-address-pill"));
            d.getElementById("messageEditor").focus();
            w.GetCurrentEditor().insertText(text);
            """, to, subject, text, kind, sender)
        self.attach(*files)

    def attach(self, *files):
        """Attaches files, as dropping them on the window does."""
        self.script("""
            await compose().AddAttachments(arguments[0].map(([name, path]) => {
              const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
              file.initWithPath(path);
              const attachment = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
              attachment.url = Services.io.newFileURI(file).spec;
              attachment.name = name;
              attachment.size = file.fileSize;
              return attachment;
            }));
            """, [[name, str(path)] for name, path in files])

    def subject(self, subject):
        """Writes another subject."""
        self.script("await fill(compose().document, '#msgSubject', arguments[0])", subject)

    def content(self):
        """What stands in the window."""
        return self.script("""
            const w = compose(), d = w.document;
            return {
              to: [...d.querySelectorAll("#addressRowTo mail-address-pill")].map(p => p.fullAddress),
              subject: d.getElementById("msgSubject").value,
              text: w.GetCurrentEditor().outputToString("text/plain", 0).trimEnd(),
              kind: d.querySelector("#addressRowX-Letter-Type input").value,
            };
            """)

    def save(self):
        """Clicks on Save, and waits until the draft is at the server."""
        self.script("""
            const w = compose();
            await click(w.document, "#button-save");
            await until("the draft", () => !w.gSaveOperationInProgress && !w.gContentChanged);
            """)

    def send(self):
        """Clicks on Send. The gateway's reply to the letter, and the text of the alert, if there is one; without an alert the
        window has closed."""
        before = len(self._replies())
        alert = self.script("""
            const w = compose();
            await click(w.document, "#button-send");
            const text = () => alertOf(w)?.document.getElementById("infoBody")?.textContent;
            return await until("the end of sending", () => w.closed ? "closed" : text());
            """)
        return self._replies()[before:][-1], None if alert == "closed" else alert

    def accept_alert(self):
        """Clicks on OK."""
        self.script("""
            alertOf(compose()).document.querySelector("dialog").getButton("accept").click();
            await until("the end of the alert", () => !alertOf(compose()));
            """)

    def _replies(self):
        """What the gateway answered to the content of letters, oldest first."""
        lines = json.loads(self.script("""
            const events = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage).getEvents();
            const lines = events.filter(e => e.prefix == "mailnews.smtp").map(e => e.arguments.join(" "));
            return JSON.stringify(lines.filter(l => /^(S: |Sending )/.test(l)));
            """))
        return [after.removeprefix("S: ").strip() for line, after in zip(lines, lines[1:]) if line.startswith("Sending ")]

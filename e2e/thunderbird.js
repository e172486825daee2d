// What the scripts of the tests share: it stands before each of them. They run
// in the main window of Thunderbird with all its rights, and do what a click
// does where there is something to click.

// Timers of its own: those of a window stand still under an alert.
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

const tabs = window.document.getElementById("tabmail");

// until waits until check gives something true, and gives that.
async function until(what, check) {
  for (const end = Date.now() + 20000; ; ) {
    const got = await check();
    if (got) {
      return got;
    }
    if (Date.now() > end) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

// usable waits for an element that can be seen and used.
function usable(root, selector) {
  return until(selector, () =>
    [...root.querySelectorAll(selector)].find(e => e.checkVisibility({ visibilityProperty: true }) && !e.disabled));
}

async function click(root, selector) {
  (await usable(root, selector)).click();
}

// fill writes into a field; whoever listens to typing is told.
async function fill(root, selector, value) {
  const field = await usable(root, selector);
  field.focus();
  field.value = value;
  for (const type of ["input", "change"]) {
    field.dispatchEvent(new field.ownerDocument.defaultView.Event(type, { bubbles: true }));
  }
}

// Folders and letters

function account() {
  return MailServices.accounts.accounts.find(a => a.incomingServer.type == "imap");
}

function server() {
  return account().incomingServer;
}

function identity() {
  return account().defaultIdentity;
}

function folder(path) {
  return path.split("/").reduce((f, name) => f?.getChildNamed(name), server().rootFolder);
}

function header(path, id) {
  return folder(path)?.msgDatabase?.getMsgHdrForMessageID(id);
}

// show makes the mail tab show a folder, as a click on it does.
async function show(path) {
  tabs.switchToTab(0);
  const pane = tabs.currentAbout3Pane;
  const wanted = await until(path, () => folder(path));
  if (pane.gFolder != wanted) {
    pane.displayFolder(wanted.URI);
  }
  await until(`the view of ${path}`, () => pane.gFolder == wanted && pane.gDBView?.msgFolder == wanted);
  return pane;
}

// row waits until a letter stands in the list of its folder; its place there.
async function row(path, id) {
  const pane = await show(path);
  return until(`${id} in ${path}`, () => {
    const found = header(path, id);
    const at = found ? pane.gDBView.findIndexOfMsgHdr(found, true) : -1;
    return at >= 0 && at < pane.gDBView.rowCount ? { at } : null;
  });
}

// read selects a letter, and waits until all of it is shown.
async function read(path, id) {
  const { at } = await row(path, id);
  const pane = tabs.currentAbout3Pane;
  pane.threadTree.selectedIndex = at;
  const shown = tabs.currentAboutMessage;
  await until(`the text of ${id}`, () => shown.gMessage?.messageId == id && shown.msgLoaded);
  return shown;
}

// look tells what the model of the screen holds of a letter.
function look(path, id) {
  const h = header(path, id);
  return h && {
    read: h.isRead, star: h.isFlagged, subject: h.mime2DecodedSubject,
    offline: Boolean(h.flags & Ci.nsMsgMessageFlags.Offline), keywords: h.getStringProperty("keywords").split(" "),
  };
}

// The compose window

function compose() {
  return Services.wm.getMostRecentWindow("msgcompose");
}

function alertOf(compose) {
  return [...Services.wm.getEnumerator(null)].find(w => w.opener == compose && w.location.href.endsWith("/commonDialog.xhtml"));
}

"""What happens on both sides between two passes of a program that keeps a Maildir and INBOX alike."""

import letters
from mailbox import Mailbox, fill
from programs import unix


def templates(gateway, user):
    """How many templates the account was made with."""
    with Mailbox(gateway, user) as m:
        return int(m.status("Templates")["MESSAGES"])


def begin(test, user):
    """1,000 messages in INBOX; gives what shows that they are still there, octets and flags."""
    messages = letters.archive(1000)
    fill(test.gateway, user, "INBOX", messages)

    def untouched(far):
        """The first pass has changed nothing: opened nothing, marked nothing."""
        test.assertEqual([octets for octets, _ in far.values()], [octets for octets, _ in messages])
        test.assertEqual([{f.decode() for f in flags} for _, flags in far.values()],
                         [set(flags.split()) for _, flags in messages])
    return untouched


def change_far(gateway, user):
    """On the far side one more, other flags, one gone."""
    new = letters.plain("с другой стороны", "", header=["X-Count: far"])
    fill(gateway, user, "INBOX", [(new, "\\Flagged")])
    with Mailbox(gateway, user) as m:
        m.select("INBOX")
        m.store(1, "+FLAGS", "\\Seen", "\\Answered")
        m.store(2, "-FLAGS", "\\Seen")
        m.remove(3)


def change_near(folder, files):
    """The same in the Maildir's folder, whose files are given by UID; what is new there."""
    new = letters.plain("из папки", "", header=["X-Count: near"])
    (folder / "cur" / "1.near:2,S").write_bytes(unix(new))
    files[4].unlink()
    for uid, flags in ((5, "FS"), (6, "")):
        files[uid].rename(folder / "cur" / (files[uid].name.partition(":")[0] + ":2," + flags))
    return new


def assert_changed(test, far):
    """What was changed near has reached the far side; the new one as it is there."""
    test.assertEqual((far[5][1], far[6][1], 4 in far), ({b"\\Flagged", b"\\Seen"}, set(), False))
    octets, flags = far[max(far)]
    test.assertEqual(flags, {b"\\Seen"})
    return octets

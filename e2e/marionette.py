"""Marionette, the remote protocol of Mozilla's programs: a connection to one
that was started with --marionette."""

import json
import socket


class ScriptError(AssertionError):
    """What the program answered instead of a result."""


class Marionette:
    """One session, in the privileged context: scripts see what the program's own code sees.

    Each packet is JSON after its length in octets and a colon: [0, id, command, parameters] there, [1, id, error, result]
    back."""

    def __init__(self, port, patience):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience + 10)
        self.file = self.socket.makefile("rb")
        self.count = 0
        hello = self._read()
        assert hello["marionetteProtocol"] == 3, hello
        # Whatever asks something on the screen stays there for the test to see.
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"unhandledPromptBehavior": "ignore"}})
        self.command("WebDriver:SetTimeouts", script=patience * 1000)
        self.command("Marionette:SetContext", value="chrome")

    def close(self):
        self.file.close()
        self.socket.close()

    def command(self, name, **parameters):
        self.count += 1
        packet = json.dumps([0, self.count, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(packet), packet))
        kind, number, error, result = self._read()
        assert (kind, number) == (1, self.count), "an answer to another command: %r" % ((kind, number),)
        if error:
            raise ScriptError("%s: %s\n%s" % (error["error"], error["message"], error.get("stacktrace", "")))
        return result

    def script(self, source, *args):
        """Runs the body of an async function, which finds args in `arguments`; its result as JSON."""
        source = "return (async function() {%s\n}).apply(null, arguments)" % source
        return self.command("WebDriver:ExecuteScript", script=source, args=list(args), sandbox="system")["value"]

    def _read(self):
        length = b""
        while (octet := self.file.read(1)) != b":":
            assert octet, "the program closed the connection"
            length += octet
        packet = self.file.read(int(length))
        assert len(packet) == int(length), "the program closed the connection"
        return json.loads(packet)

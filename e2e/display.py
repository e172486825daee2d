"""A screen of its own for programs with windows, and pictures of it."""

import mmap
import os
import pathlib
import shutil
import struct
import tempfile
import zlib

from house import end, start


class Display:
    """An X server without hardware, on a number that it chooses itself, which no other machine can reach."""

    def __init__(self, width, height):
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix="x"))
        ours, its = os.pipe()
        with open(self.temp / "log", "wb") as log:
            self.process = start(["Xvfb", "-displayfd", its, "-screen", "0", "%dx%dx24" % (width, height), "-nolisten", "tcp",
                                  "-nocursor", "-fbdir", self.temp], log, pass_fds=[its])
        os.close(its)
        with os.fdopen(ours) as pipe:
            self.name = ":" + pipe.readline().strip()  # empty when it ended
        assert self.name != ":", "Xvfb does not start: %s" % (self.temp / "log").read_text()

    def close(self):
        end(self.process)
        shutil.rmtree(self.temp, ignore_errors=True)

    def picture(self, path):
        """Writes what is on the screen as PNG."""
        with open(self.temp / "Xvfb_screen0", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            width, height, rows = pixels(m[:])
        write_png(path, width, height, rows)


def pixels(xwd):
    """Width, height and rows of RGB from a dump in the form of XWD, as the X server keeps its frame buffer."""
    head = struct.unpack_from(">25L", xwd)
    size, version, width, height, order, depth, line, colours = (head[i] for i in (0, 1, 4, 5, 7, 11, 12, 19))
    assert (version, order, depth) == (7, 0, 32), "not a dump with pixels of blue, green, red and nothing: %r" % (head,)
    begin = size + 12 * colours
    rows = []
    for y in range(height):
        row = xwd[begin + y * line:begin + y * line + 4 * width]
        rgb = bytearray(3 * width)
        rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(rgb))
    return width, height, rows


def write_png(path, width, height, rows):
    """Writes rows of RGB as PNG."""
    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)  # windows repeat themselves: no filter is shorter
    pathlib.Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)) +
        chunk(b"IDAT", body) + chunk(b"IEND", b""))

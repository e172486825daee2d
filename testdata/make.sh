#!/bin/sh
# Makes the documents that tests attach, with programs that people use. They are
# checked in, so nobody needs to run this; running it again makes documents of
# the same content (dates inside them may differ).
#
# Needs, from Debian: pandoc libreoffice-writer-nogui
# ghostscript imagemagick fonts-dejavu-core python3. Documents that are there are
# kept unless -f is given.
set -eu
cd "$(dirname "$0")/documents"
[ "${1:-}" = "-f" ] && rm -f ./*.docx ./*.odt ./*.pdf ./*.jpg ./*.png ./*.doc ./*.zip

convert=$(command -v convert-im6.q16 || command -v magick || command -v convert)
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
office() {
	soffice "-env:UserInstallation=file://$profile" --headless --convert-to "$@" >/dev/null
}

# Text by pandoc: an OOXML package that Microsoft never touched.
[ -f order.docx ] || pandoc --metadata title="Приказ № 17" -o order.docx order.md
# The same document through LibreOffice: DOCX of another hand, old DOC, PDF.
if [ ! -f appeal.docx ] || [ ! -f appeal.pdf ] || [ ! -f appeal.doc ]; then
	pandoc -o "$profile/appeal.odt" appeal.md
	[ -f appeal.docx ] || office docx --outdir . "$profile/appeal.odt"
	[ -f appeal.doc ] || office doc --outdir . "$profile/appeal.odt"
	[ -f appeal.pdf ] || office pdf --outdir . "$profile/appeal.odt"
fi
# PDF by ghostscript from PostScript; and one with a password.
[ -f act.pdf ] || gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -sOutputFile=act.pdf act.ps
[ -f locked.pdf ] || gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -dEncryptionR=3 -dKeyLength=128 \
	-sOwnerPassword=owner -sUserPassword=user -dPermissions=-4 -sOutputFile=locked.pdf act.ps
# Images: a scan-like page and a stamp.
[ -f scan.jpg ] || $convert -size 620x877 xc:white -fill black -pointsize 28 \
	-annotate +60+120 'Scan of a document' -draw 'rectangle 60,160 560,162' \
	-density 300 -units PixelsPerInch -quality 70 scan.jpg
[ -f stamp.png ] || $convert -size 200x200 xc:white -fill none -stroke blue -strokewidth 6 \
	-draw 'circle 100,100 100,12' -strip stamp.png
# An archive of two of them.
[ -f annexes.zip ] || python3 -c '
import zipfile
with zipfile.ZipFile("annexes.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name, as_ in (("act.pdf", "act.pdf"), ("stamp.png", "stamp.png")):
        z.writestr(zipfile.ZipInfo(as_, (2026, 1, 15, 9, 0, 0)), open(name, "rb").read())
'
ls -l

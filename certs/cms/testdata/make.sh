#!/bin/sh
# Makes the foreign signatures that the tests verify, with openssl 3 and gpgsm.
# The results are checked in, so that the tests need neither. Keys are thrown
# away: run it again only to make everything anew.
#   sh make.sh        in this folder
set -eu
here=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >ca.cnf <<'CNF'
oid_section = oids
[oids]
INNLE = 1.2.643.100.4
[ca]
default_ca = any
[any]
database = index.txt
new_certs_dir = .
policy = anything
default_md = sha256
unique_subject = no
rand_serial = yes
email_in_dn = no
string_mask = utf8only
[anything]
commonName = supplied
organizationName = optional
INN = optional
INNLE = optional
OGRN = optional
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[mail]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = emailProtection,clientAuth
subjectAltName = email:ivanov@romashka.example
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:romashka.example
subjectKeyIdentifier = hash
[cipher]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
subjectAltName = email:ivanov@romashka.example
subjectKeyIdentifier = hash
CNF
: >index.txt

# issue NAME ISSUER SECTION SUBJECT FROM TO [DIGEST]; ISSUER = NAME signs itself
issue() {
	openssl req -new -key "$1.key" -config ca.cnf -utf8 -subj "$4" -out "$1.csr"
	self=; [ "$1" != "$2" ] || self=-selfsign
	if [ -n "$self" ]; then signer="-keyfile $1.key -selfsign"; else signer="-keyfile $2.key -cert $2.pem"; fi
	openssl ca -batch -notext -config ca.cnf $signer -extensions "$3" \
		-in "$1.csr" -out "$1.pem" -startdate "$5" -enddate "$6" -md "${7:-sha256}" -preserveDN -utf8 2>ca.log || { cat ca.log; exit 1; }
}
ec() { openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.key"; }
rsa() { openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.key" 2>/dev/null; }

begin=20260101000000Z
end=20460101000000Z
ec root P-256; ec issuing P-256; ec other P-256
issue root root root "/CN=Test root" $begin $end
issue issuing root issuing "/CN=Test issuing" $begin $end
issue other other root "/CN=Other root" $begin $end
rsa rsa 2048; ec p256 P-256; ec p384 P-384
rsa small 1024; ec expired P-256; ec server P-256; rsa cipher 2048; ec stranger P-256; rsa sha1cert 2048
org="/CN=Иванов Иван/O=ООО Ромашка/1.2.643.100.4=7707083893/1.2.643.100.1=1027700132195"
for name in rsa p256 p384 small; do issue $name issuing mail "$org" $begin $end; done
issue expired issuing mail "$org" 20200101000000Z 20210101000000Z
issue server issuing server "/CN=romashka.example" $begin $end
issue cipher issuing cipher "$org" $begin $end
issue stranger other mail "$org" $begin $end
issue sha1cert issuing mail "$org" $begin $end sha1

printf 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' >content.eml
printf 'Уважаемые коллеги, направляем документы.\r\n' | base64 | sed 's/$/\r/' >>content.eml
openssl rand -base64 30000 | sed 's/$/\r/' >>content.eml # so that a stream comes in several pieces

rm -f "$here"/*.p7s "$here"/*.p7m "$here"/*.pem "$here"/content.eml
sign() { # OUT KEY options
	out=$1 key=$2; shift 2
	openssl cms -sign -binary -in content.eml -signer "$key.pem" -inkey "$key.key" -certfile issuing.pem -outform DER -out "$here/$out" "$@"
}
sign rsa.p7s rsa -md sha256
sign rsa-sha512.p7s rsa -md sha512
sign p256.p7s p256 -md sha256
sign p384.p7s p384 -md sha384
sign pss.p7s rsa -md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest
sign pss-max.p7s rsa -md sha512 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:max
sign pss-sha1.p7s rsa -md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_mgf1_md:sha1
sign cades.p7s p256 -cades
sign keyid.p7s p256 -keyid
sign two.p7s rsa -signer p256.pem -inkey p256.key
sign two-stranger.p7s rsa -signer stranger.pem -inkey stranger.key
sign nocerts.p7s p256 -nocerts
sign noattr.p7s rsa -noattr
sign sha1.p7s rsa -md sha1
sign md5.p7s rsa -md md5
sign expired.p7s expired
sign server.p7s server
sign cipher.p7s cipher
sign stranger.p7s stranger
sign small.p7s small
sign sha1cert.p7s sha1cert
sign receipt.p7s p256 -econtent_type 1.2.840.113549.1.9.16.1.1
sign opaque.p7m p256 -nodetach
sign opaque-stream.p7m rsa -nodetach -stream
sign opaque-other.p7m p256 -nodetach -econtent_type 1.2.840.113549.1.7.5
openssl smime -sign -binary -in content.eml -signer rsa.pem -inkey rsa.key -certfile issuing.pem -outform DER -out "$here/pkcs7.p7s"
openssl crl2pkcs7 -nocrl -certfile p256.pem -outform DER -out "$here/certs-only.p7m"
cp content.eml root.pem other.pem "$here/"

# Whole mails, for the tests of package smime.
mails="$here/../../smime/testdata"
mkdir -p "$mails"
mail() { # OUT key options
	out=$1 key=$2; shift 2
	# As it travels: openssl ends the lines of base64 with LF alone.
	openssl cms -sign -in text -crlfeol -text -signer "$key.pem" -inkey "$key.key" -certfile issuing.pem -outform SMIME \
		-from office@romashka.example -to fns@gov.example -subject Signed "$@" | sed 's/\r*$/\r/' >"$mails/$out"
}
printf 'Dear colleagues,\r\n\r\nthe documents follow.\r\n' >text
mail multipart.eml p256
mail opaque.eml rsa -nodetach
mail opaque-stream.eml rsa -nodetach -stream
cp root.pem "$mails/"

# GOST R 34.10-2012, with Debian's libengine-gost-openssl.
if openssl engine gost >/dev/null 2>&1; then
	openssl req -x509 -engine gost -newkey gost2012_256 -pkeyopt paramset:A -nodes -keyout gost.key \
		-config ca.cnf -subj "/CN=GOST" -days 3650 -out gost.pem 2>/dev/null
	openssl cms -sign -engine gost -binary -in content.eml -signer gost.pem -inkey gost.key -outform DER -out "$here/gost.p7s" 2>/dev/null
fi
if command -v gpgsm >/dev/null; then
	export GNUPGHOME="$work/gnupg"
	mkdir -m 700 "$GNUPGHOME"
	printf 'disable-crl-checks\ndisable-ocsp\n' >"$GNUPGHOME/gpgsm.conf"
	printf 'allow-preset-passphrase\nallow-loopback-pinentry\n' >"$GNUPGHOME/gpg-agent.conf"
	openssl x509 -in root.pem -fingerprint -sha1 -noout | sed 's/.*=//; s/$/ S relax/' >"$GNUPGHOME/trustlist.txt"
	gpgsm --batch --import root.pem issuing.pem 2>/dev/null
	openssl pkcs12 -export -legacy -inkey rsa.key -in rsa.pem -passout pass: -out rsa.p12
	echo | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --import rsa.p12 2>/dev/null || true
	id=$(openssl x509 -in rsa.pem -fingerprint -sha1 -noout | sed 's/.*=//; s/://g')
	echo | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --local-user "$id" --detach-sign --output "$here/gpgsm.p7s" content.eml
	echo | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --local-user "$id" --sign --output "$here/gpgsm.p7m" content.eml
	gpgconf --kill all
fi

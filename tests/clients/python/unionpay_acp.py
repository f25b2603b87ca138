"""An independent checker of UnionPay's ACP 5.1.0 (channels.md section 4): composes and signs requests, parses and verifies
answers and notices by itself, with Python's standard library and `cryptography`. No published client of 5.1.0 was found:
the packages that name UnionPay sign the text itself, where 5.1.0 signs the hex digest of it.

    unionpay_acp.py SETTINGS.json                         one order's life, a form, a refund; a line for each step
                                                          (with "file": {"day", "number", "empty"}: the file of a day instead)
    unionpay_acp.py SETTINGS.json --verify-notice FILE    a captured notice: {"headers": {...}, "body": "..."}
"""

import base64
import datetime
import hashlib
import http.client
import io
import os
import ssl
import sys
import time
import urllib.parse
import zipfile
import zlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from referee import Settings, say

CHINA = datetime.timezone(datetime.timedelta(hours=8))
BACK = "/gateway/api/backTransReq.do"
APP = "/gateway/api/appTransReq.do"
FRONT = "/gateway/api/frontTransReq.do"
QUERY = "/gateway/api/queryTrans.do"
FILES = "/"
# Octets of the fields of a line of ZM up to the merchant's order number, one space between two (channels.md 4.5).
ZM = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32)
# The test environment's signer counts too (channels.md 4.2).
SIGNERS = ("中国银联股份有限公司", "00040000:SIGN")


class Wrong(Exception):
    """What does not verify."""


def text_to_sign(fields):
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature")


def keyed(text, secret):
    """signMethod 11."""
    inner = hashlib.sha256(secret.encode()).hexdigest()
    return hashlib.sha256(f"{text}&{inner}".encode()).hexdigest()


def digest_text(text):
    """What RSA signs under signMethod 01: 64 characters of hex."""
    return hashlib.sha256(text.encode()).hexdigest().encode()


def split_answer(text):
    """k=v&k=v, not percent-encoded; a value in braces or brackets goes on to their end; a name ends at the first `=`."""
    parts, start, closing = [], 0, None
    for at, sign in enumerate(text):
        if closing:
            if sign == closing:
                closing = None
        elif sign in "{[":
            closing = "}" if sign == "{" else "]"
        elif sign == "&":
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    fields = {}
    for part in parts:
        name, middle, value = part.partition("=")
        if not middle or name in fields:
            raise Wrong(f"not k=v, or twice: {name[:40]}")
        fields[name] = value
    return fields


def issued(child, parent):
    if child.issuer != parent.subject:
        raise Wrong("issued by somebody else")
    try:
        parent.public_key().verify(
            child.signature, child.tbs_certificate_bytes, padding.PKCS1v15(), child.signature_hash_algorithm
        )
    except InvalidSignature as error:
        raise Wrong("a certificate that its issuer did not sign") from error


def in_force(certificate):
    now = datetime.datetime.now(datetime.timezone.utc)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Wrong("a certificate out of its time")


class Acp:
    """One merchant's side."""

    def __init__(self, settings):
        self.settings = settings
        self.method = settings["sign_method"]
        self.account = settings.account
        if self.method == "01":
            with open(settings.path("key_file"), "rb") as file:
                self.key = serialization.load_pem_private_key(file.read(), None)
            with open(settings.path("cert_file"), "rb") as file:
                self.cert_id = str(x509.load_pem_x509_certificate(file.read()).serial_number)
        self.roots = {
            name: x509.load_pem_x509_certificate(settings.read(name).encode())
            for name in ("root_cert_file", "middle_cert_file")
        }

    def compose(self, kind, number, at, **more):
        fields = {
            "version": "5.1.0", "encoding": "UTF-8", "signMethod": self.method, "accessType": "0",
            "txnType": kind[0], "txnSubType": kind[1], "bizType": kind[2], "channelType": kind[3],
            "merId": self.account["mer_id"], "txnTime": at,
        }
        if number:
            fields["orderId"] = number
        fields.update({name: value for name, value in more.items() if value})
        if self.method == "01":
            fields["certId"] = self.cert_id
            signed = self.key.sign(digest_text(text_to_sign(fields)), padding.PKCS1v15(), hashes.SHA256())
            fields["signature"] = base64.b64encode(signed).decode()
        else:
            fields["signature"] = keyed(text_to_sign(fields), self.account["secure_key"])
        return fields

    def verify(self, fields):
        """The account's own method only; its chain, its signer's name, then the signature."""
        if fields.get("signMethod") != self.method or fields.get("merId") != self.account["mer_id"]:
            raise Wrong("another method or merchant")
        text, signature = text_to_sign(fields), fields.get("signature", "")
        if self.method == "11":
            if signature != keyed(text, self.account["secure_key"]):
                raise Wrong("the digest")
            return fields
        leaf = x509.load_pem_x509_certificate(fields["signPubKeyCert"].encode())
        root, middle = self.roots["root_cert_file"], self.roots["middle_cert_file"]
        for child, parent in ((leaf, middle), (middle, root), (root, root)):
            issued(child, parent)
            in_force(child)
        name = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        if name.split("@")[2:3] not in [[signer] for signer in SIGNERS]:
            raise Wrong("a signer that is not UnionPay")
        try:
            leaf.public_key().verify(
                base64.b64decode(signature, validate=True), digest_text(text), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature as error:
            raise Wrong("the signature") from error
        return fields

    def post(self, base, path, fields):
        """Status, headers, body; no redirect is followed."""
        url = urllib.parse.urlsplit(base)
        context = ssl.create_default_context(cafile=self.settings["ca_file"])
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=20)
        try:
            connection.request(
                "POST", path, urllib.parse.urlencode(fields),
                {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"},
            )
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8")
        finally:
            connection.close()

    def ask(self, path, fields):
        status, _, body = self.post(self.settings["base_url"], path, fields)
        if status != 200:
            raise Wrong(f"{status}: {body}")
        return self.verify(split_answer(body.rstrip("\r\n")))

    def rejects(self, fields):
        """What was touched must not verify; a checker that takes everything proves nothing."""
        for name, value in (("respCode", "99"), ("txnAmt", "1"), ("added", "1")):
            try:
                self.verify({**fields, name: value})
            except Wrong:
                continue
            return False
        return True


def now():
    return datetime.datetime.now(CHINA).strftime("%Y%m%d%H%M%S")


def life(acp):
    settings = acp.settings
    back_url = settings["notify_url"]
    number, at = settings.number("A"), now()
    money = {"currencyCode": "156", "backUrl": back_url}
    reserved = base64.b64encode("桌号 7 & {x}=1".encode()).decode()
    code = acp.ask(BACK, acp.compose(("01", "07", "000000", "08"), number, at, txnAmt="1280", reqReserved=reserved, **money))
    say("apply", code["respCode"] == "00" and code["qrCode"].startswith("https://") and code["orderId"] == number, number=number)
    say("touched", acp.rejects(code))
    ask = lambda no, when: acp.ask(QUERY, acp.compose(("00", "00", "000000", "07"), no, when))
    say("query", ask(number, at)["respCode"] == "34")
    say("pay", settings.pay("unionpay", number)["ok"])
    paid = ask(number, at)
    say("query_paid", (paid["respCode"], paid["origRespCode"], paid["txnAmt"]) == ("00", "00", "1280"))
    refund, when = settings.number("R"), now()
    form = acp.compose(("04", "00", "000000", "07"), refund, when, txnAmt="280", origQryId=paid["queryId"], backUrl=back_url)
    say("refund", acp.ask(BACK, form)["respCode"] == "00", number=refund)
    again = acp.ask(BACK, form)
    say("refund_again", again["respCode"] == "12")
    done = ""
    for _ in range(100):
        done = ask(refund, when)["origRespCode"]
        if done == "00":
            break
        time.sleep(0.1)
    say("refund_query", done == "00")
    front, form_at = settings.number("F"), now()
    form = acp.compose(
        ("01", "01", "000201", "07"), front, form_at, txnAmt="470", frontUrl="https://shop.example/back", **money
    )
    status, headers, body = acp.post(settings["base_url"], FRONT, form)
    if settings["through"]:
        place = urllib.parse.urlsplit({name.lower(): value for name, value in headers.items()}.get("location", ""))
        sent_on = status == 307 and (place.hostname, place.path, place.query) == ("gateway.95516.com", FRONT, "")
        say("form", sent_on and not body, number=front)
        # What a browser does with 307: the same octets, there.
        status, _, body = acp.post(settings["channel_url"], FRONT, form)
    else:
        say("form", True, number=front)
    say("form_opens", status == 200 and front in body)
    say("form_pay", settings.pay("unionpay", front)["ok"])
    say("form_query_paid", ask(front, form_at)["origRespCode"] == "00")
    in_the_app(acp, money, ask)
    counter(acp, money, ask)


def in_the_app(acp, money, ask):
    """An app's order: a number for UnionPay's own SDK."""
    settings = acp.settings
    number, at = settings.number("P"), now()
    placed = acp.ask(APP, acp.compose(("01", "01", "000201", "08"), number, at, txnAmt="620", **money))
    say("app", placed["respCode"] == "00" and placed["tn"].isdigit() and placed["orderId"] == number, number=number)
    say("app_pay", settings.pay("unionpay", number)["ok"])
    say("app_query_paid", ask(number, at)["origRespCode"] == "00")


def settled(ask, number, at):
    """The last word on a server call: asked for while nobody knows."""
    for _ in range(100):
        asked = ask(number, at)
        if asked["respCode"] == "00" and asked["origRespCode"] not in ("03", "04", "05"):
            return asked
        time.sleep(0.1)
    raise Wrong(f"no word on {number}")


def counter(acp, money, ask):
    """A payer's code at a counter: charged, and taken back on its day; another payer's is refused."""
    settings = acp.settings
    charge = lambda no, when, code: acp.compose(("01", "06", "000000", "08"), no, when, txnAmt="560", qrNo=code, **money)
    number, at, code = settings.number("C"), now(), settings.payer("unionpay", "62", 19)
    accepted = acp.ask(BACK, charge(number, at, code))
    say("charge", accepted["respCode"] == "00" and acp.rejects(accepted), number=number)
    paid = settled(ask, number, at)
    say("charge_query_paid", (paid["origRespCode"], paid["txnAmt"]) == ("00", "560"))
    back, when = settings.number("V"), now()
    form = acp.compose(
        ("31", "00", "000000", "07"), back, when, txnAmt="560", origQryId=paid["queryId"], backUrl=settings["notify_url"]
    )
    # Through us the payment must be on record first: UnionPay's notice or a query tells, and ours may be a moment later.
    said = {"respCode": "32"}
    for _ in range(50):
        status, _, body = acp.post(settings["base_url"], BACK, form)
        if status == 200:
            said = acp.verify(split_answer(body))
            break
        time.sleep(0.1)
    say("cancel", (said["respCode"], said.get("txnType")) == ("00", "31"), number=back)
    say("cancel_query", settled(ask, back, when)["origRespCode"] == "00")
    say("cancel_again", acp.ask(BACK, form)["respCode"] == "12")
    number, at, code = settings.number("D"), now(), settings.payer("unionpay", "62", 19, "declined")
    refused = acp.ask(BACK, charge(number, at, code))
    say("charge_refused", refused["respCode"] == "64" and ask(number, at)["origRespCode"] == "64")


def orders(content):
    """The merchant's numbers in the lines of ZM: base64 of zlib of a zip of fixed-width text (channels.md 4.5)."""
    with zipfile.ZipFile(io.BytesIO(zlib.decompress(base64.b64decode(content, validate=True)))) as file:
        names = [name for name in file.namelist() if "ZM_" in name]
        lines = [line for name in names for line in file.read(name).splitlines() if line]
    at = sum(ZM[:-1]) + len(ZM) - 1
    return [line[at : at + ZM[-1]].decode("gbk").strip() for line in lines]


def settlement(acp, day, number, empty):
    """The file of a day, verified before it is opened; and of a day on which nothing was settled."""
    answer = acp.ask(FILES, acp.compose(("76", "01", "000000", "07"), None, now(), settleDate=day, fileType="00"))
    there = orders(answer["fileContent"]) if answer["respCode"] == "00" else []
    say("file", acp.rejects(answer) and number in there, lines=len(there), name=answer.get("fileName"))
    missing = acp.ask(FILES, acp.compose(("76", "01", "000000", "07"), None, now(), settleDate=empty, fileType="00"))
    say("no_file", missing["respCode"] == "98")


def main():
    settings = Settings("unionpay")
    acp = Acp(settings)
    if settings.all.get("file"):
        settlement(acp, **settings.all["file"])
        return
    if settings.notice:
        pairs = urllib.parse.parse_qsl(settings.notice["body"], keep_blank_values=True, strict_parsing=True)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise Wrong("a name twice")
        acp.verify(fields)
        say("notice", acp.rejects(fields) and fields["respCode"] == "00", number=fields["orderId"], kind=fields["txnType"])
        return
    life(acp)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    try:
        main()
    except Wrong as error:
        say("wrong", False, why=str(error))
        sys.exit(1)

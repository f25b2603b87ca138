"""One Alipay order through its life with PyPI alipay-sdk-python, Alipay's own; only the host is changed."""

import http.client
import json
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.request.AlipayDataDataserviceBillDownloadurlQueryRequest import (
    AlipayDataDataserviceBillDownloadurlQueryRequest,
)
from alipay.aop.api.request.AlipaySystemOauthTokenRequest import AlipaySystemOauthTokenRequest
from alipay.aop.api.request.AlipayTradeCancelRequest import AlipayTradeCancelRequest
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import AlipayTradeFastpayRefundQueryRequest
from alipay.aop.api.request.AlipayTradePagePayRequest import AlipayTradePagePayRequest
from alipay.aop.api.request.AlipayTradePayRequest import AlipayTradePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.request.AlipayTradeWapPayRequest import AlipayTradeWapPayRequest
from alipay.aop.api.util import EncryptUtils, WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa
from Crypto.Cipher import AES
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from referee import Settings, fetched, guarded, say


def bare(pem):
    """What stands between the marks: the library puts marks of its own around it."""
    return "".join(line for line in pem.splitlines() if line and not line.startswith("-----"))


def pkcs1(pem):
    """The library reads the private key in the older form only."""
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Octets:
    """The library was written for Python 2: it hands its cipher texts, which under Python 3 takes octets alone."""

    MODE_CBC, block_size = AES.MODE_CBC, AES.block_size

    @staticmethod
    def new(key, mode, iv):
        cipher = AES.new(key, mode, iv.encode())
        return SimpleNamespace(encrypt=lambda text: cipher.encrypt(text.encode()), decrypt=cipher.decrypt)


def client(settings):
    """The library, in public-key mode: it has no other."""
    base = urlsplit(settings["base_url"])

    class Elsewhere(http.client.HTTPSConnection):
        """The library knows no port but 443: it names the host, this the port."""

        def __init__(self, host, port, timeout):
            assert (host, port) == (base.hostname, 443), (host, port)
            super().__init__(host, base.port, timeout=timeout)

    WebUtils.httplib = SimpleNamespace(HTTPConnection=http.client.HTTPConnection, HTTPSConnection=Elsewhere)
    config = AlipayClientConfig()
    config.server_url = f"{base.scheme}://{base.hostname}/gateway.do"
    config.app_id = settings.account["app_id"]
    config.app_private_key = bare(pkcs1(settings.read("private_key_file")))
    config.alipay_public_key = bare(settings.read("alipay_public_key_file"))
    if settings.account.get("encrypt"):
        config.encrypt_type = "AES"
        config.encrypt_key = settings.account["aes_key"]
        EncryptUtils.AES = Octets
    return config, DefaultAlipayClient(config)


def run():
    settings = Settings("alipay")
    if settings.mode != "public_key":
        raise ValueError("this library has no certificate mode")
    config, alipay = client(settings)
    if settings.notice:
        fields = dict(parse_qsl(settings.notice["body"], keep_blank_values=True, strict_parsing=True))
        signed = {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}
        good = verify_with_rsa(config.alipay_public_key, get_sign_content(signed).encode(), fields["sign"])
        say("verify_notice", good, fields=fields)
        return

    def call(kind, notify=False, **content):
        """The answer, which the library has verified."""
        request = kind()
        request.biz_content = content
        if notify:
            request.notify_url = settings["notify_url"]
        return json.loads(alipay.execute(request))

    def order(number, subject="官道 referee 订单", yuan="8.88", **more):
        return call(AlipayTradePrecreateRequest, True, out_trade_no=number, total_amount=yuan, subject=subject, **more)

    if settings.place and settings.place.get("way"):
        # Asks nobody: an address or a form that the payer's browser is to carry.
        given = settings.place
        # Here nothing connects, so the port may stand in it.
        config.server_url = settings["base_url"] + "/gateway.do"
        request = {"page": AlipayTradePagePayRequest, "wap": AlipayTradeWapPayRequest}[given["way"]]()
        request.biz_content = given["biz_content"]
        request.notify_url = settings["notify_url"]
        request.return_url = given["return_url"]
        text = alipay.page_execute(request, "POST" if given.get("form") else "GET")
        say("hand_out", "sign=" in text, text=text)
        return
    if settings.authorised:
        # Who the payer is that came with this code.
        request = AlipaySystemOauthTokenRequest()
        request.grant_type = "authorization_code"
        request.code = settings.authorised
        answer = json.loads(alipay.execute(request))
        say("payer", "access_token" in answer, id=answer.get("user_id"))
        return
    if settings.after:
        # An order that a payer's browser brought: what its merchant asks for afterwards.
        one = {"out_trade_no": settings.after}
        answer = call(AlipayTradeQueryRequest, **one)
        say("query_paid", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)
        one["out_request_no"] = settings.number("r")
        answer = call(AlipayTradeRefundRequest, refund_amount="8.88", **one)
        say("refund", answer["code"] == "10000" and answer["fund_change"] == "Y", answer=answer)
        answer = call(AlipayTradeFastpayRefundQueryRequest, **one)
        say("refund_query", answer.get("refund_status") == "REFUND_SUCCESS", answer=answer)
        return
    if settings.place:
        given = settings.place
        more = {"seller_id": given["seller_id"], "time_expire": given["time_expire"]}
        answer = order(given["number"], given["description"], given["yuan"], **more)
        say("place", answer["code"] == "10000", answer=answer)
        return

    if settings.bill:
        asked = {"bill_type": "trade", "bill_date": settings.bill}
        answer = call(AlipayDataDataserviceBillDownloadurlQueryRequest, **asked)
        say("bill", answer["code"] == "10000", **fetched(answer["bill_download_url"], settings["channel_url"]))
        return

    number = settings.number("a")
    answer = order(number)
    say("order", answer["code"] == "10000" and answer["qr_code"].startswith("https://qr."), number=number, answer=answer)
    answer = call(AlipayTradeQueryRequest, out_trade_no=number)
    say("query", answer.get("sub_code") == "ACQ.TRADE_NOT_EXIST", answer=answer)
    say("pay", settings.pay("alipay", number)["ok"])
    answer = call(AlipayTradeQueryRequest, out_trade_no=number)
    say("query_paid", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)

    answer = order(number)
    say("order_paid", answer.get("sub_code") == "ACQ.TRADE_HAS_SUCCESS", answer=answer)

    refund = settings.number("r")
    asked = {"out_trade_no": number, "out_request_no": refund}
    answer = call(AlipayTradeRefundRequest, refund_amount="3.00", **asked)
    say("refund", answer["code"] == "10000" and answer["fund_change"] == "Y", number=refund, answer=answer)
    answer = call(AlipayTradeRefundRequest, refund_amount="3.00", **asked)
    say("refund_again", answer["code"] == "10000" and answer["fund_change"] == "N", answer=answer)
    answer = call(AlipayTradeFastpayRefundQueryRequest, **asked)
    say("refund_query", answer.get("refund_status") == "REFUND_SUCCESS", answer=answer)

    second = settings.number("c")
    answer = order(second)
    say("second_order", answer["code"] == "10000", number=second, answer=answer)
    answer = call(AlipayTradeCloseRequest, out_trade_no=second)
    say("close_unscanned", answer.get("sub_code") == "ACQ.TRADE_NOT_EXIST", answer=answer)
    # Alipay knows a code's order only once somebody has scanned it.
    say("scan", settings.pay("alipay", second, "declined")["ok"])
    answer = call(AlipayTradeCloseRequest, out_trade_no=second)
    # Whoever carried the first close may have closed it as soon as it was there.
    closed = answer["code"] == "10000" or answer.get("sub_code") == "ACQ.TRADE_HAS_CLOSE"
    say("close", closed, answer=answer)
    answer = call(AlipayTradeQueryRequest, out_trade_no=second)
    say("query_closed", answer.get("trade_status") == "TRADE_CLOSED", answer=answer)

    def charge(no, code):
        content = {"out_trade_no": no, "total_amount": "8.88", "subject": "官道 referee 付款码"}
        return call(AlipayTradePayRequest, True, scene="bar_code", auth_code=code, **content)

    third = settings.number("s")
    answer = charge(third, settings.payer("alipay", "28", 22))
    say("pay_code", answer["code"] == "10000" and "gmt_payment" in answer, number=third, answer=answer)
    answer = call(AlipayTradeQueryRequest, out_trade_no=third)
    say("query_code", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)
    answer = call(AlipayTradeCancelRequest, out_trade_no=third)
    say("cancel_code", answer["code"] == "10000" and answer["action"] == "refund", answer=answer)
    answer = call(AlipayTradeQueryRequest, out_trade_no=third)
    say("query_cancelled", answer.get("trade_status") == "TRADE_CLOSED", answer=answer)
    fourth = settings.number("w")
    answer = charge(fourth, settings.payer("alipay", "28", 22, "late"))
    say("wait_code", answer["code"] == "10003", number=fourth, answer=answer)
    answer = call(AlipayTradeCancelRequest, out_trade_no=fourth)
    say("cancel_waiting", answer["code"] == "10000" and answer["action"] == "close", answer=answer)

    # Of what is no payment code too, before and after its payment.
    fifth = settings.number("n")
    answer = order(fifth)
    scanned = answer["code"] == "10000" and settings.pay("alipay", fifth, "declined")["ok"]
    say("scanned_order", scanned, number=fifth, answer=answer)
    answer = call(AlipayTradeCancelRequest, out_trade_no=fifth)
    say("cancel_scanned", answer["code"] == "10000" and answer["action"] == "close", answer=answer)
    sixth = settings.number("p")
    answer = order(sixth)
    paid = answer["code"] == "10000" and settings.pay("alipay", sixth)["ok"]
    say("paid_order", paid, number=sixth, answer=answer)
    answer = call(AlipayTradeCancelRequest, out_trade_no=sixth)
    say("cancel_paid", answer["code"] == "10000" and answer["action"] == "refund", answer=answer)


guarded(run)

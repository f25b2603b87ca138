"""One Alipay order through its life with PyPI python-alipay-sdk; only the host is changed."""

from urllib.parse import parse_qsl

from alipay import AliPay, DCAliPay
from referee import Settings, fetched, guarded, say


def client(settings):
    """The library, in public-key or certificate mode."""
    common = {
        "appid": settings.account["app_id"],
        "app_notify_url": settings["notify_url"],
        "app_private_key_string": settings.read("private_key_file"),
        "sign_type": "RSA2",
    }
    if settings.mode == "certificate":
        alipay = DCAliPay(
            app_public_key_cert_string=settings.read("app_cert_file"),
            alipay_public_key_cert_string=settings.read("alipay_cert_file"),
            alipay_root_cert_string=settings.read("root_cert_file"),
            **common,
        )
    else:
        alipay = AliPay(alipay_public_key_string=settings.read("alipay_public_key_file"), **common)
    alipay._gateway = settings["base_url"] + "/gateway.do"
    return alipay


def order(alipay, number, subject="官道 referee 订单", yuan="8.88", **more):
    return alipay.api_alipay_trade_precreate(subject=subject, out_trade_no=number, total_amount=yuan, **more)


def run():
    settings = Settings("alipay")
    alipay = client(settings)
    if settings.notice:
        fields = dict(parse_qsl(settings.notice["body"], keep_blank_values=True, strict_parsing=True))
        signature = fields.pop("sign")
        say("verify_notice", alipay.verify(dict(fields), signature), fields=fields)
        return
    if settings.place and settings.place.get("way"):
        # Asks nobody: what the payer's browser is to carry, behind the gateway's address.
        given = settings.place
        sign = {"page": alipay.api_alipay_trade_page_pay, "wap": alipay.api_alipay_trade_wap_pay}[given["way"]]
        text = sign(return_url=given["return_url"], notify_url=settings["notify_url"], **given["biz_content"])
        say("hand_out", "sign=" in text, text=f"{alipay._gateway}?{text}")
        return
    if settings.payer:
        # Who the payer is that came with this code.
        asked = {"grant_type": "authorization_code", "code": settings.payer}
        answer = alipay.server_api("alipay.system.oauth.token", **asked)
        say("payer", "access_token" in answer, id=answer.get("user_id"))
        return
    if settings.after:
        # An order that a payer's browser brought: what its merchant asks for afterwards.
        answer = alipay.api_alipay_trade_query(out_trade_no=settings.after)
        say("query_paid", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)
        refund = settings.number("r")
        answer = alipay.api_alipay_trade_refund("8.88", out_trade_no=settings.after, out_request_no=refund)
        say("refund", answer["code"] == "10000" and answer["fund_change"] == "Y", answer=answer)
        answer = alipay.api_alipay_trade_fastpay_refund_query(refund, out_trade_no=settings.after)
        say("refund_query", answer.get("refund_status") == "REFUND_SUCCESS", answer=answer)
        return
    if settings.place:
        given = settings.place
        more = {"seller_id": given["seller_id"], "time_expire": given["time_expire"]}
        answer = order(alipay, given["number"], given["description"], given["yuan"], **more)
        say("place", answer["code"] == "10000", answer=answer)
        return

    if settings.bill:
        asked = {"bill_type": "trade", "bill_date": settings.bill}
        answer = alipay.server_api("alipay.data.dataservice.bill.downloadurl.query", asked)
        say("bill", answer["code"] == "10000", **fetched(answer["bill_download_url"], settings["channel_url"]))
        return

    number = settings.number("a")
    answer = order(alipay, number)
    say("order", answer["code"] == "10000" and answer["qr_code"].startswith("https://qr."), number=number, answer=answer)
    answer = alipay.api_alipay_trade_query(out_trade_no=number)
    say("query", answer.get("sub_code") == "ACQ.TRADE_NOT_EXIST", answer=answer)
    say("pay", settings.pay("alipay", number)["ok"])
    answer = alipay.api_alipay_trade_query(out_trade_no=number)
    say("query_paid", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)

    answer = order(alipay, number)
    say("order_paid", answer.get("sub_code") == "ACQ.TRADE_HAS_SUCCESS", answer=answer)

    refund = settings.number("r")
    answer = alipay.api_alipay_trade_refund("3.00", out_trade_no=number, out_request_no=refund)
    say("refund", answer["code"] == "10000" and answer["fund_change"] == "Y", number=refund, answer=answer)
    answer = alipay.api_alipay_trade_refund("3.00", out_trade_no=number, out_request_no=refund)
    say("refund_again", answer["code"] == "10000" and answer["fund_change"] == "N", answer=answer)
    answer = alipay.api_alipay_trade_fastpay_refund_query(refund, out_trade_no=number)
    say("refund_query", answer.get("refund_status") == "REFUND_SUCCESS", answer=answer)

    second = settings.number("c")
    answer = order(alipay, second)
    say("second_order", answer["code"] == "10000", number=second, answer=answer)
    answer = alipay.api_alipay_trade_close(out_trade_no=second)
    say("close_unscanned", answer.get("sub_code") == "ACQ.TRADE_NOT_EXIST", answer=answer)
    # Alipay knows a code's order only once somebody has scanned it.
    say("scan", settings.pay("alipay", second, "declined")["ok"])
    answer = alipay.api_alipay_trade_close(out_trade_no=second)
    # Whoever carried the first close may have closed it as soon as it was there.
    closed = answer["code"] == "10000" or answer.get("sub_code") == "ACQ.TRADE_HAS_CLOSE"
    say("close", closed, answer=answer)
    answer = alipay.api_alipay_trade_query(out_trade_no=second)
    say("query_closed", answer.get("trade_status") == "TRADE_CLOSED", answer=answer)

    def charge(no, code):
        return alipay.api_alipay_trade_pay(no, "bar_code", code, "官道 referee 付款码", total_amount="8.88")

    third = settings.number("s")
    answer = charge(third, settings.payer("alipay", "28", 22))
    say("pay_code", answer["code"] == "10000" and "gmt_payment" in answer, number=third, answer=answer)
    answer = alipay.api_alipay_trade_query(out_trade_no=third)
    say("query_code", answer.get("trade_status") == "TRADE_SUCCESS", answer=answer)
    answer = alipay.api_alipay_trade_cancel(out_trade_no=third)
    say("cancel_code", answer["code"] == "10000" and answer["action"] == "refund", answer=answer)
    answer = alipay.api_alipay_trade_query(out_trade_no=third)
    say("query_cancelled", answer.get("trade_status") == "TRADE_CLOSED", answer=answer)
    fourth = settings.number("w")
    answer = charge(fourth, settings.payer("alipay", "28", 22, "late"))
    say("wait_code", answer["code"] == "10003", number=fourth, answer=answer)
    answer = alipay.api_alipay_trade_cancel(out_trade_no=fourth)
    say("cancel_waiting", answer["code"] == "10000" and answer["action"] == "close", answer=answer)

    # Of what is no payment code too, before and after its payment.
    fifth = settings.number("n")
    answer = order(alipay, fifth)
    scanned = answer["code"] == "10000" and settings.pay("alipay", fifth, "declined")["ok"]
    say("scanned_order", scanned, number=fifth, answer=answer)
    answer = alipay.api_alipay_trade_cancel(out_trade_no=fifth)
    say("cancel_scanned", answer["code"] == "10000" and answer["action"] == "close", answer=answer)
    sixth = settings.number("p")
    answer = order(alipay, sixth)
    paid = answer["code"] == "10000" and settings.pay("alipay", sixth)["ok"]
    say("paid_order", paid, number=sixth, answer=answer)
    answer = alipay.api_alipay_trade_cancel(out_trade_no=sixth)
    say("cancel_paid", answer["code"] == "10000" and answer["action"] == "refund", answer=answer)


guarded(run)

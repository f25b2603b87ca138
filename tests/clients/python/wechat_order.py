"""One WeChat Pay order through its life with PyPI wechatpayv3; only the host is changed."""

import gzip
import hashlib
import json
import time
from urllib.parse import urlsplit

from referee import Settings, guarded, say
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core


def client(settings):
    """The library; it asks for certificates while it is built, so the host is set before that."""
    account = settings.account
    build = Core._init_certificates

    def elsewhere(core):
        core._gate_way = settings["base_url"]
        build(core)

    Core._init_certificates = elsewhere
    keys = {}
    if settings.mode == "public_key":
        keys = {"public_key": settings.read("public_key_file"), "public_key_id": account["public_key_id"]}
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=account["mchid"],
        private_key=settings.read("key_file"),
        cert_serial_no=account["serial"],
        appid=account["appid"],
        apiv3_key=account["apiv3_key"],
        notify_url=settings["notify_url"],
        timeout=(10, 30),
        **keys,
    )
    pay._core._gate_way = settings["base_url"]
    return pay


def order(pay, number, description="官道 referee 订单", fen=888, **more):
    return pay.pay(description=description, out_trade_no=number, amount={"total": fen, "currency": "CNY"}, **more)


# Where the order is paid: the order's kind, the word that leads to it, what it must say beside.
WAYS = {
    "native": (WeChatPayType.NATIVE, "code_url", {}),
    "h5": (WeChatPayType.H5, "h5_url", {"scene_info": {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}}),
    "app": (WeChatPayType.APP, "prepay_id", {}),
}


def run():
    settings = Settings("wechat")
    pay = client(settings)
    if settings.notice:
        got = pay.callback(settings.notice["headers"], settings.notice["body"])
        say("verify_notice", bool(got), event=got and got["event_type"], resource=got and got["resource"])
        return
    if settings.place:
        given = settings.place
        kind, word, more = WAYS[given["way"]]
        status, text = order(
            pay, given["number"], given["description"], given["fen"], time_expire=given["time_expire"], pay_type=kind, **more
        )
        say("place", status == 200 and word in json.loads(text), status=status, answer=text)
        return

    if settings.beside:
        return beside(settings, pay)

    number = settings.number("w")
    status, text = order(pay, number)
    say("order", status == 200 and "code_url" in json.loads(text), number=number, status=status, answer=text)
    status, text = pay.query(out_trade_no=number)
    say("query", status == 200 and json.loads(text)["trade_state"] == "NOTPAY", status=status, answer=text)
    say("pay", settings.pay("wechat", number)["ok"])
    status, text = pay.query(out_trade_no=number)
    say("query_paid", status == 200 and json.loads(text)["trade_state"] == "SUCCESS", status=status, answer=text)

    status, text = order(pay, number)
    say("order_paid", status == 400 and json.loads(text)["code"] == "ORDER_PAID", status=status, answer=text)

    refund = settings.number("r")
    amount = {"refund": 300, "total": 888, "currency": "CNY"}
    status, text = pay.refund(out_refund_no=refund, amount=amount, out_trade_no=number, reason="不想要了")
    say("refund", status == 200 and json.loads(text)["out_refund_no"] == refund, number=refund, status=status, answer=text)
    for _ in range(50):
        status, text = pay.query_refund(refund)
        if status != 200 or json.loads(text)["status"] == "SUCCESS":
            break
        time.sleep(0.2)
    say("refund_query", status == 200 and json.loads(text)["status"] == "SUCCESS", status=status, answer=text)

    status, text = pay.refund(out_refund_no=refund, amount=amount, out_trade_no=number, reason="不想要了")
    say("refund_again", status == 200 and json.loads(text)["status"] == "SUCCESS", status=status, answer=text)

    second = settings.number("c")
    status, text = order(pay, second)
    say("second_order", status == 200, number=second, status=status, answer=text)
    status, _ = pay.close(out_trade_no=second)
    say("close", status == 204, status=status)
    status, text = pay.query(out_trade_no=second)
    say("query_closed", status == 200 and json.loads(text)["trade_state"] == "CLOSED", status=status, answer=text)

    for way in ("h5", "app"):
        kind, word, more = WAYS[way]
        number = settings.number(way)
        status, text = order(pay, number, pay_type=kind, **more)
        say(f"{way}_order", status == 200 and word in json.loads(text), number=number, status=status, answer=text)
        say(f"{way}_pay", settings.pay("wechat", number)["ok"])
        status, text = pay.query(out_trade_no=number)
        say(f"{way}_query_paid", status == 200 and json.loads(text)["trade_state"] == "SUCCESS", status=status, answer=text)


def beside(settings, pay):
    group(settings, pay)
    code(settings, pay)
    abnormal(settings, pay)
    for step, ask in (("bill", pay.trade_bill), ("funds", pay.fundflow_bill)):
        bill(settings, pay, step, ask)


def group(settings, pay):
    """Orders that are paid together, and others that are closed together."""

    def parts(what):
        return [{"mchid": settings.account["mchid"], "out_trade_no": settings.number(what)} for _ in range(2)]

    def place(number, orders):
        told = {"description": "官道 referee 合单", "attach": "a", "amount": {"total_amount": 300, "currency": "CNY"}}
        orders = [{**part, **told} for part in orders]
        return pay.combine_pay(combine_out_trade_no=number, sub_orders=orders, pay_type=WeChatPayType.NATIVE)

    def states(number):
        status, text = pay.combine_query(number)
        return status == 200 and {sub["trade_state"] for sub in json.loads(text)["sub_orders"]}

    number, orders = settings.number("g"), parts("ga")
    status, text = place(number, orders)
    placed = status == 200 and "code_url" in json.loads(text)
    say("combine_order", placed, numbers=[part["out_trade_no"] for part in orders], status=status, answer=text)
    say("combine_query", states(number) == {"NOTPAY"})
    say("combine_pay", settings.pay("wechat", number)["ok"])
    say("combine_query_paid", states(number) == {"SUCCESS"})
    number, orders = settings.number("h"), parts("ha")
    status, text = place(number, orders)
    numbers = [part["out_trade_no"] for part in orders]
    say("combine_second", status == 200, numbers=numbers, status=status, answer=text)
    status, _ = pay.combine_close(number, orders)
    say("combine_close", status == 204, status=status)


def code(settings, pay):
    """A payment code by APIv3, charged and taken back."""
    number, scanned = settings.number("k"), settings.payer("wechat", "13", 18)
    place = {"payer": {"auth_code": scanned}, "scene_info": {"store_info": {"out_id": "1"}}}
    status, text = order(pay, number, pay_type=WeChatPayType.CODEPAY, **place)
    say("code", status == 200 and json.loads(text)["trade_state"] == "SUCCESS", number=number, status=status, answer=text)
    status, _ = pay.codepay_reverse(number)
    say("code_reverse", status in (200, 204), status=status)
    status, text = pay.query(out_trade_no=number)
    say("query_reversed", status == 200 and json.loads(text)["trade_state"] == "REVOKED", status=status, answer=text)


def abnormal(settings, pay):
    """A refund that the payer's account cannot take goes to a card, which the library seals."""
    number, refund = settings.number("a"), settings.number("ar")
    status, text = order(pay, number)
    say("abnormal_order", status == 200, number=number, status=status, answer=text)
    say("abnormal_pay", settings.pay("wechat", number, payer="oGONE000000000000000000000001")["ok"])
    amount = {"refund": 300, "total": 888, "currency": "CNY"}
    status, text = pay.refund(out_refund_no=refund, amount=amount, out_trade_no=number)
    say("abnormal_refund", status == 200, number=refund, status=status, answer=text)

    def until(state):
        for _ in range(50):
            status, text = pay.query_refund(refund)
            if status != 200 or json.loads(text)["status"] == state:
                break
            time.sleep(0.2)
        return status == 200 and json.loads(text)["status"] == state, text

    stranded, text = until("ABNORMAL")
    say("abnormal", stranded, answer=text)
    status, text = pay.abnormal_refund(
        json.loads(text)["refund_id"], refund, "USER_BANK_CARD", "ICBC_DEBIT", "6222020903001483077", "王小明花"
    )
    say("redirected", status == 200 and json.loads(text)["out_refund_no"] == refund, status=status, answer=text)
    done, text = until("SUCCESS")
    say("redirected_done", done, answer=text)


def bill(settings, pay, step, ask):
    """The address is the channel's own: path and query stay, the host is ours."""
    status, text = ask(settings.beside["day"])
    say(f"{step}_place", status == 200, status=status, answer=text)
    told = json.loads(text)
    address = urlsplit(told["download_url"])
    status, packed = pay.download_bill(f"{settings['base_url']}{address.path}?{address.query}")
    lines = gzip.decompress(packed)
    same = hashlib.sha1(lines).hexdigest() == told["hash_value"]
    own = step == "funds" or settings.beside["number"] in lines.decode("utf-8")
    say(step, status == 200 and same and own, status=status, octets=len(lines))


guarded(run)

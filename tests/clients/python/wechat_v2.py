"""One WeChat Pay order through its life in V2 with PyPI wechatpy; only the host is changed."""

import time

from referee import Settings, guarded, say
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay


def client(settings):
    account = settings.account
    pay = WeChatPay(
        appid=account["appid"],
        api_key=account["apiv2_key"],
        mch_id=account["mchid"],
        mch_cert=settings.path("cert_file"),
        mch_key=settings.path("key_file"),
        timeout=30,
    )
    pay.API_BASE_URL = settings["base_url"] + "/"
    return pay


def reversed_in_time(judge, number):
    """Not within 15 s of the payment call: who comes sooner is told to come again."""
    for _ in range(40):
        undone = reverse(judge, number)
        if undone.get("recall") != "Y":
            break
        time.sleep(0.5)
    return undone


def reverse(judge, number):
    try:
        return judge.checked(judge.pay.order.reverse(out_trade_no=number))
    except WeChatPayException as refused:
        if refused.errcode != "INVALID_REQUEST":
            raise
        return {"recall": "Y"}


class Judge:
    """The library, each of whose answers it verifies itself."""

    def __init__(self, settings):
        self.settings = settings
        self.pay = client(settings)

    def checked(self, data):
        if not self.pay.check_signature(dict(data)):
            raise ValueError("the answer's signature does not verify")
        return data

    def order(self, number, way="NATIVE", **more):
        more.setdefault("product_id", "p1")
        return self.checked(
            self.pay.order.create(
                way,
                "官道 referee 订单",
                888,
                self.settings["notify_url"],
                client_ip="203.0.113.7",
                out_trade_no=number,
                **more,
            )
        )

    def state(self, number):
        return self.checked(self.pay.order.query(out_trade_no=number))["trade_state"]

    def refund(self, number, refund):
        return self.checked(
            self.pay.refund.apply(
                888, 300, refund, out_trade_no=number, refund_desc="不想要了", notify_url=self.settings["notify_url"]
            )
        )


def verify_notice(judge, notice):
    body = notice["body"]
    if "req_info" in body:
        told = judge.pay.parse_refund_notify_result(body)
        say("verify_notice", told["refund_status"] == "SUCCESS", event="REFUND", resource=told)
    else:
        told = judge.pay.parse_payment_result(body)
        say("verify_notice", told["result_code"] == "SUCCESS", event="PAYMENT", resource=told)


def run():
    settings = Settings("wechat")
    judge = Judge(settings)
    if settings.notice:
        return verify_notice(judge, settings.notice)

    number = settings.number("w")
    placed = judge.order(number)
    say("order", bool(placed["code_url"]), number=number, answer=placed)
    say("query", judge.state(number) == "NOTPAY")
    say("pay", settings.pay("wechat", number)["ok"])
    say("query_paid", judge.state(number) == "SUCCESS")
    try:
        judge.order(number)
        say("order_paid", False)
    except WeChatPayException as error:
        say("order_paid", error.errcode in ("ORDERPAID", "OUT_TRADE_NO_USED"), code=error.errcode)

    refund = settings.number("r")
    say("refund", judge.refund(number, refund)["out_refund_no"] == refund, number=refund)
    for _ in range(50):
        found = judge.checked(judge.pay.refund.query(out_refund_no=refund))
        if found["refund_status_0"] == "SUCCESS":
            break
        time.sleep(0.2)
    say("refund_query", found["refund_status_0"] == "SUCCESS", answer=found)
    say("refund_again", judge.refund(number, refund)["out_refund_no"] == refund)

    second = settings.number("c")
    say("second_order", bool(judge.order(second)["code_url"]), number=second)
    say("close", judge.checked(judge.pay.order.close(second))["result_code"] == "SUCCESS")
    say("query_closed", judge.state(second) == "CLOSED")

    counter = settings.number("m")
    code = "13" + str(time.time_ns())[-16:]
    paid = judge.checked(
        judge.pay.micropay.create("奶茶", 500, code, client_ip="203.0.113.7", out_trade_no=counter)
    )
    say("micropay", paid["total_fee"] == "500", number=counter)
    undone = reversed_in_time(judge, counter)
    say("reverse", undone["recall"] == "N")
    say("query_reversed", judge.state(counter) == "REVOKED")


guarded(run)

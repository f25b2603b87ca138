// What a wallet's web view puts into every page. Here it leads to the sandbox's page that pays, and back.
(function () {
  function go(wallet, parameters) {
    var query = new URLSearchParams(parameters);
    query.set("back", location.href.split("#")[0] + "#back");
    location.assign("ORIGIN/wallet/" + wallet + "?" + query);
  }
  if (/MicroMessenger/.test(navigator.userAgent)) {
    window.WeixinJSBridge = {
      invoke: function (name, parameters, told) {
        if (name === "getBrandWCPayRequest") go("wechat", parameters);
        else told({ err_msg: name + ":fail" });
      }
    };
  }
  if (/AlipayClient/.test(navigator.userAgent)) {
    window.AlipayJSBridge = {
      call: function (name, parameters, told) {
        if (name === "tradePay") go("alipay", parameters);
        else told({ error: 1 });
      }
    };
  }
})();

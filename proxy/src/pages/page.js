// Calls the wallet up and waits for what the journal says. What the wallet's page reports is shown, and proves nothing.
(function () {
  "use strict";
  var onward = document.getElementById("onward");
  if (onward) return onward.submit();
  var order = document.getElementById("order");
  if (!order) return;
  // Whoever comes back from the wallet may have paid: so many answers without a payment, and the button is there again.
  var unseen = location.hash === "#back" ? 3 : 0;
  var data = order.dataset, note = document.getElementById("note"), button = document.getElementById("pay");

  function say(text) {
    note.textContent = text;
    note.hidden = !text;
  }

  function poll() {
    var ask = new XMLHttpRequest();
    ask.open("GET", data.poll);
    ask.timeout = 8000;
    ask.onloadend = function () {
      var said = null;
      try { said = JSON.parse(ask.responseText); } catch (e) { /* asked again */ }
      if (said && said.state && said.state !== data.state) location.replace(location.pathname);
      else {
        if (unseen && said && said.state && !--unseen && button) {
          button.disabled = false;
          say(data.notseen);
        }
        setTimeout(poll, 1500);
      }
    };
    ask.send();
  }

  function ended(done, cancelled) {
    button.disabled = done;
    say(done ? data.checking : cancelled ? data.cancelled : data.failed);
  }

  function call(parameters) {
    if (data.wallet === "wechat" && window.WeixinJSBridge) {
      window.WeixinJSBridge.invoke("getBrandWCPayRequest", parameters, function (told) {
        var word = String((told && told.err_msg) || "").split(":")[1];
        ended(word === "ok", word === "cancel");
      });
    } else if (data.wallet === "alipay" && window.AlipayJSBridge) {
      window.AlipayJSBridge.call("tradePay", parameters, function (told) {
        var code = String((told && told.resultCode) || "");
        ended(code === "9000" || code === "8000" || code === "6004", code === "6001");
      });
    } else {
      button.disabled = false;
      return say(data.nobridge);
    }
  }

  function start() {
    button.disabled = true;
    say(data.calling);
    call(JSON.parse(data.call));
  }

  if (data.waits === "true") setTimeout(poll, 1000);
  if (!button || !data.call) return;
  button.addEventListener("click", start);
  // Whoever comes back from the wallet is not sent there again unasked.
  if (unseen) {
    button.disabled = true;
    return say(data.checking);
  }
  var begun = false;
  function once() {
    if (!begun) { begun = true; start(); }
  }
  if (window.WeixinJSBridge || window.AlipayJSBridge) return once();
  document.addEventListener(data.wallet === "wechat" ? "WeixinJSBridgeReady" : "AlipayJSBridgeReady", once);
  setTimeout(function () { if (!begun) say(data.nobridge); }, 4000);
})();

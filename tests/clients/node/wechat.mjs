// One WeChat Pay order through its life with npm wechatpay-axios-plugin; only the host is changed.

import {
  PART, groupOf, guarded, isBill, kept, library, say, settings, states,
} from './referee.mjs';

guarded(async () => {
  const { default: plugin } = await library('wechatpay-axios-plugin');
  const { Wechatpay, Rsa, Aes, Formatter } = plugin;
  const set = settings('wechat');
  const { account } = set;
  const certs = {
    [account.public_key_id]: set.read('public_key_file'),
    [account.platform_serial]: set.read('platform_cert_file'),
  };
  if (set.notice) return verifyNotice(set, certs, { Rsa, Aes, Formatter });

  // The header asks for answers under the public key; without it WeChat Pay uses its platform certificate.
  const asked = set.mode === 'public_key' ? account.public_key_id : account.platform_serial;
  const wxpay = new Wechatpay({
    baseURL: `${set.base_url.replace(/\/$/, '')}/`,
    mchid: account.mchid,
    serial: account.serial,
    privateKey: set.read('key_file'),
    certs,
  });
  const headers = { 'Wechatpay-Serial': asked };
  // Where the order is paid: the word that leads to it, what it must say beside.
  const ways = {
    native: ['code_url', {}],
    h5: ['h5_url', { scene_info: { payer_client_ip: '203.0.113.7', h5_info: { type: 'Wap' } } }],
    app: ['prepay_id', {}],
  };
  const place = (number, { way = 'native', description = '官道 referee 订单', fen = 888, ...more } = {}) => wxpay.v3.pay.transactions[way]
    .post({
      appid: account.appid,
      mchid: account.mchid,
      description,
      out_trade_no: number,
      notify_url: set.notify_url,
      amount: { total: fen, currency: 'CNY' },
      ...ways[way][1],
      ...more,
    }, { headers });
  const query = (number) => wxpay.v3.pay.transactions.outTradeNo._out_trade_no_
    .get({ params: { mchid: account.mchid }, out_trade_no: number, headers });

  if (set.place) {
    const { number, way, description, fen, time_expire } = set.place;
    const { status, data } = await place(number, { way, description, fen, time_expire });
    return say('place', status === 200 && data[ways[way][0]], { status, answer: data });
  }

  if (set.beside) return beside(set, wxpay, headers);

  const number = set.number('w');
  let { status, data, headers: got } = await place(number);
  say('order', status === 200 && data.code_url && got['wechatpay-serial'] === asked, { number, status, answer: data });
  ({ status, data } = await query(number));
  say('query', status === 200 && data.trade_state === 'NOTPAY', { status, answer: data });
  say('pay', await set.pay('wechat', number));
  ({ status, data } = await query(number));
  say('query_paid', status === 200 && data.trade_state === 'SUCCESS', { status, answer: data });

  ({ status, data } = await place(number).catch((error) => error.response));
  say('order_paid', status === 400 && data.code === 'ORDER_PAID', { status, answer: data });

  const refund = set.number('r');
  const payBack = () => wxpay.v3.refund.domestic.refunds.post({
    out_trade_no: number,
    out_refund_no: refund,
    reason: '不想要了',
    amount: { refund: 300, total: 888, currency: 'CNY' },
  }, { headers });
  ({ status, data } = await payBack());
  say('refund', status === 200 && data.out_refund_no === refund, { number: refund, status, answer: data });
  for (let i = 0; i < 50; i += 1) {
    ({ status, data } = await wxpay.v3.refund.domestic.refunds._out_refund_no_
      .get({ out_refund_no: refund, headers }));
    if (data.status === 'SUCCESS') break;
    await new Promise((done) => { setTimeout(done, 200); });
  }
  say('refund_query', status === 200 && data.status === 'SUCCESS', { status, answer: data });

  ({ status, data } = await payBack());
  say('refund_again', status === 200 && data.status === 'SUCCESS', { status, answer: data });

  const second = set.number('c');
  ({ status, data } = await place(second));
  say('second_order', status === 200, { number: second, status, answer: data });
  ({ status } = await wxpay.v3.pay.transactions.outTradeNo._out_trade_no_.close
    .post({ mchid: account.mchid }, { out_trade_no: second, headers }));
  say('close', status === 204, { status });
  ({ status, data } = await query(second));
  say('query_closed', status === 200 && data.trade_state === 'CLOSED', { status, answer: data });

  for (const way of ['h5', 'app']) {
    const outside = set.number(way);
    ({ status, data } = await place(outside, { way }));
    say(`${way}_order`, status === 200 && data[ways[way][0]], { number: outside, status, answer: data });
    say(`${way}_pay`, await set.pay('wechat', outside));
    ({ status, data } = await query(outside));
    say(`${way}_query_paid`, status === 200 && data.trade_state === 'SUCCESS', { status, answer: data });
  }
});

/** Groups that are paid and closed together, and the bills of a day. */
async function beside(set, wxpay, headers) {
  const { appid, mchid } = set.account;
  const place = (number, orders) => wxpay.v3.combineTransactions.native.post({
    combine_appid: appid,
    combine_mchid: mchid,
    combine_out_trade_no: number,
    notify_url: set.notify_url,
    sub_orders: orders.map((order) => ({ ...order, ...PART })),
  }, { headers });
  const query = (number) => wxpay.v3.combineTransactions.outTradeNo._combine_out_trade_no_
    .get({ combine_out_trade_no: number, headers });
  const numbers = (orders) => orders.map((order) => order.out_trade_no);
  let [number, orders] = [set.number('g'), groupOf(set, 'ga')];
  let { status, data } = await place(number, orders);
  say('combine_order', status === 200 && data.code_url, { numbers: numbers(orders), status, answer: data });
  ({ status, data } = await query(number));
  say('combine_query', status === 200 && states(data) === 'NOTPAY', { status, answer: data });
  say('combine_pay', await set.pay('wechat', number));
  ({ status, data } = await query(number));
  say('combine_query_paid', status === 200 && states(data) === 'SUCCESS', { status, answer: data });
  [number, orders] = [set.number('h'), groupOf(set, 'ha')];
  ({ status, data } = await place(number, orders));
  say('combine_second', status === 200, { numbers: numbers(orders), status, answer: data });
  ({ status } = await wxpay.v3.combineTransactions.outTradeNo._combine_out_trade_no_.close
    .post({ combine_appid: appid, sub_orders: orders }, { combine_out_trade_no: number, headers }));
  say('combine_close', status === 204, { status });

  for (const [step, kind, own] of [['bill', 'tradebill', set.beside.number], ['funds', 'fundflowbill', null]]) {
    ({ status, data } = await wxpay.v3.bill[kind].get({ params: { bill_date: set.beside.day }, headers }));
    say(`${step}_place`, status === 200 && data.download_url, { status, answer: data });
    const told = data;
    ({ status, data } = await wxpay.v3.billdownload.file
      .get({ params: { token: kept(told.download_url).token }, responseType: 'arraybuffer', headers }));
    say(step, status === 200 && isBill(Buffer.from(data), told, own), { status, octets: data.length });
  }
}

/** As the library's manual shows it: clock, signature, decryption. */
function verifyNotice(set, certs, { Rsa, Aes, Formatter }) {
  const header = Object.fromEntries(Object.entries(set.notice.headers).map(([k, v]) => [k.toLowerCase(), v]));
  const timestamp = header['wechatpay-timestamp'];
  const serial = header['wechatpay-serial'];
  const fresh = Math.abs(Formatter.timestamp() - Number(timestamp)) <= 300;
  const message = Formatter.response(timestamp, header['wechatpay-nonce'], set.notice.body);
  const genuine = Boolean(certs[serial])
    && Rsa.verify(message, header['wechatpay-signature'], Rsa.from(certs[serial], Rsa.KEY_TYPE_PUBLIC));
  if (!fresh || !genuine) return say('verify_notice', false, { fresh, genuine });
  const notice = JSON.parse(set.notice.body);
  const { ciphertext, nonce, associated_data: aad } = notice.resource;
  const plain = JSON.parse(Aes.AesGcm.decrypt(ciphertext, set.account.apiv3_key, nonce, aad));
  return say('verify_notice', true, { event: notice.event_type, resource: plain });
}

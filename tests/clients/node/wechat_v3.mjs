// One WeChat Pay order through its life with npm wechatpay-node-v3; only the host is changed.

import {
  PART, groupOf, guarded, isBill, kept, library, say, settings, states,
} from './referee.mjs';

guarded(async () => {
  const { default: Pay } = await library('wechatpay-node-v3');
  const { default: superagent } = await library('superagent');
  const set = settings('wechat');
  const { account } = set;
  const pay = new Pay({
    appid: account.appid,
    mchid: account.mchid,
    serial_no: account.serial,
    publicKey: set.read('cert_file'),
    privateKey: set.read('key_file'),
    key: account.apiv3_key,
  });
  pay.createHttp(elsewhere(set, pay, superagent));
  if (set.notice) return verifyNotice(set, pay);

  // Where the order is paid: the word that leads to it, what it must say beside.
  const ways = {
    native: ['code_url', {}],
    h5: ['h5_url', { scene_info: { payer_client_ip: '203.0.113.7', h5_info: { type: 'Wap' } } }],
    // The library turns what leads to an app's order into the parameters that the app hands on.
    app: ['sign', {}],
  };
  const place = (number, { way = 'native', description = '官道 referee 订单', fen = 888, ...more } = {}) => pay[`transactions_${way}`]({
    description,
    out_trade_no: number,
    notify_url: set.notify_url,
    amount: { total: fen, currency: 'CNY' },
    ...ways[way][1],
    ...more,
  });
  const query = (number) => pay.query({ out_trade_no: number });

  if (set.place) {
    const { number, way, description, fen, time_expire } = set.place;
    const { status, data } = await place(number, { way, description, fen, time_expire });
    return say('place', status === 200 && data[ways[way][0]], { status, answer: data });
  }

  if (set.beside) return beside(set, pay);

  const number = set.number('w');
  let { status, data } = await place(number);
  say('order', status === 200 && data.code_url, { number, status, answer: data });
  ({ status, data } = await query(number));
  say('query', status === 200 && data.trade_state === 'NOTPAY', { status, answer: data });
  say('pay', await set.pay('wechat', number));
  ({ status, data } = await query(number));
  say('query_paid', status === 200 && data.trade_state === 'SUCCESS', { status, answer: data });

  const refused = await place(number);
  say('order_paid', refused.status === 400 && JSON.parse(refused.error).code === 'ORDER_PAID', { answer: refused });

  const refund = set.number('r');
  const payBack = () => pay.refunds({
    out_trade_no: number,
    out_refund_no: refund,
    reason: '不想要了',
    amount: { refund: 300, total: 888, currency: 'CNY' },
  });
  ({ status, data } = await payBack());
  say('refund', status === 200 && data.out_refund_no === refund, { number: refund, status, answer: data });
  for (let i = 0; i < 50; i += 1) {
    ({ status, data } = await pay.find_refunds(refund));
    if (data.status === 'SUCCESS') break;
    await new Promise((done) => { setTimeout(done, 200); });
  }
  say('refund_query', status === 200 && data.status === 'SUCCESS', { status, answer: data });

  ({ status, data } = await payBack());
  say('refund_again', status === 200 && data.status === 'SUCCESS', { status, answer: data });

  const second = set.number('c');
  ({ status, data } = await place(second));
  say('second_order', status === 200, { number: second, status, answer: data });
  ({ status } = await pay.close(second));
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
async function beside(set, pay) {
  const place = (number, orders) => pay.combine_transactions_native({
    combine_out_trade_no: number,
    notify_url: set.notify_url,
    sub_orders: orders.map((order) => ({ ...order, ...PART })),
  });
  const numbers = (orders) => orders.map((order) => order.out_trade_no);
  let [number, orders] = [set.number('g'), groupOf(set, 'ga')];
  let { status, data } = await place(number, orders);
  say('combine_order', status === 200 && data.code_url, { numbers: numbers(orders), status, answer: data });
  ({ status, data } = await pay.combine_query(number));
  say('combine_query', status === 200 && states(data) === 'NOTPAY', { status, answer: data });
  say('combine_pay', await set.pay('wechat', number));
  ({ status, data } = await pay.combine_query(number));
  say('combine_query_paid', status === 200 && states(data) === 'SUCCESS', { status, answer: data });
  [number, orders] = [set.number('h'), groupOf(set, 'ha')];
  ({ status, data } = await place(number, orders));
  say('combine_second', status === 200, { numbers: numbers(orders), status, answer: data });
  ({ status } = await pay.combine_close(number, orders));
  say('combine_close', status === 204, { status });

  for (const [step, kind, own] of [['bill', 'tradebill', set.beside.number], ['funds', 'fundflowbill', null]]) {
    ({ status, data } = await pay[kind]({ bill_date: set.beside.day }));
    say(`${step}_place`, status === 200 && data.download_url, { status, answer: data });
    const told = data;
    // It signs what comes after the channel's host, and nothing else.
    ({ status, data } = await pay.downloadBill(`https://api.mch.weixin.qq.com${kept(told.download_url).target}`));
    say(step, status === 200 && isBill(data, told, own), { status, octets: data.length });
  }
}

/**
 * The library writes the channel's host into its calls, signs without it, and takes an HTTP service of one's own
 * (`createHttp`). This one is its own (superagent, the same calls) with another host; each answer that says "done" goes
 * through the library's `verifySign`, which fetches the platform's certificates itself.
 */
function elsewhere(set, pay, superagent) {
  const at = (url) => url.replace('https://api.mch.weixin.qq.com', set.base_url.replace(/\/$/, ''));
  const call = async (url, request) => {
    const answer = await request.ok(() => true);
    const { status } = answer;
    // A bill has no signature; its digest stood in the answer that told of it.
    if (isFile(url)) return { status, data: answer.body };
    const text = answer.text ?? '';
    if (status >= 400) return { status, error: text };
    // These verify the others, and are sealed under the merchant's own key.
    if (!url.endsWith('/v3/certificates')) {
      const said = Object.fromEntries(['timestamp', 'nonce', 'serial', 'signature'].map((name) => [name, answer.headers[`wechatpay-${name}`]]));
      if (!await pay.verifySign({ ...said, body: text, apiSecret: set.account.apiv3_key })) throw new Error('the answer does not verify');
    }
    return { status, data: text ? JSON.parse(text) : undefined };
  };
  const isFile = (url) => url.includes('/v3/billdownload/file?');
  const got = (url) => (isFile(url) ? superagent.get(at(url)).buffer(true).parse(superagent.parse.image) : superagent.get(at(url)));
  return {
    get: (url, headers) => call(url, got(url).set(headers)),
    post: (url, params, headers) => call(url, superagent.post(at(url)).send(params).set(headers)),
  };
}

/** As the library's manual shows it: signature, decryption. */
async function verifyNotice(set, pay) {
  const header = Object.fromEntries(Object.entries(set.notice.headers).map(([k, v]) => [k.toLowerCase(), v]));
  const said = Object.fromEntries(['timestamp', 'nonce', 'serial', 'signature'].map((name) => [name, header[`wechatpay-${name}`]]));
  const genuine = await pay.verifySign({ ...said, body: set.notice.body, apiSecret: set.account.apiv3_key });
  if (!genuine) return say('verify_notice', false, { genuine });
  const notice = JSON.parse(set.notice.body);
  const { ciphertext, nonce, associated_data: aad } = notice.resource;
  return say('verify_notice', true, { event: notice.event_type, resource: pay.decipher_gcm(ciphertext, aad, nonce) });
}

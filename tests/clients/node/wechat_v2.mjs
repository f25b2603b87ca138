// One WeChat Pay order through its life in V2 with npm wechatpay-axios-plugin; only the host is changed.

import { guarded, library, say, settings } from './referee.mjs';

guarded(async () => {
  const { default: plugin } = await library('wechatpay-axios-plugin');
  const { Wechatpay, Aes, Hash, Transformer } = plugin;
  const set = settings('wechat');
  const { account } = set;
  if (set.notice) return verifyNotice(set, { Aes, Hash, Transformer });

  const wxpay = new Wechatpay({
    baseURL: `${set.base_url.replace(/\/$/, '')}/`,
    mchid: account.mchid,
    serial: account.serial,
    privateKey: set.read('key_file'),
    certs: { [account.public_key_id]: set.read('public_key_file') },
    secret: account.apiv2_key,
    merchant: { cert: set.read('cert_file'), key: set.read('key_file') },
  });
  const always = { appid: account.appid, mch_id: account.mchid, sign_type: 'HMAC-SHA256' };
  const ask = async (call, data, more = {}) => (await call.post({ ...always, ...data }, more)).data;
  const { unifiedorder, orderquery, closeorder, refundquery, micropay } = wxpay.v2.pay;
  const { refund: payBack, reverse } = wxpay.v2.secapi.pay;

  const place = (number, way = 'NATIVE', more = { product_id: 'p1' }) => ask(unifiedorder, {
    body: '官道 referee 订单',
    out_trade_no: number,
    total_fee: 888,
    spbill_create_ip: '203.0.113.7',
    notify_url: set.notify_url,
    trade_type: way,
    ...more,
  });
  const state = async (number) => (await ask(orderquery, { out_trade_no: number })).trade_state;
  const refundOf = (number, refund) => ask(payBack, {
    out_trade_no: number,
    out_refund_no: refund,
    refund_fee: 300,
    total_fee: 888,
    refund_desc: '不想要了',
    notify_url: set.notify_url,
  }, { security: true });

  const number = set.number('w').slice(0, 32);
  let data = await place(number);
  say('order', data.code_url, { number, answer: data });
  say('query', await state(number) === 'NOTPAY');
  say('pay', await set.pay('wechat', number));
  say('query_paid', await state(number) === 'SUCCESS');
  data = await place(number).then(() => ({}), (error) => error.response.data);
  say('order_paid', data.err_code === 'ORDERPAID', { answer: data });

  const refund = set.number('r');
  data = await refundOf(number, refund);
  say('refund', data.out_refund_no === refund, { number: refund, answer: data });
  for (let i = 0; i < 50; i += 1) {
    data = await ask(refundquery, { out_refund_no: refund });
    if (data.refund_status_0 === 'SUCCESS') break;
    await new Promise((done) => { setTimeout(done, 200); });
  }
  say('refund_query', data.refund_status_0 === 'SUCCESS', { answer: data });
  say('refund_again', (await refundOf(number, refund)).out_refund_no === refund);

  const second = set.number('c').slice(0, 32);
  say('second_order', (await place(second, 'APP', {})).prepay_id, { number: second });
  say('close', (await ask(closeorder, { out_trade_no: second })).result_code === 'SUCCESS');
  say('query_closed', await state(second) === 'CLOSED');

  const counter = set.number('m').slice(0, 32);
  data = await ask(micropay, {
    body: '奶茶',
    out_trade_no: counter,
    total_fee: 500,
    spbill_create_ip: '203.0.113.7',
    auth_code: `13${String(process.hrtime.bigint()).padStart(16, '0').slice(-16)}`,
  });
  say('micropay', data.total_fee === '500', { number: counter });
  // Not within 15 s of the payment call: who comes sooner is told to come again.
  for (let tries = 0; tries < 40; tries += 1) {
    // The library takes a refusal for an error before it looks at the signature, so that is verified here.
    data = await ask(reverse, { out_trade_no: counter }, { security: true }).catch((error) => {
      const said = error.response?.data;
      const genuine = said?.sign && Hash.equals(Hash.sign(Hash.ALGO_HMAC_SHA256, said, account.apiv2_key), said.sign);
      if (said?.err_code !== 'INVALID_REQUEST' || !genuine) throw error;
      return said;
    });
    if (data.recall !== 'Y') break;
    await new Promise((done) => { setTimeout(done, 500); });
  }
  say('reverse', data.recall === 'N');
  say('query_reversed', await state(counter) === 'REVOKED');
});

/** As the library's manual shows it: a payment's digest, a refund's seal. */
function verifyNotice(set, { Aes, Hash, Transformer }) {
  const told = Transformer.toObject(set.notice.body);
  const secret = set.account.apiv2_key;
  if (told.req_info) {
    const plain = Aes.AesEcb.decrypt(told.req_info, Hash.md5(secret).toLowerCase());
    const resource = Transformer.toObject(plain);
    return say('verify_notice', resource.refund_status === 'SUCCESS', { event: 'REFUND', resource });
  }
  const type = told.sign.length === 64 ? Hash.ALGO_HMAC_SHA256 : Hash.ALGO_MD5;
  const genuine = Hash.equals(Hash.sign(type, told, secret), told.sign);
  return say('verify_notice', genuine && told.result_code === 'SUCCESS', { event: 'PAYMENT', resource: told });
}

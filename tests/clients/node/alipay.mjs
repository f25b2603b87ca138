// One Alipay order through its life with npm alipay-sdk; only the host is changed.

import { fetched, guarded, library, say, settings } from './referee.mjs';

guarded(async () => {
  const { AlipaySdk } = await library('alipay-sdk');
  const set = settings('alipay');
  const trust = set.mode === 'certificate'
    ? {
      appCertContent: set.read('app_cert_file'),
      alipayPublicCertContent: set.read('alipay_cert_file'),
      alipayRootCertContent: set.read('root_cert_file'),
    }
    : { alipayPublicKey: set.read('alipay_public_key_file') };
  const alipay = new AlipaySdk({
    appId: set.account.app_id,
    privateKey: set.read('private_key_file'),
    keyType: 'PKCS8',
    gateway: `${set.base_url}/gateway.do`,
    ...(set.account.encrypt && { encryptKey: set.account.aes_key }),
    ...trust,
  });
  if (set.account.encrypt) {
    // The library looks for the braces of what is signed, and a ciphertext has none: it verifies nothing that was
    // encrypted. Told where the quoted text stands, it does.
    const cut = alipay.getSignStr.bind(alipay);
    alipay.getSignStr = (text, key) => text.match(new RegExp(`"${key}":("[^"]*")`))?.[1] ?? cut(text, key);
  }
  const sealed = set.account.encrypt && { needEncrypt: true };
  if (set.notice) {
    const fields = Object.fromEntries(new URLSearchParams(set.notice.body));
    return say('verify_notice', alipay.checkNotifySignV2(fields), { fields });
  }

  const call = (method, bizContent, more = {}) => alipay
    .exec(`alipay.trade.${method}`, { bizContent, ...sealed, ...more }, { validateSign: true });
  const place = (number, { subject = '官道 referee 订单', yuan = '8.88', ...more } = {}) => call(
    'precreate',
    { out_trade_no: number, total_amount: yuan, subject, ...more },
    { notify_url: set.notify_url },
  );

  if (set.place?.way) {
    // Asks nobody: what the payer's browser or app is to carry.
    const { way, method, biz_content: bizContent, return_url: returnUrl, form } = set.place;
    const asked = { bizContent, ...sealed, notifyUrl: set.notify_url, ...(returnUrl && { returnUrl }) };
    const text = way === 'app' ? alipay.sdkExec(method, asked) : alipay.pageExec(method, form ? 'POST' : 'GET', asked);
    return say('hand_out', text.includes('sign='), { text });
  }
  if (set.payer) {
    // Who the payer is that came with this code.
    const asked = { grantType: 'authorization_code', code: set.payer };
    const answer = await alipay.exec('alipay.system.oauth.token', asked, { validateSign: true });
    return say('payer', answer.userId && answer.accessToken, { id: answer.userId });
  }
  if (set.after) {
    // An order that a payer's browser brought: what its merchant asks for afterwards.
    const one = { out_trade_no: set.after };
    let answer = await call('query', one);
    say('query_paid', answer.tradeStatus === 'TRADE_SUCCESS', { answer });
    const refund = { ...one, refund_amount: '8.88', out_request_no: set.number('r') };
    answer = await call('refund', refund);
    say('refund', answer.code === '10000' && answer.fundChange === 'Y', { answer });
    answer = await call('fastpay.refund.query', { ...one, out_request_no: refund.out_request_no });
    return say('refund_query', answer.refundStatus === 'REFUND_SUCCESS', { answer });
  }
  if (set.place) {
    const { number, description, yuan, seller_id, time_expire } = set.place;
    const answer = await place(number, { subject: description, yuan, seller_id, time_expire });
    return say('place', answer.code === '10000', { answer });
  }

  if (set.bill) {
    const bill = await alipay.exec(
      'alipay.data.dataservice.bill.downloadurl.query',
      { bizContent: { bill_type: 'trade', bill_date: set.bill }, ...sealed },
      { validateSign: true },
    );
    const file = await fetched(bill.billDownloadUrl, set.channel_url);
    return say('bill', bill.code === '10000' && file.ok, file);
  }

  const number = set.number('a');
  let answer = await place(number);
  say('order', answer.code === '10000' && answer.qrCode?.startsWith('https://qr.'), { number, answer });
  answer = await call('query', { out_trade_no: number });
  say('query', answer.subCode === 'ACQ.TRADE_NOT_EXIST', { answer });
  say('pay', await set.pay('alipay', number));
  answer = await call('query', { out_trade_no: number });
  say('query_paid', answer.tradeStatus === 'TRADE_SUCCESS', { answer });

  answer = await place(number);
  say('order_paid', answer.subCode === 'ACQ.TRADE_HAS_SUCCESS', { answer });

  const refund = set.number('r');
  const asked = { out_trade_no: number, refund_amount: '3.00', out_request_no: refund };
  answer = await call('refund', asked);
  say('refund', answer.code === '10000' && answer.fundChange === 'Y', { number: refund, answer });
  answer = await call('refund', asked);
  say('refund_again', answer.code === '10000' && answer.fundChange === 'N', { answer });
  answer = await call('fastpay.refund.query', { out_trade_no: number, out_request_no: refund });
  say('refund_query', answer.refundStatus === 'REFUND_SUCCESS', { answer });

  const second = set.number('c');
  answer = await place(second);
  say('second_order', answer.code === '10000', { number: second, answer });
  answer = await call('close', { out_trade_no: second });
  say('close_unscanned', answer.subCode === 'ACQ.TRADE_NOT_EXIST', { answer });
  // Alipay knows a code's order only once somebody has scanned it.
  say('scan', await set.pay('alipay', second, 'declined'));
  answer = await call('close', { out_trade_no: second });
  // Whoever carried the first close may have closed it as soon as it was there.
  say('close', answer.code === '10000' || answer.subCode === 'ACQ.TRADE_HAS_CLOSE', { answer });
  answer = await call('query', { out_trade_no: second });
  say('query_closed', answer.tradeStatus === 'TRADE_CLOSED', { answer });

  const charge = (no, code) => call('pay', {
    out_trade_no: no, total_amount: '8.88', subject: '官道 referee 付款码', scene: 'bar_code', auth_code: code,
  }, { notify_url: set.notify_url });
  const third = set.number('s');
  answer = await charge(third, await set.code());
  say('pay_code', answer.code === '10000' && answer.gmtPayment, { number: third, answer });
  answer = await call('query', { out_trade_no: third });
  say('query_code', answer.tradeStatus === 'TRADE_SUCCESS', { answer });
  answer = await call('cancel', { out_trade_no: third });
  say('cancel_code', answer.code === '10000' && answer.action === 'refund', { answer });
  answer = await call('query', { out_trade_no: third });
  say('query_cancelled', answer.tradeStatus === 'TRADE_CLOSED', { answer });
  const fourth = set.number('w');
  answer = await charge(fourth, await set.code('late'));
  say('wait_code', answer.code === '10003', { number: fourth, answer });
  answer = await call('cancel', { out_trade_no: fourth });
  say('cancel_waiting', answer.code === '10000' && answer.action === 'close', { answer });

  // Of what is no payment code too, before and after its payment.
  const fifth = set.number('n');
  answer = await place(fifth);
  say('scanned_order', answer.code === '10000' && await set.pay('alipay', fifth, 'declined'), { number: fifth, answer });
  answer = await call('cancel', { out_trade_no: fifth });
  say('cancel_scanned', answer.code === '10000' && answer.action === 'close', { answer });
  const sixth = set.number('p');
  answer = await place(sixth);
  say('paid_order', answer.code === '10000' && await set.pay('alipay', sixth), { number: sixth, answer });
  answer = await call('cancel', { out_trade_no: sixth });
  return say('cancel_paid', answer.code === '10000' && answer.action === 'refund', { answer });
});

// One Alipay order through its life by OpenAPI v3 with npm alipay-sdk; only the host is changed.

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
    endpoint: set.base_url,
    encryptKey: set.account.aes_key,
    ...trust,
  });
  if (set.decrypt) {
    // Content as it went over the wire.
    return say('decrypt', true, { text: alipay.aesDecrypt(set.decrypt) });
  }
  if (set.notice) {
    // Notices are the gateway's in both forms.
    const fields = Object.fromEntries(new URLSearchParams(set.notice.body));
    return say('verify_notice', alipay.checkNotifySignV2(fields), { fields });
  }

  // The SDK verifies every answer that is no error, and throws what is one.
  const call = async (path, body) => {
    try {
      return (await alipay.curl('POST', `/v3/alipay/trade/${path}`, { body, needEncrypt: set.account.encrypt })).data;
    } catch (error) {
      if (!error.code || !error.responseHttpStatus) throw error;
      return { refused: error.code, status: error.responseHttpStatus };
    }
  };
  const place = (number) => call('precreate', {
    out_trade_no: number, total_amount: '8.88', subject: '官道 referee 订单', notify_url: set.notify_url,
  });

  if (set.place) {
    // One given order; the answer is verified, and decrypted where the order was encrypted.
    const { number, description, yuan, seller_id, time_expire, encrypted } = set.place;
    const { data } = await alipay.curl('POST', '/v3/alipay/trade/precreate', {
      body: {
        out_trade_no: number, total_amount: yuan, subject: description, seller_id, time_expire, notify_url: set.notify_url,
      },
      needEncrypt: encrypted,
    });
    return say('place', data.qr_code?.startsWith('https://qr.'), { answer: data });
  }

  if (set.payer) {
    // Who the payer is that came with this code.
    const answer = await alipay.curl('POST', '/v3/alipay/system/oauth/token', {
      body: { grant_type: 'authorization_code', code: set.payer },
    });
    return say('payer', answer.data.user_id && answer.data.access_token, { id: answer.data.user_id });
  }

  if (set.bill) {
    const { data } = await alipay.curl('GET', '/v3/alipay/data/dataservice/bill/downloadurl/query', {
      query: { bill_type: 'trade', bill_date: set.bill },
    });
    const file = await fetched(data.bill_download_url, set.channel_url);
    return say('bill', file.ok, file);
  }

  const number = set.number('a');
  let answer = await place(number);
  say('order', answer.qr_code?.startsWith('https://qr.'), { number, answer });
  answer = await call('query', { out_trade_no: number });
  say('query', answer.refused === 'ACQ.TRADE_NOT_EXIST', { answer });
  say('pay', await set.pay('alipay', number));
  answer = await call('query', { out_trade_no: number });
  say('query_paid', answer.trade_status === 'TRADE_SUCCESS', { answer });

  answer = await place(number);
  say('order_paid', answer.refused === 'ACQ.TRADE_HAS_SUCCESS', { answer });

  const refund = set.number('r');
  const asked = { out_trade_no: number, refund_amount: '3.00', out_request_no: refund };
  answer = await call('refund', asked);
  say('refund', answer.fund_change === 'Y', { number: refund, answer });
  answer = await call('refund', asked);
  say('refund_again', answer.fund_change === 'N', { answer });
  answer = await call('fastpay/refund/query', { out_trade_no: number, out_request_no: refund });
  say('refund_query', answer.refund_status === 'REFUND_SUCCESS', { answer });

  const second = set.number('c');
  answer = await place(second);
  say('second_order', Boolean(answer.qr_code), { number: second, answer });
  answer = await call('close', { out_trade_no: second });
  say('close_unscanned', answer.refused === 'ACQ.TRADE_NOT_EXIST', { answer });
  // Alipay knows a code's order only once somebody has scanned it.
  say('scan', await set.pay('alipay', second, 'declined'));
  answer = await call('close', { out_trade_no: second });
  // Whoever carried the first close may have closed it as soon as it was there.
  say('close', answer.out_trade_no === second || answer.refused === 'ACQ.TRADE_HAS_CLOSE', { answer });
  answer = await call('query', { out_trade_no: second });
  say('query_closed', answer.trade_status === 'TRADE_CLOSED', { answer });

  const charge = (no, code) => call('pay', {
    out_trade_no: no,
    total_amount: '8.88',
    subject: '官道 referee 付款码',
    scene: 'bar_code',
    auth_code: code,
    notify_url: set.notify_url,
  });
  const third = set.number('s');
  answer = await charge(third, await set.code());
  say('pay_code', answer.trade_no && answer.gmt_payment, { number: third, answer });
  answer = await call('query', { out_trade_no: third });
  say('query_code', answer.trade_status === 'TRADE_SUCCESS', { answer });
  answer = await call('cancel', { out_trade_no: third });
  say('cancel_code', answer.action === 'refund', { answer });
  answer = await call('query', { out_trade_no: third });
  say('query_cancelled', answer.trade_status === 'TRADE_CLOSED', { answer });
  const fourth = set.number('w');
  answer = await charge(fourth, await set.code('late'));
  say('wait_code', answer.trade_no && !answer.gmt_payment, { number: fourth, answer });
  answer = await call('cancel', { out_trade_no: fourth });
  say('cancel_waiting', answer.action === 'close', { answer });

  // Of what is no payment code too, before and after its payment.
  const fifth = set.number('n');
  answer = await place(fifth);
  say('scanned_order', answer.qr_code && await set.pay('alipay', fifth, 'declined'), { number: fifth, answer });
  answer = await call('cancel', { out_trade_no: fifth });
  say('cancel_scanned', answer.action === 'close', { answer });
  const sixth = set.number('p');
  answer = await place(sixth);
  say('paid_order', answer.qr_code && await set.pay('alipay', sixth), { number: sixth, answer });
  answer = await call('cancel', { out_trade_no: sixth });
  return say('cancel_paid', answer.action === 'refund', { answer });
});

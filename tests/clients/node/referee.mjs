// What both Node referees share: settings, steps, the payer.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The JSON file given as argument, and the optional captured notice. */
export function settings(account) {
  const verify = process.argv.includes('--verify-notice');
  const given = process.argv.slice(2).filter((a) => a !== '--verify-notice');
  if (given.length !== (verify ? 2 : 1)) {
    process.stderr.write(`usage: ${process.argv[1]} SETTINGS.json [--verify-notice FILE]\n`);
    process.exit(1);
  }
  const all = JSON.parse(readFileSync(given[0], 'utf8'));
  const dir = resolve(dirname(given[0]), all.dir ?? '.');
  const mode = all.mode ?? 'public_key';
  if (!['public_key', 'certificate'].includes(mode)) throw new Error(`mode: ${mode}`);
  return {
    ...all,
    account: all[account],
    mode,
    notice: verify ? JSON.parse(readFileSync(given[1], 'utf8')) : null,
    read: (name) => readFileSync(resolve(dir, all[account][name]), 'utf8'),
    number: (what) => `${all.prefix ?? 'ref'}${what}${process.hrtime.bigint() % 10n ** 9n}${Date.now()}`,
    pay: (channel, outTradeNo, outcome = 'paid') => pay(all.control, channel, { out_trade_no: outTradeNo, outcome }),
    code: (outcome = 'paid') => code(all.control, outcome),
  };
}

/** Lets the sandbox's payer pay, or scan and fail to pay ("declined"). */
async function pay(control, channel, what) {
  const answer = await fetch(`${control}/pay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channel, ...what }),
  });
  return answer.ok;
}

/** A payment code of Alipay's whose payer pays at once, or is asked for a password and types none ("late"). */
async function code(control, outcome) {
  const digits = `28${Date.now()}${process.hrtime.bigint() % 10n ** 9n}`.padEnd(24, '0');
  if (!await pay(control, 'alipay', { auth_code: digits, outcome })) throw new Error('the payer has no such code');
  return digits;
}

/**
 * Where a bill lies it lies for whoever has the address: straight at the channel, never through a proxy. `channel` is the
 * channel's host as this machine reaches it.
 */
export async function fetched(address, channel) {
  const { pathname, search } = new URL(address);
  const answer = await fetch(`${channel}${pathname}${search}`);
  const file = Buffer.from(await answer.arrayBuffer());
  return { ok: answer.ok && file.length > 0, url: address, sha256: createHash('sha256').update(file).digest('hex') };
}

/** The path and query of an address of the channel's own, which stay; the host is ours. */
export function kept(address) {
  const { pathname, search, searchParams } = new URL(address);
  return { target: `${pathname}${search}`, token: searchParams.get('token') };
}

/** Is this the bill that was told of, with this order in it? */
export function isBill(octets, told, number) {
  const same = createHash('sha1').update(octets).digest('hex') === told.hash_value;
  return same && (!number || octets.toString('utf8').includes(number));
}

/** Two orders that are paid together, as the merchant numbers them. */
export function groupOf(set, what) {
  return [0, 1].map(() => ({ mchid: set.account.mchid, out_trade_no: set.number(what) }));
}

/** What each of them says beside its number. */
export const PART = { description: '官道 referee 合单', attach: 'a', amount: { total_amount: 300, currency: 'CNY' } };

/** The states of all orders of a group. */
export const states = (group) => [...new Set(group.sub_orders.map((sub) => sub.trade_state))].join();

/** Loads a library from NODE_MODULES_DIR if that is set, else from beside this file. ES modules ignore NODE_PATH. */
export async function library(name) {
  const place = process.env.NODE_MODULES_DIR;
  if (!place) return import(name);
  return import(pathToFileURL(createRequire(`${resolve(place)}/x.js`).resolve(name)).href);
}

/** One line per step; the first failure ends the run. */
export function say(step, ok, facts = {}) {
  process.stdout.write(`${JSON.stringify({ step, ok: Boolean(ok), ...facts })}\n`);
  if (!ok) process.exit(1);
}

/** Turns whatever a library throws into a failed step. */
export function guarded(run) {
  run().catch((error) => {
    const answer = error.response && { status: error.response.status, answer: error.response.data };
    say('exception', false, { error: `${error.name}: ${error.message}`, ...answer });
  });
}

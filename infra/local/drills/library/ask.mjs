// Asks Shopify's own library: reads cases from standard input, one JSON object a line, writes its verdicts.
//
// A callback is put through the library's whole `auth.callback`, with its own signed cookie; it is accepted when the
// library goes on to ask for a token. No request leaves: `fetch` notes the address and stops.

import { createInterface } from 'node:readline';

let asked = null;
globalThis.fetch = async (address) => {
  asked = new URL(address);
  throw new Error('stopped at the token endpoint');
};

await import('@shopify/shopify-api/adapters/node');
const { shopifyApi } = await import('@shopify/shopify-api');
// Not exported: the library signs its state's cookie by it.
const { Cookies } = await import(new URL('../runtime/http/cookies.mjs', import.meta.resolve('@shopify/shopify-api')));

const clients = new Map();
function client(secret) {
  if (!clients.has(secret)) {
    clients.set(secret, shopifyApi({
      apiKey: 'app-1',
      apiSecretKey: secret,
      scopes: ['read_products'],
      hostName: 'api.eshop.example',
      apiVersion: '2026-07',
      isEmbeddedApp: false,
      logger: { log: () => {} },
    }));
  }
  return clients.get(secret);
}

/** The cookies that the library's own `auth.begin` sets, for a state of ours. */
async function cookies(shopify, state) {
  const response = { headers: {} };
  const jar = new Cookies({ headers: {} }, response, { keys: [shopify.config.apiSecretKey] });
  await jar.setAndSign('shopify_app_state', state);
  return jar.toHeaders().map((cookie) => cookie.split(';')[0]).join('; ');
}

async function callback({ query, secrets, state, now }) {
  Date.now = () => now * 1000;
  let reason = 'no secret';
  for (const secret of secrets) {
    const shopify = client(secret);
    asked = null;
    try {
      await shopify.auth.callback({
        rawRequest: {
          method: 'GET',
          url: `/oauth/shopify/callback?${query}`,
          headers: { cookie: await cookies(shopify, state), 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' },
        },
        rawResponse: {},
      });
    } catch (error) {
      reason = error.constructor.name;
    }
    if (asked) return { verdict: 'accept', shop: asked.host };
  }
  return { verdict: 'refuse', reason };
}

/** Whether the signature holds; the headers that the library wants beside it are another matter. */
async function webhook({ headers, body, secrets }) {
  for (const secret of secrets) {
    const said = await client(secret).webhooks.validate({
      rawBody: body,
      rawRequest: { method: 'POST', url: '/webhooks/shopify/key', headers },
      rawResponse: {},
    });
    if (said.valid || said.reason === 'missing_headers') return { verdict: 'accept', shop: '' };
  }
  return { verdict: 'refuse', reason: 'signature' };
}

function shop({ shop }) {
  const found = client('any').utils.sanitizeShop(shop);
  return found === null ? { verdict: 'refuse', reason: 'InvalidShop' } : { verdict: 'accept', shop: found };
}

for await (const line of createInterface({ input: process.stdin })) {
  const one = JSON.parse(line);
  const verdict = await { callback, shop, webhook }[one.kind](one);
  process.stdout.write(`${JSON.stringify({ id: one.id, ...verdict })}\n`);
}

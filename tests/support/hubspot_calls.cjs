// What `hubspot_client.cjs` asserts of each call of the official client: the status, the whole body, that the client's own
// models hold all of it, and what is read back. No call escapes: `traffic` counts what leaves and what was asserted.
'use strict';

const assert = require('node:assert/strict');
const paths = require('node:path');

// ---- What leaves the client: its transport, node-fetch, counts each request and keeps the last answer as it came.

const traffic = { sent: 0, asserted: 0, text: undefined, headers: undefined };
const home = paths.dirname(require.resolve('@hubspot/api-client/package.json', { paths: [process.cwd()] }));
const transport = require.resolve('node-fetch', { paths: [home] });
const fetch = require(transport);
const counted = async (...args) => {
  traffic.sent += 1;
  const { status, headers, text } = await fetch(...args).then(async (answer) => {
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  });
  Object.assign(traffic, { text, headers });
  return new fetch.Response(text, { status, headers });
};
require.cache[transport].exports = Object.assign(counted, fetch, { default: counted });

// ---- The client

const installed = (file) => require(paths.join(home, file));
const { Client } = installed('');

/**
 * A type of object as its API is called: `prefix` stands before each call's own arguments, `newer` names keys of answers
 * that this version of the client does not know yet.
 */
const typeOf = (api, models, prefix, names, times, newer = []) => ({ api, models, prefix, names, times, newer });
// ---- Expectations

const begun = Date.now();
// New keys on each run, so that a sandbox that kept its objects does no harm.
const run = `${process.pid}.${begun}`;
const address = (name) => `${name}.${run}@example.com`;

const TIME = (value, path) => {
  assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, path);
  const at = Date.parse(value);
  assert.ok(at >= begun - 2000 && at <= Date.now() + 2000, `${path}: ${value} is not now`);
};
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NUMBER_TEXT = /^\d+$/;

/** Compares a whole value: objects have exactly these keys; a pattern or a function stands for what is not known before. */
function match(actual, expected, path = 'body') {
  if (typeof expected === 'function') return void expected(actual, path);
  if (expected instanceof RegExp) return void assert.match(String(actual), expected, path);
  if (expected === null || typeof expected !== 'object') return void assert.strictEqual(actual, expected, path);
  assert.ok(actual && typeof actual === 'object', `${path} is ${actual}`);
  assert.equal(Array.isArray(actual), Array.isArray(expected), path);
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), `the keys of ${path}`);
  for (const [key, value] of Object.entries(expected)) match(actual[key], value, `${path}.${key}`);
}

/** Makes one call, and asserts its status, its whole body, and that the client's own models hold all of that body. */
async function call(status, type, api, method, args, expected) {
  assert.notEqual(expected, undefined, `${method} is called without an expectation`);
  const place = `${api}.${method}`;
  let answer;
  try {
    answer = await type.api[api][`${method}WithHttpInfo`](...type.prefix, ...args);
  } catch (error) {
    if (error.code === undefined || error.headers === undefined) throw error;
    answer = { httpStatusCode: error.code, data: error.body };
  }
  assert.equal(answer.httpStatusCode, status, `${place} was answered with ${answer.httpStatusCode}: ${traffic.text}`);
  assert.match(traffic.headers.get('x-hubspot-correlation-id') ?? '', UUID, `${place} has a correlation id`);
  const body = traffic.text === '' ? '' : JSON.parse(traffic.text);
  match(body, expected, place);
  if (status >= 400) {
    assert.equal(body.correlationId, traffic.headers.get('x-hubspot-correlation-id'), `${place} repeats its correlation id`);
  }
  const known = (key, value) => (type.newer.includes(key) ? undefined : value);
  if (body !== '') {
    const read = JSON.parse(JSON.stringify(written(type, answer.data)), known);
    assert.deepEqual(read, JSON.parse(traffic.text, known), `the client's models lose a part of ${place}`);
  }
  traffic.asserted += 1;
  return body;
}

/** What the client read, as its own serializer writes it. */
function written(type, data) {
  const { ObjectSerializer } = installed(`lib/codegen/${type.models}/models/ObjectSerializer`);
  const plain = typeof data === 'string' ? data : ObjectSerializer.serialize(data, data.constructor.name, '');
  return typeof plain === 'string' ? JSON.parse(plain) : JSON.parse(JSON.stringify(plain));
}

const problem = (category, message, rest = {}) => ({ status: 'error', category, message, correlationId: UUID, ...rest });
const refusal = (message) => problem('VALIDATION_ERROR', message);

/** The message that lists these invalid values, as `[name, code]`. */
const invalid = (...list) => (message, path) => {
  const [head, ...rest] = String(message).split(': ');
  assert.equal(head, 'Property values were not valid', path);
  const named = JSON.parse(rest.join(': '));
  assert.deepEqual(named.map(({ name, error }) => [name, error]), list, path);
  for (const one of named) match(one, { isValid: false, message: /./, error: /./, name: /./ }, path);
};

// ---- The account as it must be by now: object id -> the object that a read shows

const account = new Map();

/** The object as a read of all names shows it. */
function shown(type, id, names = type.names) {
  const { properties, createdAt, updatedAt } = account.get(id);
  const all = { ...properties, hs_object_id: id, [type.times[0]]: createdAt, [type.times[1]]: updatedAt };
  const asked = [...names, ...type.times, 'hs_object_id'].map((name) => [name, all[name] ?? null]);
  return { id, properties: Object.fromEntries(asked), createdAt, updatedAt, archived: false };
}

const complete = (results, errors) => ({
  status: 'COMPLETE', startedAt: TIME, completedAt: TIME, results, ...(errors && { numErrors: errors.length, errors }),
});

/** Results in any order, which by `keyOf` are these. */
const each = (expected, keyOf = (one) => one.id) => (actual, path) => {
  const sorted = (list) => [...list].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  assert.ok(Array.isArray(actual), `${path} is no list`);
  match(sorted(actual), sorted(expected), path);
};

const absence = (ids) => [{
  status: 'error', category: 'OBJECT_NOT_FOUND', message: /^Could not get some .+ objects/, context: { ids },
}];

/** Reads these objects by record id in a batch, by a unique property, and one by one. */
async function readBack(type, ids, unique) {
  const options = { properties: type.names, propertiesWithHistory: [] };
  const all = complete(each(ids.map((id) => shown(type, id))));
  await call(200, type, 'batchApi', 'read', [{ inputs: ids.map((id) => ({ id })), ...options }], all);
  const keys = ids.map((id) => account.get(id).properties[unique]).filter(Boolean);
  if (keys.length === ids.length) {
    const inputs = keys.map((id) => ({ id }));
    await call(200, type, 'batchApi', 'read', [{ inputs, idProperty: unique, ...options }], all);
  }
  await call(200, type, 'basicApi', 'getById', [ids[0], type.names], shown(type, ids[0]));
}

/** Expects that no object has these values of a unique property. */
async function absent(type, unique, keys) {
  const request = { inputs: keys.map((id) => ({ id })), idProperty: unique, properties: [unique], propertiesWithHistory: [] };
  await call(207, type, 'batchApi', 'read', [request], complete([], absence(keys)));
}

/** One row of a batch: what is sent, the object it must meet (`undefined` for a new one), and what is kept of it. */
const row = (input, { meets, kept = {}, refused } = {}) => ({ input, meets, kept, refused });
const byKey = (unique, id, properties, extra) => ({ id, idProperty: unique, properties, ...extra });
const byEmail = (email, properties = {}, extra = {}) => byKey('email', email, properties, extra);

/** Sends a batch that writes, asserts one result or error for each row, then reads all back. Gives the ids by row. */
async function write(type, method, rows, unique = 'email') {
  const inputs = rows.map(({ input }) => input);
  const good = rows.filter(({ refused }) => !refused);
  const ids = new Map();
  const body = await call(
    good.length < rows.length ? 207 : method === 'create' ? 201 : 200, type, 'batchApi', method, [{ inputs }],
    complete((results, path) => {
      assert.equal(results?.length, good.length, `the number of ${path}`);
      for (const one of good) ids.set(one, take(type, method, unique, one, results, path));
      assert.equal(new Set(ids.values()).size, good.length, `${path} name an object twice`);
    }, good.length < rows.length ? rows.filter(({ refused }) => refused).map(failed) : undefined),
  );
  assert.ok(Date.parse(body.completedAt) >= Date.parse(body.startedAt), 'it is completed before it is started');
  if (good.length) await readBack(type, good.map((one) => ids.get(one)), unique);
  return rows.map((one) => ids.get(one));
}

const failed = ({ input, refused }) => ({
  status: 'error', category: 'VALIDATION_ERROR', message: invalid(...refused),
  context: { objectWriteTraceId: [input.objectWriteTraceId] },
});

/** Finds the one result of a row, asserts all of it, and changes the account accordingly. */
function take(type, method, unique, { input, meets, kept }, results, path) {
  const properties = { ...(input.idProperty && { [input.idProperty]: input.id }), ...input.properties, ...kept };
  const trace = input.objectWriteTraceId;
  const own = (result) => (trace ? result.objectWriteTraceId === trace
    : meets ? result.id === meets : result.properties?.[unique] === properties[unique]);
  const found = results.filter(own);
  assert.equal(found.length, 1, `${found.length} of ${path} belong to ${JSON.stringify(input).slice(0, 200)}`);
  const [result] = found;
  if (meets) assert.equal(result.id, meets, 'another object was met');
  else assert.ok(NUMBER_TEXT.test(result.id) && !account.has(result.id), `${result.id} is not the id of a new object`);
  const before = account.get(meets);
  const now = Object.entries({ ...before?.properties, ...properties }).filter(([, value]) => value !== '');
  account.set(result.id, { properties: Object.fromEntries(now), createdAt: result.createdAt, updatedAt: result.updatedAt });
  TIME(result.createdAt, path);
  TIME(result.updatedAt, path);
  if (before) assert.equal(result.createdAt, before.createdAt, 'an update changes when the object was created');
  assert.ok(result.updatedAt >= (before?.updatedAt ?? result.createdAt), 'the object was changed before it was');
  const whole = shown(type, result.id);
  match(result, {
    ...whole,
    // What was sent is answered; whatever else is answered is as it is kept. An update says of what it cleared that it is
    // empty, and of a contact not even the id.
    properties: (answered) => {
      for (const [name, value] of Object.entries(answered)) {
        const cleared = method === 'update' && properties[name] === '' ? '' : null;
        assert.strictEqual(value, whole.properties[name] ?? cleared, `${path}: ${name}`);
      }
      const sent = Object.keys(method === 'update' ? input.properties : properties);
      const silent = sent.filter((name) => !(name in answered) && whole.properties[name] !== null);
      assert.deepEqual(silent, [], `${path} does not show what was sent`);
      if (method !== 'update' || type.models !== 'crm/contacts') assert.equal(answered.hs_object_id, result.id, path);
    },
    ...(method === 'upsert' && { new: !meets }),
    ...(trace && { objectWriteTraceId: trace }),
  }, path);
  return result.id;
}

module.exports = {
  Client, NUMBER_TEXT, TIME, UUID, absence, absent, address, byEmail, byKey, call, complete, each, invalid, match, problem,
  readBack, refusal, row, run, shown, traffic, typeOf, write,
};

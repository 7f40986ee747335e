// The official @hubspot/api-client, unmodified, against a HubSpot sandbox: every call's status, body and read-back are
// asserted. Ends with 0 if all hold, else 1 with the first that does not.
//
//   cd "$(mktemp -d)" && npm init -y && npm install @hubspot/api-client@13
//   node PATH/TO/hubspot_client.cjs http://127.0.0.1:PORT/hubspot
//
// The sandbox must declare, for contacts: `lifetime_value: number` and `external_id: {type: string, unique: true}`.
'use strict';

const assert = require('node:assert/strict');
const { Client } = require(require.resolve('@hubspot/api-client', { paths: [process.cwd()] }));

const basePath = process.argv[2];
if (!basePath) {
  console.error('usage: node hubspot_client.cjs BASE_URL');
  process.exit(2);
}

const clientOf = (accessToken) => new Client({ accessToken, basePath, numberOfApiCallRetries: 0 });
const client = clientOf('pat-official-client');
const contacts = client.crm.contacts;
// New addresses on each run, so that a sandbox that kept its objects does no harm.
const run = `${process.pid}.${Date.now()}`;
const address = (name) => `${name}.${run}@example.com`;

/** Expects the call to fail with this status and gives the vendor's error body. */
async function refused(status, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.code, status, error.message);
    const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    assert.equal(body.status, 'error');
    assert.ok(body.message && body.correlationId, 'an error has a message and a correlation id');
    return body;
  }
  return assert.fail(`expected the status ${status}, but the call succeeded`);
}

/** Makes the client's call, expects this status, and gives the parsed body. */
async function answered(status, api, call, ...args) {
  const answer = await api[`${call}WithHttpInfo`](...args);
  assert.equal(answer.httpStatusCode, status, `${call} was answered with ${answer.httpStatusCode}`);
  return answer.data;
}

/** The contact as a read by e-mail gives it, or undefined. */
async function readBack(email, properties) {
  const { httpStatusCode, data } = await contacts.batchApi.readWithHttpInfo({
    inputs: [{ id: email }], idProperty: 'email', properties, propertiesWithHistory: [],
  });
  assert.equal(httpStatusCode, data.results.length === 1 ? 200 : 207);
  return data.results[0];
}

const upsertInput = (email, properties, extra = {}) => ({ id: email, idProperty: 'email', properties, ...extra });

const checks = {
  async 'upsert creates, then updates'() {
    const email = address('ana');
    const first = await answered(200, contacts.batchApi, 'upsert', { inputs: [upsertInput(email, { email, firstname: 'Ana' })] });
    assert.equal(first.status, 'COMPLETE');
    assert.equal(first.results.length, 1);
    assert.equal(first.results[0]._new, true);
    assert.ok(first.results[0].createdAt instanceof Date && !Number.isNaN(first.results[0].createdAt.getTime()));
    const second = await answered(200, contacts.batchApi, 'upsert', {
      inputs: [upsertInput(email.toUpperCase(), { firstname: 'Zoë', lifetime_value: '12.5' })],
    });
    assert.equal(second.results[0]._new, false);
    assert.equal(second.results[0].id, first.results[0].id);
    const kept = await readBack(email, ['email', 'firstname', 'lifetime_value', 'city']);
    assert.equal(kept.id, first.results[0].id);
    const { email: address_, firstname, lifetime_value, city } = kept.properties;
    assert.deepEqual([address_, firstname, lifetime_value, city], [email, 'Zoë', '12.5', null]);
  },

  async 'trace ids make each row answer for itself'() {
    const [good, bad] = [address('good'), address('bad')];
    const answer = await answered(207, contacts.batchApi, 'upsert', {
      inputs: [
        upsertInput(bad, { lifetime_value: 'much' }, { objectWriteTraceId: 'row-0' }),
        upsertInput(good, { lifetime_value: '3' }, { objectWriteTraceId: 'row-1' }),
      ],
    });
    assert.equal(answer.numErrors, 1);
    assert.equal(answer.results.length, 1);
    assert.equal(answer.results[0].properties.email, good);
    assert.deepEqual(answer.errors[0].context.objectWriteTraceId, ['row-0']);
    assert.equal(answer.errors[0].category, 'VALIDATION_ERROR');
    assert.match(answer.errors[0].message, /^Property values were not valid: \[/);
    assert.equal((await readBack(good, ['lifetime_value'])).properties.lifetime_value, '3');
    assert.equal(await readBack(bad, ['email']), undefined);
  },

  async 'without trace ids a bad row refuses its batch'() {
    const [good, bad] = [address('g2'), address('b2')];
    const body = await refused(400, () =>
      contacts.batchApi.upsert({ inputs: [upsertInput(good, {}), upsertInput(bad, { no_such_property: 'x' })] }));
    assert.equal(body.category, 'VALIDATION_ERROR');
    const [invalid] = JSON.parse(body.message.replace(/^Property values were not valid: /, ''));
    assert.deepEqual([invalid.isValid, invalid.error, invalid.name], [false, 'PROPERTY_DOESNT_EXIST', 'no_such_property']);
    assert.equal(await readBack(good, ['email']), undefined);
  },

  async 'numbers that are not texts are refused'() {
    const email = address('typed');
    await refused(400, () => contacts.batchApi.upsert({ inputs: [upsertInput(email, { lifetime_value: 5 })] }));
    assert.equal(await readBack(email, ['email']), undefined);
  },

  async 'more than a hundred inputs are refused'() {
    const inputs = Array.from({ length: 101 }, (_, n) => upsertInput(address(`many${n}`), {}));
    await refused(400, () => contacts.batchApi.upsert({ inputs }));
    const { results } = await answered(200, contacts.batchApi, 'upsert', { inputs: inputs.slice(1) });
    assert.equal(results.length, 100);
    assert.equal((await readBack(inputs[100].id, ['email'])).properties.email, inputs[100].id);
  },

  async 'create, update by id, unique values'() {
    const [email, external] = [address('new'), `ext-${run}`];
    const created = await answered(201, contacts.batchApi, 'create', {
      inputs: [{ properties: { email, external_id: external }, associations: [] }],
    });
    const { id } = created.results[0];
    const conflict = await refused(409, () =>
      contacts.batchApi.create({ inputs: [{ properties: { email }, associations: [] }] }));
    assert.equal(conflict.category, 'CONFLICT');
    assert.ok(conflict.message.endsWith(`Existing ID: ${id}`), conflict.message);
    await answered(200, contacts.batchApi, 'update', { inputs: [{ id, properties: { city: 'Oslo' } }] });
    const byKey = await answered(200, contacts.batchApi, 'upsert', {
      inputs: [{ id: external, idProperty: 'external_id', properties: { country: 'Norway' } }],
    });
    assert.deepEqual([byKey.results[0].id, byKey.results[0]._new], [id, false]);
    const one = await answered(200, contacts.basicApi, 'getById', id, ['city', 'country', 'email']);
    assert.deepEqual([one.properties.city, one.properties.country, one.properties.email], ['Oslo', 'Norway', email]);
    await refused(400, () =>
      contacts.batchApi.upsert({ inputs: [{ id: 'Oslo', idProperty: 'city', properties: {} }] }));
  },

  async 'reads name what is absent'() {
    const answer = await answered(207, contacts.batchApi, 'read', {
      inputs: [{ id: '1' }], properties: ['email'], propertiesWithHistory: [],
    });
    assert.deepEqual([answer.results.length, answer.numErrors], [0, 1]);
    assert.deepEqual(answer.errors[0].context.ids, ['1']);
    assert.equal((await refused(404, () => contacts.basicApi.getById('1'))).category, 'OBJECT_NOT_FOUND');
  },

  async 'archive removes, twice is once, and an upsert makes anew'() {
    const email = address('gone');
    const first = await answered(200, contacts.batchApi, 'upsert', { inputs: [upsertInput(email, {})] });
    const { id } = first.results[0];
    await answered(204, contacts.batchApi, 'archive', { inputs: [{ id }] });
    await answered(204, contacts.batchApi, 'archive', { inputs: [{ id }] });
    assert.equal(await readBack(email, ['email']), undefined);
    const again = await answered(200, contacts.batchApi, 'upsert', { inputs: [upsertInput(email, {})] });
    assert.equal(again.results[0]._new, true);
    assert.notEqual(again.results[0].id, id);
  },

  async 'search finds by value'() {
    const email = address('sought');
    await answered(200, contacts.batchApi, 'upsert', { inputs: [upsertInput(email, { jobtitle: 'Chef' })] });
    const answer = await answered(200, contacts.searchApi, 'doSearch', {
      filterGroups: [{ filters: [{ propertyName: 'email', operator: 'EQ', value: email }] }],
      properties: ['email', 'jobtitle'], limit: 10, after: '0', sorts: [],
    });
    assert.equal(answer.total, 1);
    assert.deepEqual([answer.results[0].properties.email, answer.results[0].properties.jobtitle], [email, 'Chef']);
  },

  async 'the catalogue has default and declared properties'() {
    const { results } = await answered(200, client.crm.properties.coreApi, 'getAll', 'contacts');
    const of = (name) => results.find((property) => property.name === name);
    assert.equal(of('lifetime_value').type, 'number');
    assert.equal(of('external_id').hasUniqueValue, true);
    assert.equal(of('createdate').modificationMetadata.readOnlyValue, true);
    assert.ok(of('lifecyclestage').options.some((option) => option.value === 'customer'));
  },

  async 'a bad token is refused'() {
    const email = address('t');
    const call = (token) => clientOf(token).crm.contacts.batchApi.upsert({ inputs: [upsertInput(email, {})] });
    assert.equal((await refused(401, () => call('invalid'))).category, 'INVALID_AUTHENTICATION');
    assert.equal((await refused(403, () => call('no-write-scope'))).category, 'MISSING_SCOPES');
    assert.equal(await readBack(email, ['email']), undefined);
  },

  async 'every answer carries the limits'() {
    const answer = await client.apiRequest({ path: '/account-info/v3/details' });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).portalId, 62515);
    for (const name of ['Daily', 'Daily-Remaining', 'Interval-Milliseconds', 'Max', 'Remaining']) {
      assert.match(answer.headers.get(`X-HubSpot-RateLimit-${name}`) ?? '', /^\d+$/, name);
    }
    assert.ok(answer.headers.get('X-HubSpot-Correlation-Id'));
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok    ${name}`);
    } catch (error) {
      console.error(`FAIL  ${name}\n${error.stack}`);
      process.exit(1);
    }
  }
})();

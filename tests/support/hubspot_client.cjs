// The official @hubspot/api-client, unmodified, against a HubSpot sandbox. Of every call the status, the whole body and
// the read-back, byte for byte, are asserted. Ends with 0 if all hold, else 1 with the first that does not.
//
//   cd "$(mktemp -d)" && npm init -y && npm install @hubspot/api-client@13.5.0
//   node PATH/TO/hubspot_client.cjs http://127.0.0.1:PORT/hubspot
//
// The sandbox must serve the account of `hubspot_account.yml`.
'use strict';

const assert = require('node:assert/strict');
const {
  Client, NUMBER_TEXT, UUID, absence, absent, address, byEmail, byKey, call, complete, each, invalid, match, problem,
  readBack, refusal, row, run, shown, traffic, typeOf, write,
} = require('./hubspot_calls.cjs');
const links = require('./hubspot_links.cjs');

const basePath = process.argv[2];
if (!basePath) {
  console.error('usage: node hubspot_client.cjs BASE_URL');
  process.exit(2);
}

const clientOf = (accessToken) =>
  new Client({ accessToken, basePath, numberOfApiCallRetries: 0, limiterOptions: { maxConcurrent: 1 } });
const client = clientOf('pat-official-client');

const CONTACT_NAMES = ['email', 'firstname', 'lastname', 'city', 'country', 'jobtitle', 'message', 'note', 'external_id',
  'lifetime_value', 'seats', 'vip', 'born', 'last_seen', 'plan', 'topics', 'settings', 'score', 'lifecyclestage'];
const contactsOf = (anyClient) => typeOf(anyClient.crm.contacts, 'crm/contacts', [], CONTACT_NAMES, ['createdate', 'lastmodifieddate']);
const contacts = contactsOf(client);
const companies = typeOf(client.crm.companies, 'crm/companies', [], ['account_code', 'name', 'domain'],
  ['createdate', 'hs_lastmodifieddate']);
const custom = typeOf(client.crm.objects, 'crm/objects', ['2-4711'], ['sku', 'title', 'weight'],
  ['hs_createdate', 'hs_lastmodifieddate']);

const TEXTS = {
  firstname: 'Zoë Ångström', lastname: 'O\'Brien "Bob" \\ back\\slash', city: ' 東京 leading and trailing ',
  country: '\u{1F469}\u200D\u{1F469}\u200D\u{1F467}\u{1F3FD} \u{1F1F3}\u{1F1F4}', jobtitle: 'line 1\nline 2\r\nline 3\ttab',
  message: '10,000 characters: ' + 'ab漢\u{1F600}'.repeat(2000).slice(0, 9981), external_id: `é e\u0301 / ? & = % + # ${run}`,
};

const BAD_VALUES = [
  ['email', 'nobody', 'INVALID_EMAIL'], ['lifetime_value', 'much', 'INVALID_NUMBER'], ['lifetime_value', '1,5', 'INVALID_NUMBER'],
  ['lifetime_value', ' 1', 'LEADING_TRAILING_WHITESPACE'], ['seats', '1.5', 'INVALID_NUMBER'], ['vip', 'yes', 'INVALID_OPTION'],
  ['born', '2023-02-29', 'INVALID_LONG'], ['born', '1430438400001', 'INVALID_DATE'], ['last_seen', 'soon', 'INVALID_LONG'],
  ['plan', 'Free', 'INVALID_OPTION'], ['topics', 'art;music', 'INVALID_OPTION'], ['settings', '{', 'INVALID_JSON'],
  ['score', '1', 'READ_ONLY_VALUE'], ['createdate', '2020-01-01T00:00:00Z', 'READ_ONLY_VALUE'],
  ['no_such_property', 'x', 'PROPERTY_DOESNT_EXIST'], ['note', 'blocked', 'INVALID_VALUE'],
  ['message', 'x'.repeat(65_537), 'PROPERTY_VALUE_TOO_LONG'],
];

const properties = typeOf(client.crm.properties, 'crm/properties', [], [], [], ['dataSensitivity']);
const option = (value, displayOrder, label = value) => ({ label, value, displayOrder, hidden: false });

/** A property of the account's own as the catalogue shows it. */
const own = (name, type, fieldType, rest = {}) => ({
  name, label: name, type, fieldType, description: '', groupName: 'information', displayOrder: -1, hidden: false,
  formField: true, options: [], calculated: false, externalOptions: false, hasUniqueValue: false, hubspotDefined: false,
  dataSensitivity: 'non_sensitive',
  modificationMetadata: { archivable: true, readOnlyDefinition: false, readOnlyValue: false }, ...rest,
});

const checks = {
  async 'upsert creates, then updates, and is one object whatever the case of its key'() {
    const email = address('ana');
    const [id] = await write(contacts, 'upsert', [row(byEmail(email, { email, firstname: 'Ana' }))]);
    const again = byEmail(email.toUpperCase(), { firstname: 'Zoë', lifetime_value: '12.50' });
    await write(contacts, 'upsert', [row(again, { meets: id, kept: { email } })]);
  },

  async 'texts are kept byte for byte'() {
    const email = address('texts');
    assert.equal(TEXTS.message.length, 10_000);
    const [id] = await write(contacts, 'upsert', [row(byEmail(email, TEXTS))]);
    await write(contacts, 'update', [row({ id, properties: { lastname: '<b>&amp;</b> {{ x }} \u2028 \u202Eשלום' } }, { meets: id })]);
    const edge = byEmail(email, { message: '\u{1F600}'.repeat(65_536) });
    await write(contacts, 'upsert', [row(edge, { meets: id })]);
  },

  async 'numbers, dates, booleans and options have one form, and an empty text clears'() {
    const email = address('typed');
    const typed = {
      lifetime_value: '-12.50', seats: '7', vip: 'true', born: '1430438400000', last_seen: '2015-04-02T20:02:46.5+02:00',
      plan: 'team & co', topics: 'law;r&d', settings: '{"a": [1, "é"]}', lifecyclestage: 'lead',
    };
    const kept = { born: '2015-05-01', last_seen: '2015-04-02T18:02:46.500Z' };
    const [id] = await write(contacts, 'upsert', [row(byEmail(email, typed), { kept })]);
    const others = { lifetime_value: '9007199254740993.25', vip: 'false', born: '2024-02-29', last_seen: '1427997766000', plan: 'free' };
    const changed = { ...others, last_seen: '2015-04-02T18:02:46.000Z' };
    await write(contacts, 'update', [row({ id, properties: others }, { meets: id, kept: changed })]);
    const cleared = Object.fromEntries(Object.keys(typed).map((name) => [name, '']));
    await write(contacts, 'update', [row(byEmail(email, cleared), { meets: id })]);
  },

  async 'with trace ids each row answers for itself'() {
    const rows = BAD_VALUES.map(([name, value, code], n) => {
      const input = byEmail(name === 'email' ? 'nobody' : address(`bad${n}`), name === 'email' ? {} : { [name]: value });
      return row({ ...input, objectWriteTraceId: `bad-${n}` }, { refused: [[name, code]] });
    });
    rows.splice(3, 0, row(byEmail(address('good'), { lifetime_value: '3' }, { objectWriteTraceId: 'good-1' })));
    rows.push(row(byEmail(address('good2'), { vip: 'false' }, { objectWriteTraceId: 'good-2' })));
    const two = byEmail(address('two'), { plan: 'x', vip: 'x' }, { objectWriteTraceId: 'two' });
    rows.push(row(two, { refused: [['plan', 'INVALID_OPTION'], ['vip', 'INVALID_OPTION']] }));
    await write(contacts, 'upsert', rows);
    await absent(contacts, 'email', rows.filter(({ refused }) => refused).map(({ input }) => input.id));
  },

  async 'without trace ids a bad row refuses its batch'() {
    for (const [n, [name, value, code]] of BAD_VALUES.entries()) {
      const [good, bad] = [address(`good-beside-${n}`), name === 'email' ? 'nobody' : address(`alone${n}`)];
      const inputs = [byEmail(good, { firstname: 'G' }), byEmail(bad, name === 'email' ? {} : { [name]: value })];
      await call(400, contacts, 'batchApi', 'upsert', [{ inputs }], refusal(invalid([name, code])));
      await absent(contacts, 'email', [good, bad]);
    }
  },

  async 'a value that is no text is refused'() {
    const email = address('number');
    for (const value of [5, true, null, ['a'], { a: 'b' }]) {
      const request = { inputs: [byEmail(email, { firstname: value })] };
      await call(400, contacts, 'batchApi', 'upsert', [request], refusal(/^Invalid input JSON on line 1, column \d+: /));
    }
    await absent(contacts, 'email', [email]);
  },

  async 'a batch has one to a hundred inputs, each once, all by the same unique property'() {
    const many = Array.from({ length: 101 }, (_, n) => row(byEmail(address(`many${n}`))));
    const refuse = (inputs, message) => call(400, contacts, 'batchApi', 'upsert', [{ inputs }], refusal(message));
    await refuse(many.map(({ input }) => input), /101 inputs/);
    await refuse([], /empty/);
    await refuse([byEmail(address('x')), byEmail(address('X'))], /^Duplicate IDs found in batch input/);
    await refuse([byEmail(address('y')), byKey('external_id', 'y', {})], /the same idProperty/);
    await refuse([byKey('city', 'Oslo', {})], /^Unable to perform update\/upsert by non-unique CONTACT property city/);
    await refuse([byKey('hs_object_id', '1', {})], /non-unique/);
    await refuse([{ id: address('z'), properties: {} }], /idProperty is required/);
    await absent(contacts, 'email', ['many0', 'x', 'y', 'z'].map(address));
    const ids = await write(contacts, 'upsert', many.slice(1));
    assert.equal(new Set(ids).size, 100);
  },

  async 'create, and what it collides with'() {
    const [email, external] = [address('new'), `ext-${run}`];
    const create = (properties, extra) => ({ properties, associations: [], ...extra });
    const [id] = await write(contacts, 'create', [row(create({ email, external_id: external }))]);
    const conflict = problem('CONFLICT', `Contact already exists. Existing ID: ${id}`);
    await call(409, contacts, 'batchApi', 'create', [{ inputs: [create({ email })] }], conflict);
    const taken = create({ email: address('other'), external_id: external });
    await call(400, contacts, 'batchApi', 'create', [{ inputs: [taken] }], refusal(invalid(['external_id', 'CONFLICTING_UNIQUE_VALUE'])));
    await absent(contacts, 'email', [address('other')]);
    const input = (name) => create({ email: address(name), firstname: name }, { objectWriteTraceId: name });
    const inputs = ['one', 'two', 'three'].map((name) => row(input(name)));
    await write(contacts, 'create', inputs);
    await readBack(contacts, [id], 'external_id');
  },

  async 'update by record id and by a unique property, never of what is not there'() {
    const [email, external] = [address('change'), `change/${run}`];
    const [id] = await write(contacts, 'upsert', [row(byEmail(email, { external_id: external, city: 'Oslo' }))]);
    await write(contacts, 'update', [row({ id, properties: { city: '' } }, { meets: id })]);
    await write(contacts, 'update', [row(byKey('external_id', external, { country: 'Norway' }), { meets: id })], 'external_id');
    await write(contacts, 'upsert', [row(byKey('external_id', external, { country: 'Norge' }), { meets: id })], 'external_id');
    const moved = address('moved');
    await write(contacts, 'update', [row({ id, properties: { email: moved } }, { meets: id })]);
    await absent(contacts, 'email', [email]);
    const missing = { id: '1', properties: { city: 'Rome' } };
    await call(207, contacts, 'batchApi', 'update', [{ inputs: [missing] }], complete([], absence(['1'])));
    const traced = { ...missing, objectWriteTraceId: 't1' };
    const named = [{ ...absence(['1'])[0], context: { ids: ['1'], objectWriteTraceId: ['t1'] } }];
    await call(207, contacts, 'batchApi', 'update', [{ inputs: [traced] }], complete([], named));
    const lost = problem('OBJECT_NOT_FOUND', 'resource not found');
    await call(404, contacts, 'basicApi', 'getById', ['1'], lost);
    await call(200, contacts, 'basicApi', 'getById', [moved, ['city', 'country'], undefined, undefined, false, 'email'],
      shown(contacts, id, ['city', 'country']));
  },

  async 'objects of a type of its own'() {
    const sku = `SKU ${run}`;
    const [id] = await write(custom, 'upsert', [row(byKey('sku', sku, { title: 'Chair', weight: '3.5' }))], 'sku');
    await write(custom, 'upsert', [row(byKey('sku', sku, { weight: '' }), { meets: id })], 'sku');
    const lacking = { inputs: [byKey('sku', `${sku} 2`, { weight: '1' })] };
    const incomplete = problem('VALIDATION_ERROR', /required properties were not set/, { context: { properties: ['title'] } });
    await call(400, custom, 'batchApi', 'upsert', [lacking], incomplete);
    await absent(custom, 'sku', [`${sku} 2`]);
    const cleared = { inputs: [{ id, properties: { title: '' } }] };
    await call(400, custom, 'batchApi', 'update', [cleared], refusal(invalid(['title', 'REQUIRED_FIELD'])));
    await readBack(custom, [id], 'sku');
    const unknown = { ...custom, prefix: ['2-9999'] };
    await call(400, unknown, 'batchApi', 'read', [{ inputs: [{ id }], properties: [], propertiesWithHistory: [] }],
      refusal('Unable to infer object type from: 2-9999'));
  },

  async 'archive removes, twice is once, and an upsert makes anew'() {
    const [email, other] = [address('gone'), address('stays')];
    const [id, kept] = await write(contacts, 'upsert', [row(byEmail(email, { city: 'Rome' })), row(byEmail(other))]);
    for (const inputs of [[{ id }], [{ id }, { id: '1' }]]) {
      await call(204, contacts, 'batchApi', 'archive', [{ inputs }], '');
      await absent(contacts, 'email', [email]);
      await call(404, contacts, 'basicApi', 'getById', [id], problem('OBJECT_NOT_FOUND', 'resource not found'));
      await call(207, contacts, 'batchApi', 'read', [{ inputs: [{ id }], properties: ['email'], propertiesWithHistory: [] }],
        complete([], absence([id])));
    }
    await readBack(contacts, [kept], 'email');
    const [anew] = await write(contacts, 'upsert', [row(byEmail(email))]);
    assert.notEqual(anew, id);
  },

  async 'search finds by value, and nothing that is archived'() {
    const email = address('sought');
    const [id] = await write(contacts, 'upsert', [row(byEmail(email, { jobtitle: 'Chef "é"' }))]);
    const filterGroups = [{ filters: [{ propertyName: 'email', operator: 'EQ', value: email }] }];
    const search = { filterGroups, properties: ['jobtitle'], limit: 10, after: '0', sorts: [] };
    await call(200, contacts, 'searchApi', 'doSearch', [search], { total: 1, results: [shown(contacts, id, ['jobtitle'])] });
    await call(204, contacts, 'batchApi', 'archive', [{ inputs: [{ id }] }], '');
    await call(200, contacts, 'searchApi', 'doSearch', [search], { total: 0, results: [] });
  },

  async 'the catalogue has default and declared properties'() {
    const declared = [
      own('lifetime_value', 'number', 'number'), own('seats', 'number', 'number'), own('born', 'date', 'date'),
      own('vip', 'bool', 'booleancheckbox', { options: [option('true', 0), option('false', 1)] }),
      own('last_seen', 'datetime', 'date'), own('external_id', 'string', 'text', { hasUniqueValue: true }),
      own('plan', 'enumeration', 'select', { options: ['free', 'pro', 'team & co'].map((value, n) => option(value, n)) }),
      own('topics', 'enumeration', 'checkbox', { options: ['art', 'law', 'r&d'].map((value, n) => option(value, n)) }),
      own('score', 'number', 'number', {
        formField: false, modificationMetadata: { archivable: true, readOnlyDefinition: false, readOnlyValue: true },
      }),
    ];
    await call(200, properties, 'coreApi', 'getAll', ['contacts'], {
      results: (results) => {
        const of = (name) => results.find((property) => property.name === name);
        for (const one of declared) match(of(one.name), one, one.name);
        const { type, hubspotDefined, modificationMetadata } = of('email');
        assert.deepEqual([type, hubspotDefined, modificationMetadata.readOnlyValue], ['string', true, false]);
        assert.equal(of('createdate').modificationMetadata.readOnlyValue, true);
        assert.ok(of('lifecyclestage').options.some(({ value }) => value === 'customer'));
      },
    });
    await call(400, properties, 'coreApi', 'getAll', ['2-9999'], refusal('Unable to infer object type from: 2-9999'));
  },

  async 'an account makes properties, and they can be written'() {
    const [amount, code, flag] = ['amount', 'code', 'flag'].map((name) => `${name}_${run.replace('.', '_')}`);
    const made = (name, type, fieldType, rest) => ({
      name, label: `Its ${name}`, type, fieldType, groupName: 'information', ...rest,
    });
    const inputs = [
      made(amount, 'number', 'number'), made(code, 'string', 'text', { hasUniqueValue: true }),
      made(flag, 'bool', 'booleancheckbox', { options: [option('true', 0), option('false', 1)] }),
    ];
    const shownAs = inputs.map(({ name, type, fieldType, label, hasUniqueValue = false, options = [] }) =>
      own(name, type, fieldType, { label, hasUniqueValue, options }));
    await call(201, properties, 'batchApi', 'create', ['contacts', { inputs }], complete(each(shownAs, (one) => one.name)));
    const taken = problem('OBJECT_ALREADY_EXISTS', /already exists/);
    await call(409, properties, 'batchApi', 'create', ['contacts', { inputs: [inputs[1]] }], taken);
    for (const wrong of [{ fieldType: 'text' }, { groupName: 'nowhere' }, { name: 'Upper' }]) {
      const other = { ...inputs[0], name: `other_${amount}`, ...wrong };
      await call(400, properties, 'batchApi', 'create', ['contacts', { inputs: [other] }], refusal(/./));
    }
    await call(200, properties, 'coreApi', 'getAll', ['contacts'], { results: (results) => {
      for (const one of shownAs) match(results.find(({ name }) => name === one.name), one, one.name);
      assert.ok(!results.some(({ name }) => name === `other_${amount}`));
    } });
    const type = { ...contacts, names: [...contacts.names, amount, code, flag] };
    const values = { [amount]: '1.5', [code]: run, [flag]: 'true' };
    const [id] = await write(type, 'upsert', [row(byEmail(address('made'), values))]);
    await write(type, 'upsert', [row(byKey(code, run, { [amount]: '' }), { meets: id })], code);
    const bad = { inputs: [byKey(code, run, { [amount]: 'x' })] };
    await call(400, type, 'batchApi', 'upsert', [bad], refusal(invalid([amount, 'INVALID_NUMBER'])));
  },

  async 'a bad token is refused, and one without the scope to write only reads'() {
    const email = address('token');
    const inputs = [byEmail(email)];
    const [denied, reader] = ['invalid', 'no-write-scope'].map((token) => contactsOf(clientOf(token)));
    const read = { inputs: [{ id: email }], idProperty: 'email', properties: ['email'], propertiesWithHistory: [] };
    const unknown = problem('INVALID_AUTHENTICATION', 'The access token is invalid or expired.');
    const lacking = problem('MISSING_SCOPES', /required scopes/, {
      errors: [{ message: /scopes are required/, context: { requiredGranularScopes: ['crm.objects.contacts.write'] } }],
    });
    await call(401, denied, 'batchApi', 'upsert', [{ inputs }], unknown);
    await call(401, denied, 'batchApi', 'read', [read], unknown);
    await call(403, reader, 'batchApi', 'upsert', [{ inputs }], lacking);
    await call(403, reader, 'batchApi', 'create', [{ inputs: [{ properties: { email }, associations: [] }] }], lacking);
    await call(403, reader, 'batchApi', 'archive', [{ inputs: [{ id: '1' }] }], lacking);
    await call(207, reader, 'batchApi', 'read', [read], complete([], absence([email])));
  },

  async 'an app gets a token for its refresh token, and the token is good'() {
    const oauth = typeOf(client.oauth, 'oauth', [], [], [], ['hub_id', 'token_use', 'error', 'error_description']);
    const grant = (...fields) => ['refresh_token', undefined, undefined, ...fields];
    const { access_token: token } = await call(200, oauth, 'tokensApi', 'create', grant('app', 'secret', 'refresh-1'), {
      access_token: /^\S+$/, refresh_token: 'refresh-1', expires_in: 1800, token_type: 'bearer', token_use: 'access_token',
      hub_id: 62515,
    });
    await write(contactsOf(clientOf(token)), 'upsert', [row(byEmail(address('app')))]);
    for (const [fields, status] of [
      [['invalid', 'secret', 'refresh-1'], 'BAD_CLIENT_ID'], [['app', 'invalid', 'refresh-1'], 'BAD_CLIENT_SECRET'],
      [['app', 'secret', 'invalid'], 'BAD_REFRESH_TOKEN'],
    ]) {
      const refused = { status, message: /./, correlationId: UUID, error: /^invalid_/, error_description: /./ };
      await call(400, oauth, 'tokensApi', 'create', grant(...fields), refused);
    }
  },

  async 'the account names itself, and every answer carries the limits'() {
    // The client has models neither for this call nor for its limits: it gives the answer of the transport.
    const answer = await client.apiRequest({ path: '/account-info/v3/details' });
    assert.equal(answer.status, 200);
    match(await answer.json(), {
      portalId: 62515, accountType: 'DEVELOPER_TEST', timeZone: 'UTC', companyCurrency: 'USD', additionalCurrencies: [],
      utcOffset: '+00:00', utcOffsetMilliseconds: 0, uiDomain: 'app.hubspot.com', dataHostingLocation: 'na1',
    });
    const header = (name) => answer.headers.get(`X-HubSpot-RateLimit-${name}`) ?? '';
    assert.deepEqual(['Interval-Milliseconds', 'Max'].map(header), ['10000', '5000']);
    for (const name of ['Daily', 'Daily-Remaining', 'Remaining']) assert.match(header(name), NUMBER_TEXT, name);
    assert.ok(Number(header('Remaining')) < 5000);
    assert.match(answer.headers.get('X-HubSpot-Correlation-Id') ?? '', UUID);
    traffic.asserted += 1;
  },
};

(async () => {
  for (const [name, check] of Object.entries({ ...checks, ...links({ client, contacts, companies }) })) {
    try {
      await check();
      console.log(`ok    ${name}`);
    } catch (error) {
      console.error(`FAIL  ${name}\n${String(error.stack).slice(0, 4000)}`);
      process.exit(1);
    }
  }
  if (traffic.sent !== traffic.asserted) {
    console.error(`FAIL  ${traffic.sent} calls were sent, ${traffic.asserted} asserted`);
    process.exit(1);
  }
  console.log(`${traffic.asserted} calls, each asserted`);
})();

// The checks of links between objects and of lists; `hubspot_client.cjs` runs them with its own.
'use strict';

const {
  TIME, address, byEmail, byKey, call, complete, each, problem, refusal, row, run, typeOf, write,
} = require('./hubspot_calls.cjs');

module.exports = ({ client, contacts, companies }) => {
  return {
    async 'links are made, of kinds that the account has, and taken away'() {
      const keys = [1, 2].map((n) => `A${n} ${run}`);
      const [ana, bo] = await write(contacts, 'upsert', ['ana', 'bo'].map((name) => row(byEmail(address(`linked.${name}`)))));
      const firms = keys.map((key) => row(byKey('account_code', key, { name: key })));
      const [acme, beta] = await write(companies, 'upsert', firms, 'account_code');
      const v4 = typeOf(client.crm.associations.v4, 'crm/associations/v4', ['contacts', 'companies'], [], []);
      const kinds = typeOf(client.crm.associations.v4.schema, 'crm/associations/v4/schema', ['contacts', 'companies'], [], []);
      const plain = { category: 'HUBSPOT_DEFINED', typeId: 279, label: null };
      const billing = { category: 'USER_DEFINED', typeId: 1, label: 'Billing contact' };
      await call(200, kinds, 'definitionsApi', 'getAll', [], { results: [plain, billing] });

      const pair = (from, to, ...types) => ({ _from: { id: from }, to: { id: to }, ...(types.length && {
        types: types.map(({ category, typeId }) => ({ associationCategory: category, associationTypeId: typeId })),
      }) });
      const links = async (from, ...to) => {
        const ends = to.map(([id, ...types]) => ({ toObjectId: id, associationTypes: types }));
        const linked = { from: { id: from }, to: each(ends, (one) => one.toObjectId) };
        await call(200, v4, 'batchApi', 'getPage', [{ inputs: [{ id: from }] }], complete([linked]));
      };
      const none = (from) => call(207, v4, 'batchApi', 'getPage', [{ inputs: [{ id: from }] }], complete([], [{
        status: 'error', category: 'OBJECT_NOT_FOUND', subCategory: 'crm.associations.NO_ASSOCIATIONS_FOUND',
        message: /^No company is associated/i,
        context: { fromObjectId: [from], toObjectType: ['companies'] },
      }]));

      await none(ana);
      const spec = { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 279 };
      const made = [[ana, acme], [bo, beta]].map(([from, to]) => ({ from: { id: from }, to: { id: to }, associationSpec: spec }));
      const both = { inputs: [pair(ana, acme), pair(bo, beta)] };
      for (let twice = 0; twice < 2; twice += 1) {
        await call(200, v4, 'batchApi', 'createDefault', [both], complete(each(made, (one) => one.from.id)));
        await links(ana, [acme, plain]);
        await links(bo, [beta, plain]);
      }
      const labelled = { fromObjectTypeId: /./, fromObjectId: ana, toObjectTypeId: /./, toObjectId: beta, labels: ['Billing contact'] };
      await call(201, v4, 'batchApi', 'create', [{ inputs: [pair(ana, beta, billing)] }], complete([labelled]));
      await links(ana, [acme, plain], [beta, billing]);
      const nobody = { status: 'error', category: 'OBJECT_NOT_FOUND', message: /does not exist/, context: { toObjectId: ['1'] } };
      await call(207, v4, 'batchApi', 'create', [{ inputs: [pair(bo, '1', billing)] }], complete([], [nobody]));
      const unknown = pair(bo, acme, { ...billing, typeId: 77 });
      await call(400, v4, 'batchApi', 'create', [{ inputs: [unknown] }], refusal(/type 77 doesn't exist/));
      await links(bo, [beta, plain]);
      await call(204, v4, 'batchApi', 'archiveLabels', [{ inputs: [pair(ana, beta, billing)] }], '');
      await links(ana, [acme, plain]);
      await call(204, v4, 'batchApi', 'archive', [{ inputs: [{ _from: { id: ana }, to: [{ id: acme }] }] }], '');
      await none(ana);
      await links(bo, [beta, plain]);
    },

    async 'members are put on a list and taken off'() {
      const lists = typeOf(client.crm.lists, 'crm/lists', [], [], []);
      const list = (listId, name, processingType) => ({ list: {
        listId, name, objectTypeId: '0-1', processingType, processingStatus: 'COMPLETE', listVersion: 1,
      } });
      await call(200, lists, 'listsApi', 'getByName', ['Audience', '0-1'], list('1', 'Audience', 'MANUAL'));
      await call(200, lists, 'listsApi', 'getById', ['2'], list('2', 'Live', 'DYNAMIC'));
      await call(404, lists, 'listsApi', 'getByName', ['Nobody', '0-1'], problem('OBJECT_NOT_FOUND', /List does not exist/));
      const [ana, bo] = await write(contacts, 'upsert', ['ana', 'bo'].map((name) => row(byEmail(address(`member.${name}`)))));
      const change = (method, ids, expected) => call(200, lists, 'membershipsApi', method, ['1', ids], {
        recordsIdsAdded: [], recordIdsRemoved: [], recordIdsMissing: [], ...expected,
      });
      const of = (id, ...on) => call(200, lists, 'membershipsApi', 'getLists', ['0-1', id], {
        total: on.length,
        results: on.map((listId) => ({
          listId, listVersion: 1, isPublicList: false, firstAddedTimestamp: TIME, lastAddedTimestamp: TIME,
        })),
      });
      await of(ana);
      await change('add', [ana, bo, '1'], { recordsIdsAdded: each([ana, bo], String), recordIdsMissing: ['1'] });
      await change('add', [ana], {});
      await of(ana, '1');
      await change('remove', [bo], { recordIdsRemoved: [bo] });
      await change('remove', [bo], {});
      await of(bo);
      await of(ana, '1');
      await call(400, lists, 'membershipsApi', 'add', ['2', [ana]], refusal(/DYNAMIC list cannot be changed/));
      await of(ana, '1');
    },
  };
};

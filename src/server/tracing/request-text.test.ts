import assert from "node:assert/strict";
import { test } from "node:test";
import { InternalAuthenticateRequest } from "../../api/gen/raft-internal.ts";
import {
  AlarmRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  Compare,
  Compare_CompareTarget,
  DeleteRangeRequest,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  RangeRequest_SortTarget,
  RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import { RaftField } from "../log/raft-request.ts";
import { messageText, raftRequestText } from "./request-text.ts";

const key = bytesFromUtf8("a");
const put = PutRequest.create({ key, value: bytesFromUtf8("secret"), lease: 7n });

test("requests read in the log as those of etcd, without the values that clients store", () => {
  const compare = Compare.create({
    target: Compare_CompareTarget.VALUE,
    key,
    targetUnion: { case: "value", value: bytesFromUtf8("secret") },
  });
  const success = [RequestOp.create({ request: { case: "requestPut", value: put } })];
  const cases: [number, unknown, string][] = [
    [RaftField.put, put, 'put:<key:"a" value_size:6 lease:7 >'],
    [
      RaftField.txn,
      TxnRequest.create({ compare: [compare], success }),
      'txn:<compare:<target:VALUE key:"a" value_size:6 > ' +
        'success:<request_put:<key:"a" value_size:6 lease:7 >> failure:<>>',
    ],
    [
      RaftField.deleteRange,
      DeleteRangeRequest.create({ key, prevKv: true }),
      'delete_range:<key:"a" prev_kv:true > ',
    ],
    [
      RaftField.leaseGrant,
      LeaseGrantRequest.create({ TTL: 30, ID: 0x9aan }),
      "lease_grant:<ttl:30-second id:00000000000009aa>",
    ],
    [
      RaftField.alarm,
      AlarmRequest.create({ memberID: 5n, alarm: 1, action: 1 }),
      "alarm:<action:ACTIVATE member_ID:5 alarm:NOSPACE > ",
    ],
    [
      RaftField.authUserAdd,
      AuthUserAddRequest.create({ name: "eve", hashedPassword: "$2a$10$secret" }),
      "auth_user_add:<name:eve>",
    ],
    [
      RaftField.authUserChangePassword,
      AuthUserChangePasswordRequest.create({ name: "eve", hashedPassword: "$2a$10$secret" }),
      "auth_user_change_password:<name:eve>",
    ],
    [
      RaftField.authenticate,
      InternalAuthenticateRequest.create({ name: "eve", simpleToken: "secret" }),
      "authenticate:<name:eve>",
    ],
  ];
  for (const [field, request, text] of cases) assert.equal(raftRequestText(field, request), text);
});

test("bytes that are no text are shown in octal, and long keys are cut", () => {
  const range = RangeRequest.create({
    key: Buffer.from([0, 0x22, 0xff]),
    limit: 3,
    sortTarget: RangeRequest_SortTarget.MOD,
    keysOnly: true,
  });
  assert.equal(messageText(range), 'key:"\\000\\"\\377" limit:3 sort_target:MOD keys_only:true ');
  const long = messageText(RangeRequest.create({ key: Buffer.alloc(300, "k") }));
  assert.equal(long, `key:"${"k".repeat(256)}"… `);
});

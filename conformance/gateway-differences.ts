/**
 * Where the answers to gateway-cases.ts differ from a reference etcd's, by its release: exact, and
 * kept so by gateway-http.test.ts. Those from 3.6 are on purpose; those from 3.4 are mostly what
 * changed in etcd between the two.
 */

export interface GatewayDifference {
  readonly reference: string;
  readonly ours: string;
}

export const GATEWAY_DIFFERENCES: Readonly<
  Record<string, Readonly<Record<string, GatewayDifference>>>
> = {
  "3.6": {
    "lease keep-alive with malformed JSON": {
      reference: "200 | ",
      ours: '400 | content-type: application/json | {"error":{"code":3,"message":"Failed to decode request: invalid character \'b\' looking for beginning of object key string"}}\n',
    },
  },
  "3.4": {
    "range with a field twice": {
      reference:
        '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2","value":"YmF6"}],"count":"1"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:15): duplicate field \\"key\\""}',
    },
    "range with unpadded base64": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"illegal base64 data at input byte 0"}',
      ours: '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"}}',
    },
    "range with URL-safe base64": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"illegal base64 data at input byte 0"}',
      ours: '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"}}',
    },
    "range with bad base64": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"illegal base64 data at input byte 1"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:8): invalid value for bytes field key: \\"Z!m9v\\""}',
    },
    "range with a number as key": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal number into Go value of type []uint8"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:8): invalid value for bytes field key: 12"}',
    },
    "range with a fraction as limit": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal number 1.5 into Go value of type int64"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:23): invalid value for int64 field limit: 1.5"}',
    },
    "range with a whole float as limit": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal number 1.0 into Go value of type int64"}',
      ours: '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2","value":"YmF6"}],"count":"1"}',
    },
    "range with a limit beyond int64": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal number 9223372036854775808 into Go value of type int64"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:23): invalid value for int64 field limit: \\"9223372036854775808\\""}',
    },
    "range with a string as bool": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal string into Go value of type bool"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: (line 1:27): invalid value for bool field keysOnly: \\"true\\""}',
    },
    "range with an unknown enum name": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"unknown value \\"BAD\\" for enum etcdserverpb.RangeRequest_SortOrder"}',
      ours: '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2","value":"YmF6"}],"count":"1"}',
    },
    "range with an unknown enum number": {
      reference:
        '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"3","raft_term":"…"},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2","value":"YmF6"}],"count":"1"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"etcdserver: invalid sort option"}',
    },
    "range with an array as body": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal array into Go value of type map[string]json.RawMessage"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: syntax error (line 1:1): unexpected token ["}',
    },
    "range with null as body": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"etcdserver: key is not provided"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: syntax error (line 1:1): unexpected token null"}',
    },
    "transaction with an object for a list": {
      reference:
        '400 | content-type: application/json | {"code":3,"message":"json: cannot unmarshal object into Go value of type []json.RawMessage"}',
      ours: '400 | content-type: application/json | {"code":3,"message":"proto: syntax error (line 1:12): unexpected token {"}',
    },
    "lease grant again": {
      reference:
        '412 | content-type: application/json | {"code":9,"message":"etcdserver: lease already exists"}',
      ours: '400 | content-type: application/json | {"code":9,"message":"etcdserver: lease already exists"}',
    },
    "lease keep-alive with malformed JSON": {
      reference:
        '500 | content-type: application/json | {"code":2,"message":"invalid character \'b\' looking for beginning of object key string"}',
      ours: '400 | content-type: application/json | {"error":{"code":3,"message":"Failed to decode request: invalid character \'b\' looking for beginning of object key string"}}\n',
    },
    "alarm list": {
      reference:
        "200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {}",
      ours: '200 | content-type: application/json | grpc-metadata-content-type: application/grpc | {"header":{"cluster_id":"…","member_id":"…","revision":"7","raft_term":"…"}}',
    },
    "transfer to an unknown member": {
      reference:
        '412 | content-type: application/json | {"code":9,"message":"etcdserver: bad leader transferee"}',
      ours: '400 | content-type: application/json | {"code":9,"message":"etcdserver: bad leader transferee"}',
    },
    "unknown path below /v3": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | Not Found\n",
      ours: '404 | content-type: application/json | {"code":5,"message":"Not Found"}',
    },
    "path with a slash too many": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | Not Found\n",
      ours: '404 | content-type: application/json | {"code":5,"message":"Not Found"}',
    },
    "GET of a method": {
      reference:
        "405 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | Method Not Allowed\n",
      ours: '501 | content-type: application/json | {"code":12,"message":"Method Not Allowed"}',
    },
    "PUT of a method": {
      reference:
        "405 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | Method Not Allowed\n",
      ours: '501 | content-type: application/json | {"code":12,"message":"Method Not Allowed"}',
    },
    "/version": {
      reference:
        '200 | content-type: application/json | {"etcdserver":"3.4.23","etcdcluster":"3.4.0"}',
      ours: '200 | content-type: application/json | {"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"3.6.0"}',
    },
    "/health": {
      reference: '200 | content-type: text/plain; charset=utf-8 | {"health":"true"}',
      ours: '200 | content-type: text/plain; charset=utf-8 | {"health":"true","reason":""}',
    },
    "/health of this member only": {
      reference: '200 | content-type: text/plain; charset=utf-8 | {"health":"true"}',
      ours: '200 | content-type: text/plain; charset=utf-8 | {"health":"true","reason":""}',
    },
    "/livez": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | 404 page not found\n",
      ours: "200 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | ok\n",
    },
    "/livez in words": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | 404 page not found\n",
      ours: "200 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | [+]serializable_read ok\nok\n",
    },
    "/readyz": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | 404 page not found\n",
      ours: "200 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | ok\n",
    },
    "/readyz without some checks": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | 404 page not found\n",
      ours: "200 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | ok\n",
    },
    "one check of /readyz": {
      reference:
        "404 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | 404 page not found\n",
      ours: "200 | content-type: text/plain; charset=utf-8 | x-content-type-options: nosniff | [+]data_corruption ok\nok\n",
    },
    "/metrics by HEAD": {
      reference: "200 | content-type: text/plain; version=0.0.4; charset=utf-8 | ",
      ours: "200 | content-type: text/plain; version=0.0.4; charset=utf-8; escaping=underscores | ",
    },
  },
};
